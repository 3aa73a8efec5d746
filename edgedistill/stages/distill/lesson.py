"""What is learned, by whom and from what, and how it went."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    import numpy as np
    from torch import Tensor, nn

    from edgedistill.core.learning import Training
    from edgedistill.data import Dataset
    from edgedistill.models import Network
    from edgedistill.stages.distill.schedule import Pace


class Heart(Protocol):
    """What of the training samples is learned."""

    @property
    def kept(self) -> np.ndarray:
        """Which samples, int64 `[k]`, ascending."""

    @property
    def hidden(self) -> np.ndarray:
        """Whose labels may not be used, bool `[n]` over all samples."""

    @property
    def difficulty(self) -> np.ndarray:
        """How difficult each is, float `[n]` over all samples; the lowest are the easiest."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What an objective may know of a batch beside the network's answers."""

    indices: np.ndarray
    """Which training samples, int64 `[batch]`."""
    views: np.ndarray
    """Which view of each, int64 `[batch]`."""
    labels: Tensor
    """int64 `[batch]`, UNLABELLED where the label may not be used."""
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    """What the network was called with, by name; of several processes each has its own part of the
    batch, the n-th the n-th."""
    features: Mapping[str, Tensor] = field(default_factory=dict)
    """What the lesson's `layers` gave, `[batch, ...]` by name."""
    gather: Callable[[Tensor], Tensor] = lambda tensor: tensor
    """From what follows from `inputs` in this process to the same for the whole batch."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned, by whom, from which samples."""

    network: Network
    """Where the learning starts; it is copied, never changed."""
    dataset: Dataset
    training: Training
    samples: np.ndarray
    """Which training samples take part, int64 `[n]`."""
    objective: Callable[[Tensor, Batch], Tensor]
    """From logits `[batch, classes]` and the batch to the loss, one value."""
    title: str
    """What the progress bar says."""
    recipe_key: str
    """Where `training` stands in the recipe, for errors."""
    pace: Pace | None = None
    """Which samples come first; None for no matter which."""
    layers: tuple[str, ...] = ()
    """Layers of the network whose outputs the objective wants to see."""
    numbers: Callable[[nn.Module], AbstractContextManager[None]] = lambda _: nullcontext()
    """In which numbers the network computes while it learns, for instance rounded to int8."""
    companion: nn.Module | None = None
    """Learns along and is thrown away after: what brings a student's layers to a teacher's shape.
    It belongs to the objective and is changed."""


@dataclass(frozen=True)
class History:
    """How a training went."""

    steps: int
    samples: int
    """How many training samples took part."""
    losses: tuple[float, ...]
    """Mean over the steps of each epoch."""
    accuracy_before: float
    """On the validation split, before the first step."""
    accuracies: tuple[float, ...]
    """On the validation split, after each epoch."""

    def facts(self) -> dict[str, Any]:
        """The history as plain JSON values."""
        return {
            "epochs": len(self.losses),
            "steps": self.steps,
            "samples": self.samples,
            "loss": list(self.losses),
            "validation_accuracy_before": self.accuracy_before,
            "validation_accuracy_after": self.accuracies[-1],
            "validation_accuracy": list(self.accuracies),
        }
