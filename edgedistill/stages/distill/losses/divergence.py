"""How far one distribution over classes is from another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from edgedistill.stages.distill.losses.precision import wide

if TYPE_CHECKING:
    from torch import Tensor


def softened(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Both logits divided by the temperature, in one precision, float32 at least.

    No gradient flows into the teacher's.

    Args:
        student_logits: `[..., classes]`.
        teacher_logits: `[..., classes]`.
        temperature: Above 0; higher is softer.
    """
    student = wide(student_logits) / temperature
    teacher = wide(teacher_logits.detach()).to(student.dtype) / temperature
    return student, teacher


def kullback_leibler(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q), the sum over the last dimension of p (log p - log q), in nats.

    A class of probability 0 under p counts for nothing, whatever q says of it.

    Args:
        log_p: `[..., classes]`, logarithms of probabilities.
        log_q: `[..., classes]`.

    Returns:
        `[...]`.
    """
    probability = log_p.exp()
    return (probability * torch.where(probability > 0, log_p - log_q, 0.0)).sum(dim=-1)
