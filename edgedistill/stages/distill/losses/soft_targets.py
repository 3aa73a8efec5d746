"""Soft targets: the teacher's whole answer instead of a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from edgedistill.stages.distill.losses.divergence import kullback_leibler, softened

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
        One value in nats, float32 or the logits' own higher precision.
    """
    student, teacher = softened(student_logits, teacher_logits, temperature)
    log_student = functional.log_softmax(student, dim=-1)
    log_teacher = functional.log_softmax(teacher, dim=-1)
    return kullback_leibler(log_teacher, log_student).mean() * temperature**2
