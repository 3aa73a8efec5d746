"""Whether a model file keeps the accuracy that was asked, for stages that try several ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Judged:
    """What is known of one model file.

    Attributes:
        figure: Its accuracy on labels, or its agreement with the float model; a fraction.
        distance: How far its outputs are from the float model's: root mean square of the
            difference over root mean square of the float outputs' spread; breaks ties between
            figures, finite where the outputs are.
        broken: Which limit it breaks, in words; None where it keeps all.
        enough: Whether the figure itself is as high as it must be, so that what more it has is
            worth nothing, and nearer outputs are.
    """

    figure: float
    distance: float
    broken: str | None
    enough: bool = False

    @property
    def holds(self) -> bool:
        """Whether it keeps every limit."""
        return self.broken is None


class Judge(Protocol):
    """Holds a model file against what was asked of it."""

    @property
    def called(self) -> str:
        """What the figure is: `accuracy`, or `agreement with the float model`."""

    def judge(self, model: Path) -> Judged:
        """Runs a file on the samples that decide.

        Args:
            model: An ONNX file with the float model's inputs and outputs.

        Raises:
            InputError: If it cannot be run.
        """
