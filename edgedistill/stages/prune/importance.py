"""What makes a channel worth keeping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Score = Callable[[Any], torch.Tensor | None]
    """Scores a whole dependency group, one number a channel; None where it cannot."""


def importance(kind: str) -> Score:
    """The measure of this name.

    `magnitude`: the squared L2 norm of all weights that belong to a channel, averaged over the
    coupled layers and divided by the group's mean (Fang et al. 2023, arXiv 2301.12900,
    section 4.2; with one layer a group it is the filter norm of Li et al. 2017, arXiv
    1608.08710).
    """
    import torch_pruning

    score: Score = {"magnitude": torch_pruning.importance.GroupMagnitudeImportance(p=2)}[kind]
    return score
