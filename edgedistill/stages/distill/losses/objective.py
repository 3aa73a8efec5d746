"""The whole objective on answers: what the teacher says and what the labels say, weighed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from edgedistill import tasks
from edgedistill.stages.distill.losses.correlation import correlation_loss
from edgedistill.stages.distill.losses.decoupled import decoupled_loss
from edgedistill.stages.distill.losses.precision import wide
from edgedistill.stages.distill.losses.soft_targets import soft_target_loss
from edgedistill.stages.distill.losses.standardization import standardize

if TYPE_CHECKING:
    from torch import Tensor

    from edgedistill.core.learning import Distill


def answers_loss(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, config: Distill
) -> Tensor:
    """What the recipe makes of the teacher's answers and the labels.

    `alpha * T + (1 - alpha) * cross entropy` (Hinton et al. 2015, section 2), with T the loss that
    `config.method` names, on standardized logits where `config.standardize` says so; labels always
    meet the logits as they are. The teacher speaks on every sample, a label only where there is
    one; dkd takes the class that the teacher finds most probable where there is none. A side of
    weight 0 is not computed at all, so what stands there, a NaN even, changes nothing.

    Args:
        student_logits: `[batch, classes]`.
        teacher_logits: `[batch, classes]`; no gradient flows into them.
        labels: int64 `[batch]`, UNLABELLED where the label may not be used.
        config: Method, temperature and weights; label smoothing is that of `config.train`.

    Returns:
        One value, float32 or the logits' own higher precision.
    """
    total = []
    if config.alpha > 0:
        total.append(config.alpha * _on_answers(student_logits, teacher_logits, labels, config))
    if config.alpha < 1:
        smoothing = config.train.label_smoothing
        on_labels = tasks.label_loss(wide(student_logits), labels, label_smoothing=smoothing)
        total.append((1 - config.alpha) * on_labels)
    return torch.stack(total).sum()


def _on_answers(student: Tensor, teacher: Tensor, labels: Tensor, config: Distill) -> Tensor:
    if config.standardize:
        student, teacher = standardize(student), standardize(teacher.detach())
    if config.method == "kd":
        return soft_target_loss(student, teacher, config.temperature)
    if config.method == "dkd":
        return decoupled_loss(
            student,
            teacher,
            labels,
            temperature=config.temperature,
            target_weight=config.target_weight,
            nontarget_weight=config.nontarget_weight,
        )
    return correlation_loss(
        student,
        teacher,
        temperature=config.temperature,
        inter_weight=config.inter_weight,
        intra_weight=config.intra_weight,
    )
