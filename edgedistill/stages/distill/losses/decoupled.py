"""Decoupled distillation: the right class and all others, each with a weight of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from edgedistill.core.labels import UNLABELLED
from edgedistill.stages.distill.losses.divergence import kullback_leibler, softened

if TYPE_CHECKING:
    from torch import Tensor


def decoupled_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    targets: Tensor,
    *,
    temperature: float,
    target_weight: float,
    nontarget_weight: float,
) -> Tensor:
    """What the teacher says of the right class, and of the others among themselves (DKD).

    `T^2 * (target_weight * TCKD + nontarget_weight * NCKD)`, the mean over the batch (Zhao et al.
    2022, arXiv 2203.08679, section 3.3). TCKD is the KL divergence between two classes, the right
    one against the rest; NCKD is the one between the other classes with the right one taken away.
    With weights 1 and 1 - p, p the teacher's softened probability of the right class, a sample's
    loss is its `soft_target_loss` (section 3.1).

    The right class is left out of the other logits, not lowered by 1000 as in the authors' code, so
    NCKD is exact where a teacher is sure of the right class; it is 0 where it gives minus infinity
    to all others. Their code weighs labels by 1 beside this loss and raises this loss's weight
    from 0 over the first epochs; both are the caller's.

    Args:
        student_logits: `[batch, classes]`.
        teacher_logits: `[batch, classes]`; no gradient flows into them.
        targets: int64 `[batch]`; where UNLABELLED, the class the teacher finds most probable.
        temperature: Above 0; higher is softer.
        target_weight: Of TCKD (alpha in the paper); what has weight 0 is not computed.
        nontarget_weight: Of NCKD (beta in the paper).

    Returns:
        One value in nats, float32 or the logits' own higher precision.
    """
    student, teacher = softened(student_logits, teacher_logits, temperature)
    right = torch.where(targets == UNLABELLED, teacher.argmax(dim=-1), targets)
    total = student.new_zeros(())
    if target_weight > 0:
        log_teacher, log_student = _right_or_not(teacher, right), _right_or_not(student, right)
        total = total + target_weight * kullback_leibler(log_teacher, log_student).mean()
    if nontarget_weight > 0:
        among_others = _among(_without(teacher, right), _without(student, right))
        total = total + nontarget_weight * among_others.mean()
    return total * temperature**2


def _without(logits: Tensor, right: Tensor) -> Tensor:
    """The logits of all classes but one, `[batch, classes - 1]`."""
    batch, classes = logits.shape
    kept = torch.arange(classes, device=logits.device) != right[:, None]
    return logits[kept].view(batch, classes - 1)


def _right_or_not(logits: Tensor, right: Tensor) -> Tensor:
    """Log-probabilities of the right class and of all others together, `[batch, 2]`."""
    others = _without(logits, right).logsumexp(dim=-1, keepdim=True)
    return functional.log_softmax(torch.cat([logits.gather(1, right[:, None]), others], 1), dim=-1)


def _among(teacher: Tensor, student: Tensor) -> Tensor:
    """KL divergence among the other classes, `[batch]`, from logits `[batch, classes - 1]`."""
    silent = torch.isneginf(teacher).all(dim=-1)
    log_teacher = functional.log_softmax(torch.where(silent[:, None], 0.0, teacher), dim=-1)
    log_student = functional.log_softmax(student, dim=-1)
    return torch.where(silent, 0.0, kullback_leibler(log_teacher, log_student))
