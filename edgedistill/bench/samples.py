"""Raw latency samples with the conditions they were taken under."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.evidence import Conditions
from edgedistill.core.strict import Strict, plain
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SAMPLES_FILE = "samples.json"

DurationNs = Annotated[int, Field(gt=0)]
Round = Annotated[tuple[DurationNs, ...], Field(strict=False, min_length=1)]
Rounds = Annotated[tuple[Round, ...], Field(strict=False, min_length=1)]
Order = Annotated[tuple[str, ...], Field(strict=False)]


class Plan(Strict):
    """How the samples were taken."""

    warmup_runs: int = Field(ge=1)
    rounds: int = Field(ge=1)
    runs_per_round: int = Field(ge=1)
    seeds: tuple[int, ...] = Field(strict=False, min_length=1)
    """What each measurement drew the order of the models from; several where some were pooled."""
    orders: tuple[Order, ...] = Field(strict=False)
    """The order of the models in each round."""


class Surroundings(Strict):
    """What changes on a machine while it measures, where it tells."""

    temperature_c: dict[str, float]
    clock_mhz: dict[str, float]
    load_average: float


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


def pool(first: Samples, *others: Samples) -> Samples:
    """All rounds of measurements of the same models under equal conditions.

    Raises:
        InputError: If the conditions, the models or the runs a round differ.
    """
    for other in others:
        faults = [
            *_unlike("conditions", plain(first.conditions), plain(other.conditions)),
            *_unlike("sha256", first.sha256, other.sha256),
            *_unlike("plan", _shape(first.plan), _shape(other.plan)),
        ]
        if faults:
            raise InputError(*faults)
    everything = (first, *others)
    plan = first.plan.model_copy(
        update={
            "rounds": sum(item.plan.rounds for item in everything),
            "seeds": sum((item.plan.seeds for item in everything), start=()),
            "orders": sum((item.plan.orders for item in everything), start=()),
        }
    )
    wall_ns = {
        name: sum((item.wall_ns[name] for item in everything), start=()) for name in first.sha256
    }
    cpu_ns = {
        name: sum((item.cpu_ns[name] for item in everything), start=()) for name in first.sha256
    }
    return Samples(
        conditions=first.conditions,
        plan=plan,
        sha256=first.sha256,
        wall_ns=wall_ns,
        cpu_ns=cpu_ns,
        before=first.before,
        after=everything[-1].after,
    )


def _shape(plan: Plan) -> dict[str, int]:
    return {"warmup_runs": plan.warmup_runs, "runs_per_round": plan.runs_per_round}


def _unlike(title: str, first: Mapping[str, object], other: Mapping[str, object]) -> list[Fault]:
    return [
        Fault(
            problem=f"differs between measurements: {first.get(key)!r} in the first",
            given=repr(other.get(key)),
            field=f"{title}.{key}",
            remedy="Compare only what was measured alike; measure both again in one run",
        )
        for key in sorted(set(first) | set(other))
        if first.get(key) != other.get(key)
    ]
