"""Raw times of every operator of some models, with the conditions they were taken under."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.evidence import Conditions
from edgedistill.core.strict import Strict, plain
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

OPERATOR_SAMPLES_FILE = "operators.json"

DurationUs = Annotated[int, Field(ge=0)]


class Tensor(Strict):
    """One tensor that an operator takes or gives."""

    type: str
    """As ONNX Runtime calls it, for instance float, uint8."""
    shape: tuple[int, ...] = Field(strict=False)


class TimedOperator(Strict):
    """One operator of the graph that the runtime really runs."""

    name: str
    """As the runtime calls the node."""
    operator: str
    """Its type, for instance QLinearConv."""
    inputs: tuple[Tensor, ...] = Field(strict=False)
    """Without weights that the runtime packed."""
    outputs: tuple[Tensor, ...] = Field(strict=False)
    durations_us: tuple[DurationUs, ...] = Field(strict=False, min_length=1)
    """Wall time of each kept run, rounded down to whole microseconds by the runtime."""


class TimedOperators(Strict):
    """All operators of one model, in the order in which they run."""

    operators: tuple[TimedOperator, ...] = Field(strict=False, min_length=1)

    @model_validator(mode="after")
    def _equally_often(self) -> Self:
        if len({len(one.durations_us) for one in self.operators}) > 1:
            raise ValueError("operators were not all timed equally often. Measure again")
        return self


class OperatorSamples(Strict):
    """Raw times of the operators of several models, from interleaved rounds."""

    schema_version: Literal[1] = 1
    conditions: Conditions
    warmup_runs: int = Field(ge=1)
    """Runs of each model before the first round."""
    rounds: int = Field(ge=1)
    """In each of them every model ran twice; the second run is kept."""
    seed: int
    """What the order of the models in each round was drawn from."""
    sha256: dict[str, str] = Field(min_length=1)
    """Hash of each model's file as it lay on the device."""
    models: dict[str, TimedOperators]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if set(self.models) != set(self.sha256):
            raise ValueError("models holds other models than sha256. Measure again")
        return self


def write_operator_samples(samples: OperatorSamples, folder: Path) -> None:
    """Writes `operators.json` into the folder."""
    text = json.dumps(plain(samples), sort_keys=True, allow_nan=False)
    (folder / OPERATOR_SAMPLES_FILE).write_text(text + "\n", encoding="utf-8")


def read_operator_samples(folder: Path) -> OperatorSamples:
    """Reads and checks `operators.json`.

    Raises:
        InputError: If the file is absent, cut short or not whole.
    """
    path = folder / OPERATOR_SAMPLES_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise InputError(
            Fault(
                file=path,
                problem="is not there or no whole JSON",
                remedy="Measure again: remove this folder and run the same command",
            )
        ) from error
    return OperatorSamples.read(document, file=path)
