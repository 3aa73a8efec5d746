"""What a student learns from: pure functions of logits and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from edgedistill import tasks

if TYPE_CHECKING:
    from torch import Tensor


def soft_target_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """How far a student's softened answers are from its teacher's.

    `T^2 * KL(softmax(v / T) || softmax(z / T))`, the mean over the batch, with student logits z
    and teacher logits v (Hinton et al. 2015, arXiv 1503.02531, section 2). The factor T^2 keeps
    the size of the gradient where the temperature changes, as section 2 recommends. Differs from
    the cross entropy written there by the teacher's own entropy, which has no gradient.

    Half precision is raised to float32 inside; a teacher that is sure (a class of probability 0,
    a logit of minus infinity) gives a finite loss and gradient.

    Args:
        student_logits: `[batch, classes]`.
        teacher_logits: `[batch, classes]`; no gradient flows into them.
        temperature: Above 0; higher is softer.

    Returns:
        One value, float32 or the logits' own higher precision.
    """
    wanted = _wide(student_logits) / temperature
    given = _wide(teacher_logits.detach()).to(wanted.dtype) / temperature
    log_student = functional.log_softmax(wanted, dim=-1)
    log_teacher = functional.log_softmax(given, dim=-1)
    probability = log_teacher.exp()
    distance = torch.where(probability > 0, log_teacher - log_student, 0.0)
    return (probability * distance).sum(dim=-1).mean() * temperature**2


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    alpha: float,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The teacher's answers and the labels, weighed against each other.

    `alpha * soft_target_loss + (1 - alpha) * cross entropy` (Hinton et al. 2015, section 2). The
    teacher speaks on every sample, a label only where there is one. A side of weight 0 is not
    computed at all, so what stands there, a NaN even, changes nothing.

    Args:
        student_logits: `[batch, classes]`.
        teacher_logits: `[batch, classes]`.
        labels: int64 `[batch]`, UNLABELLED where the label may not be used.
        temperature: Softens both answers; above 0.
        alpha: Weight of the teacher's answers, 0 to 1.
        label_smoothing: Share of each label spread over all classes.
    """
    total = torch.zeros((), dtype=_wide(student_logits).dtype)
    if alpha > 0:
        total = total + alpha * soft_target_loss(student_logits, teacher_logits, temperature)
    if alpha < 1:
        logits = _wide(student_logits)
        on_labels = tasks.label_loss(logits, labels, label_smoothing=label_smoothing)
        total = total + (1 - alpha) * on_labels
    return total


def _wide(logits: Tensor) -> Tensor:
    """The logits in float32 at least."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
