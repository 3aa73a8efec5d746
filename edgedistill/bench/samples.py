"""Raw latency samples with the conditions they were taken under."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.evidence import Conditions
from edgedistill.core.strict import Strict, plain
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES_FILE = "samples.json"

DurationNs = Annotated[int, Field(gt=0)]
Round = Annotated[tuple[DurationNs, ...], Field(strict=False, min_length=1)]
Rounds = Annotated[tuple[Round, ...], Field(strict=False, min_length=1)]
CountedRuns = Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(strict=False, min_length=1)]
Order = Annotated[tuple[str, ...], Field(strict=False)]


class Plan(Strict):
    """How the samples were taken."""

    warmup_runs: int = Field(ge=1)
    rounds: int = Field(ge=1)
    runs_per_round: int = Field(ge=1)
    seeds: tuple[int, ...] = Field(strict=False, min_length=1)
    """What the order of the models was drawn from."""
    orders: tuple[Order, ...] = Field(strict=False)
    """The order of the models in each round."""


class Surroundings(Strict):
    """What changes on a machine while it measures, where it tells."""

    temperature_c: dict[str, float]
    clock_mhz: dict[str, float]
    load_average: float


class CountedInstructions(Strict):
    """Instructions of inferences, where the kernel counts them."""

    runs: dict[str, CountedRuns]
    """Model to the instructions of each run of one sample, in user space."""
    reason: str | None
    """Why there are none; absent where there are."""

    @model_validator(mode="after")
    def _runs_or_a_reason(self) -> Self:
        if bool(self.runs) == (self.reason is not None):
            raise ValueError("instructions, or a reason why there are none. Measure again")
        return self


class Samples(Strict):
    """Raw samples of one or more models, from interleaved rounds under equal conditions."""

    schema_version: Literal[1] = 1
    conditions: Conditions
    plan: Plan
    sha256: dict[str, str] = Field(min_length=1)
    """Hash of each model's file as it lay on the device."""
    wall_ns: dict[str, Rounds]
    """Model to rounds to runs: wall time of one inference of one sample."""
    cpu_ns: dict[str, Rounds]
    """The processor time of the same runs, over all threads of the process."""
    instructions: CountedInstructions | None = None
    """Absent in samples that were taken before they were counted."""
    before: Surroundings
    after: Surroundings

    @property
    def threads(self) -> int:
        """Threads that one inference ran on."""
        return self.conditions.threads

    @property
    def processor_bound(self) -> bool:
        """One thread on the CPU: processor time and wall time of an undisturbed run agree."""
        return self.threads == 1 and self.conditions.provider == "CPUExecutionProvider"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names = set(self.sha256)
        for title, clock in (("wall_ns", self.wall_ns), ("cpu_ns", self.cpu_ns)):
            if set(clock) != names:
                raise ValueError(f"{title} holds other models than sha256. Measure again")
            for name, rounds in clock.items():
                wanted = [self.plan.runs_per_round] * self.plan.rounds
                if [len(runs) for runs in rounds] != wanted:
                    raise ValueError(
                        f"{title}.{name} does not hold {self.plan.rounds} rounds of "
                        f"{self.plan.runs_per_round} runs. Measure again"
                    )
        if self.instructions and self.instructions.runs and set(self.instructions.runs) != names:
            raise ValueError("instructions holds other models than sha256. Measure again")
        if len(self.plan.orders) != self.plan.rounds or any(
            sorted(order) != sorted(names) for order in self.plan.orders
        ):
            raise ValueError("plan.orders is not an order of all models a round. Measure again")
        return self


def write_samples(samples: Samples, folder: Path) -> None:
    """Writes `samples.json` into the folder."""
    text = json.dumps(plain(samples), sort_keys=True, allow_nan=False)
    (folder / SAMPLES_FILE).write_text(text + "\n", encoding="utf-8")


def read_samples(folder: Path) -> Samples:
    """Reads and checks `samples.json`.

    Raises:
        InputError: If the file is absent, cut short, or does not hold what its plan says.
    """
    path = folder / SAMPLES_FILE
    remedy = "Measure again: remove this folder and run the same command"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        fault = Fault(file=path, problem="there is no such file", remedy=remedy)
        raise InputError(fault) from error
    except ValueError as error:
        fault = Fault(file=path, problem=f"is not whole JSON: {error}", remedy=remedy)
        raise InputError(fault) from error
    return Samples.read(document, file=path)
