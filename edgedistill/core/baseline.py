"""What a repository commits to be compared with later: the figures of one model on one target."""

from __future__ import annotations

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
    edgedistill_version: str
    """Which edgedistill made the figures."""
