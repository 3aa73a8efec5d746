"""Distillation by correlation: the order and relation of probabilities, not their exact values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from edgedistill.stages.distill.losses.divergence import softened
from edgedistill.stages.distill.losses.precision import unit

if TYPE_CHECKING:
    from torch import Tensor

_ROUNDING = 16
"""Spread of equal probabilities after a softmax, in units of the last place, generously."""


def correlation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    temperature: float,
    inter_weight: float,
    intra_weight: float,
) -> Tensor:
    """How badly a student's softened probabilities correlate with its teacher's (DIST).

    `T^2 * (inter_weight * (1 - mean r over samples) + intra_weight * (1 - mean r over classes))`
    with r Pearson's correlation: between the classes of one sample (inter), and between the samples
    of one class (intra). Huang et al. 2022, arXiv 2205.10536, section 3; the factor T^2 is that of
    the authors' code (tau^2), not of the paper's equations.

    Where probabilities do not vary (a student with equal logits, a class that nobody finds in this
    batch) r is 0 up to rounding, and its gradient is finite. The authors' code instead adds 1e-8
    below the fraction, which blows the gradient up by as much there, and draws r to 0 for classes
    of small probability.

    Args:
        student_logits: `[batch, classes]`; with one sample alone intra is constant.
        teacher_logits: `[batch, classes]`; no gradient flows into them.
        temperature: Above 0; higher is softer.
        inter_weight: Beta in the paper; what has weight 0 is not computed.
        intra_weight: Gamma in the paper.

    Returns:
        One value without unit, float32 or the logits' own higher precision.
    """
    student, teacher = (
        logits.softmax(dim=-1) for logits in softened(student_logits, teacher_logits, temperature)
    )
    total = student.new_zeros(())
    if inter_weight > 0:
        total = total + inter_weight * (1 - _pearson(student, teacher).mean())
    if intra_weight > 0:
        total = total + intra_weight * (1 - _pearson(student.T, teacher.T).mean())
    return total * temperature**2


def _pearson(first: Tensor, second: Tensor) -> Tensor:
    """Pearson's correlation of each row with its row of the other, `[rows]`."""
    return (_standing(first) * _standing(second)).sum(dim=-1)


def _standing(rows: Tensor) -> Tensor:
    """Rows around their mean, of length 1; a row that is flat up to rounding stays small."""
    least = _ROUNDING * torch.finfo(rows.dtype).eps * rows.detach().abs().amax(-1, keepdim=True)
    return unit(rows - rows.mean(dim=-1, keepdim=True), least)
