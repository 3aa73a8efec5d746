"""What a repository commits to be compared with later: the figures of one model on one target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from edgedistill.core.evidence import Conditions, Quantity
from edgedistill.core.strict import Strict

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
BudgetName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


def _plain_file_name(name: str) -> str:
    """A name beside the file that names it: nothing else on the disk is reached through it."""
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        if path.name != name or name in ("", ".", ".."):
            raise ValueError("is not a plain file name. Put the model beside the file and name it")
    return name


FileName = Annotated[str, AfterValidator(_plain_file_name)]


class Baseline(Strict):
    """The model of one target that later ones are held against.

    Small, and written in the same bytes for the same report, so that version control shows what
    changed.
    """

    schema_version: Literal[1]
    kind: Literal["edgedistill-baseline"]
    target: str
    """The profile's name."""
    run: str
    """Which run made the model."""
    model_sha256: Sha256
    """Of the ONNX file."""
    model: FileName | None = None
    """The ONNX file beside this one; absent where it is kept elsewhere. A relative limit on latency
    runs it again."""
    figures: dict[BudgetName, Quantity]
    """Budget to the figure of the model that it limits; what the run does not know is left out."""
    conditions: Conditions | None
    """Of the latency measurement; absent where there was none."""
    data_sha256: Sha256 | None = None
    """Of the data that accuracy was judged on; absent where unknown."""
    edgedistill_version: str
    """Which edgedistill made the figures."""


@dataclass(frozen=True, kw_only=True)
class FigureChange:
    """What becomes of one figure when a baseline is brought up to date."""

    budget: str
    """The budget that limits it."""
    title: str
    """What is limited, for a person."""
    unit: str
    """ms, MB and the like, or % for a fraction written in percent."""
    less_is_better: bool
    old: Quantity | None
    """Absent where the old baseline did not know it, or there was none."""
    new: Quantity | None
    """Absent where the new model's report does not know it."""

    @property
    def difference(self) -> float | None:
        """New less old; None where one of them is absent."""
        if self.old is None or self.new is None:
            return None
        return self.new.value - self.old.value

    @property
    def verdict(self) -> Literal["new", "gone", "same", "better", "worse", "not apart"]:
        """Whether it is better or worse: told only where the intervals lie apart."""
        if self.old is None:
            return "new"
        if self.new is None:
            return "gone"
        if self.old == self.new:
            return "same"
        if self.new.high < self.old.low:
            return "better" if self.less_is_better else "worse"
        if self.new.low > self.old.high:
            return "worse" if self.less_is_better else "better"
        return "not apart"


@dataclass(frozen=True, kw_only=True)
class BaselineChange:
    """What becomes of one baseline file."""

    file: str
    """Where it stands, or will."""
    old: Baseline | None
    """Absent where there was none."""
    new: Baseline
    figures: tuple[FigureChange, ...]
    """In the order of a verdict."""
    model_differs: bool
    """Whether the ONNX file beside it is to be written, or is no longer named."""

    @property
    def changes(self) -> bool:
        """Whether anything differs."""
        return self.old != self.new or self.model_differs
