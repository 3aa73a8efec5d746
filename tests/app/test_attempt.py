from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from edgedistill.app.attempt import Attempt, Nothing, why_not_made
from edgedistill.core.stage import StageContext, StageResult
from edgedistill.errors import (
    DeviceError,
    DiskFullError,
    EdgedistillError,
    Fault,
    InputError,
    MissingExtraError,
    PromiseError,
)

if TYPE_CHECKING:
    from pathlib import Path

FAULT = Fault(file="/somewhere/model.onnx", problem="has no product", remedy="Ship fp32")
BROKEN = PromiseError(stage="quantize", promised="int8", found="float", remedy="Ship fp32")


@dataclass(frozen=True)
class Writing:
    """A stage that writes a file and a folder, and then may fail."""

    error: EdgedistillError | None = None

    def run(self, context: StageContext) -> StageResult:
        (context.folder / "model.onnx").write_bytes(b"half")
        (context.folder / "work").mkdir()
        (context.folder / "work" / "part").write_bytes(b"done")
        if self.error is not None:
            raise self.error
        return StageResult(facts={"check": "made"})


def test_what_can_be_made_is_made(tmp_path: Path) -> None:
    result = Attempt(Writing(), "int8").run(StageContext(tmp_path))
    assert result.facts == {"check": "made"}
    assert why_not_made(result.facts) is None
    assert (tmp_path / "model.onnx").is_file()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BROKEN, "quantize: promised int8, found float. Ship fp32"),
        (InputError(FAULT), "has no product"),
    ],
)
def test_what_cannot_be_made_leaves_its_reason_and_no_file(
    tmp_path: Path, error: EdgedistillError, reason: str
) -> None:
    result = Attempt(Writing(error), "int8").run(StageContext(tmp_path))
    assert why_not_made(result.facts) == reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        DeviceError("gone"),
        DiskFullError("/somewhere"),
        MissingExtraError(extra="hf", package="optimum", needed_for="it"),
    ],
)
def test_what_stops_every_candidate_stops_the_run(tmp_path: Path, error: EdgedistillError) -> None:
    with pytest.raises(type(error)):
        Attempt(Writing(error), "int8").run(StageContext(tmp_path))


def test_nothing_is_done_with_what_was_not_made(tmp_path: Path) -> None:
    result = Nothing().run(StageContext(tmp_path))
    assert why_not_made(result.facts) is not None
    assert list(tmp_path.iterdir()) == []
