"""What a fit leaves behind: a shape, and the scales of the devices that were measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from write import write_cost, write_shape

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.fitted import FittedCost
    from edgedistill.core.shape_document import ShapeDocument

FITTED_ON = "2026-11-22"
"""The day of the published table that the fits were made from; change it with the table."""


@dataclass(frozen=True)
class ProfileCost:
    """A cost block and where it belongs.

    Attributes:
        profile: The profile's name.
        runtime: `runtimes` or `converted_runtimes`, and the runtime's name.
        precision: fp32, fp16 or int8.
        cost: What to write.
    """

    profile: str
    runtime: tuple[str, str]
    precision: str
    cost: FittedCost


@dataclass(frozen=True)
class Result:
    """All that one fit writes: cost blocks, and a shape where they share one."""

    document: ShapeDocument | None
    costs: tuple[ProfileCost, ...] = ()

    def write(self, targets: Path) -> None:
        """Writes shape and cost blocks.

        Args:
            targets: The folder of the profiles.
        """
        if self.document is not None:
            print(f"wrote {write_shape(self.document, targets)}")
        for one in self.costs:
            file = targets / f"{one.profile}.yaml"
            write_cost(file, one.runtime, one.precision, one.cost)
            print(f"wrote {file}: {one.runtime[1]}, {one.precision}")
