"""The road of a model without recipe and labels: samples, candidates, agreement, latency."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.app.agreement import AGREEMENT_CODE, Agreeing, AgreementJudge, FloatAnswers
from edgedistill.app.attempt import Attempt
from edgedistill.app.environment import processor_class, versions
from edgedistill.app.foreign_model import MODEL_FILE
from edgedistill.app.given_model import Adopting
from edgedistill.app.glance import (
    GLANCE,
    GLANCE_CODE,
    GLANCED,
    is_worth_a_glance,
    nothing_where_slow,
)
from edgedistill.app.plan import Plan
from edgedistill.app.reach import device_facts, runs_here, transport
from edgedistill.app.variants import variants
from edgedistill.bench.measure import Candidate, Measuring
from edgedistill.core.evidence import Evidence
from edgedistill.core.quantized import FLOAT
from edgedistill.core.strict import plain
from edgedistill.data.ready import open_ready
from edgedistill.stages.quantize import DynamicQuantization, HalfPrecision, Quantization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.agreement_limits import AgreementLimits
    from edgedistill.app.given_model import GivenModel
    from edgedistill.app.plan import PlannedStep
    from edgedistill.app.variants import Variant
    from edgedistill.core.profile import Runtime, TargetProfile
    from edgedistill.core.quantizing import Quantize
    from edgedistill.core.recipe import Benchmark
    from edgedistill.core.stage import Stage
    from edgedistill.data.ready import ReadyData
    from edgedistill.data.unlabelled import Unlabelled

_MEASURED_SAMPLES = 8


@dataclass(frozen=True)
class QuantizeRoad:
    """The plan of a run and where its results stand in it."""

    plan: Plan
    samples: PlannedStep
    candidates: Mapping[str, PlannedStep]
    """Name to the step that writes its ONNX file, the float model's first."""
    variants: Mapping[str, Variant]
    """Candidate beside the float model to what it is."""
    agreement: PlannedStep
    measurement: PlannedStep | None
    """The step that holds raw latency samples, where the device is at hand."""


@dataclass(frozen=True)
class Wishes:
    """What was asked for beside model, samples and target."""

    quantize: Quantize
    benchmark: Benchmark
    limits: AgreementLimits
    seed: int
    threads: int


def lay_quantize_road(
    given: GivenModel,
    samples: Unlabelled,
    profile: TargetProfile,
    runtime: Runtime,
    wishes: Wishes,
) -> QuantizeRoad:
    """Plans every step.

    Args:
        given: The model.
        samples: What calibrates and what judges.
        profile: The target.
        runtime: Its runtime.
        wishes: How.
    """
    plan = Plan(
        libraries={**versions(), "processor": processor_class()},
        training={"threads": str(wishes.threads), "seed": str(wishes.seed)},
    )
    road = _Laying(plan, given, samples, profile, runtime, wishes)
    prepared, adopted = road.samples_step(), road.adopted()
    made = {variant.name: variant for variant in variants(runtime, wishes.quantize, learned=False)}
    away = profile.transport == "none"
    looks = not away and len(samples.judging) > 0 and is_worth_a_glance(wishes.quantize)
    glance = road.glance(tuple(made.values()), prepared, adopted) if looks else None
    candidates = {FLOAT: adopted}
    for name, variant in made.items():
        seen = glance if variant.is_further else None
        candidates[name] = road.variant(variant, prepared, adopted, glance=seen)
    agreement = road.agreement(prepared, candidates)
    measured = wishes.benchmark
    measurement = None if away else road.measurement(prepared, candidates, measured, "measure")
    return QuantizeRoad(plan, prepared, candidates, made, agreement, measurement)


@dataclass(frozen=True)
class _Laying:
    """Plans single steps."""

    plan: Plan
    given: GivenModel
    samples: Unlabelled
    profile: TargetProfile
    runtime: Runtime
    wishes: Wishes

    def samples_step(self) -> PlannedStep:
        many = f"{len(self.samples.calibration)} to calibrate, {len(self.samples.judging)} to judge"
        return self.plan.add(
            "samples",
            f"samples: {many}, from {self.samples.found.path.name}",
            config={"sha256": self.samples.sha256},
            inputs={},
            code=("data",),
            make=lambda folders: self.samples,
            target=self.profile.name,
            seeded=False,
        )

    def adopted(self) -> PlannedStep:
        return self.plan.add(
            "model",
            f"model: {self.given.file.name} as it is"
            + (", with fixed sizes" if self.given.fixed else ""),
            config={
                "sha256": self.given.sha256,
                "shapes": {name: list(shape) for name, shape in self.given.fixed.items()},
            },
            inputs={},
            code=("app/foreign_model.py", "app/given_model.py"),
            make=lambda folders: Adopting(self.given),
            target=self.profile.name,
            seeded=False,
        )

    def glance(
        self, made: tuple[Variant, ...], samples: PlannedStep, model: PlannedStep
    ) -> PlannedStep | None:
        """How fast plain int8 is in each further scheme; None where there is no further one."""
        plain_ones = {
            one.name: self.variant(one, samples, model, plainly=True)
            for one in made
            if one.is_further
        }
        if not plain_ones:
            return None
        return self.measurement(samples, {FLOAT: model, **plain_ones}, GLANCE, GLANCED)

    def variant(
        self,
        variant: Variant,
        samples: PlannedStep,
        model: PlannedStep,
        *,
        glance: PlannedStep | None = None,
        plainly: bool = False,
    ) -> PlannedStep:
        """A candidate beside the float model; where it cannot be made, its step says why.

        Args:
            variant: Which candidate.
            samples: The prepared samples.
            model: The float model.
            glance: A first look at the latencies, which may find that it is not worth making.
            plainly: Makes it without a look at its accuracy.
        """
        here = runs_here(self.profile, self.runtime)
        asked = None if plainly else (self.given.agreement_kind, self.wishes.limits)

        def make(folders: Mapping[str, Path]) -> Stage:
            nothing = nothing_where_slow(folders, variant.name)
            if nothing is not None:
                return nothing
            data, float_model = open_ready(folders["samples"]), folders["model"] / MODEL_FILE
            answers = FloatAnswers(float_model, data.judging, self.wishes.threads)
            judge = AgreementJudge(answers, *asked) if asked and len(data.judging) else None
            return Attempt(self._stage(variant, float_model, data, judge), variant.name)

        settings = plain(self.wishes.quantize)
        del settings["candidates"]  # which others stand beside it changes nothing about it
        return self.plan.add(
            "quantize",
            f"quantize: {variant.name}{', plain, for a first look' if plainly else ''}",
            config={
                "quantize": settings,
                "kind": variant.kind,
                "scheme": None if variant.scheme is None else plain(variant.scheme),
                "runs_here": here,
                "agreement": asked and [asked[0], asdict(asked[1])],
            },
            inputs={
                "samples": samples,
                "model": model,
                **({GLANCED: glance} if glance is not None else {}),
            },
            code=("data", "cost", "stages/quantize", *GLANCE_CODE, *AGREEMENT_CODE),
            make=make,
            target=self.profile.name,
        )

    def _stage(
        self, variant: Variant, model: Path, data: ReadyData, judge: AgreementJudge | None
    ) -> Stage:
        config, scheme = self.wishes.quantize, variant.scheme
        here = runs_here(self.profile, self.runtime)
        if scheme is None:
            return HalfPrecision(model, data)
        if variant.kind == "dynamic":
            share = config.min_int8_share
            return DynamicQuantization(model, data, share, scheme, runs_here=here)
        return Quantization(model, data, config, scheme, runs_here=here, judge=judge)

    def agreement(self, samples: PlannedStep, candidates: Mapping[str, PlannedStep]) -> PlannedStep:
        here = runs_here(self.profile, self.runtime)

        def make(folders: Mapping[str, Path]) -> Agreeing:
            return Agreeing(
                models=made_files(folders, candidates),
                samples=open_ready(folders["samples"]).judging,
                kind=self.given.agreement_kind,
                evidence=Evidence.MEASURED_ON_DEVICE if here else Evidence.MEASURED_ON_STAND_IN,
            )

        return self.plan.add(
            "agree",
            f"agree: candidates beside the float model on {len(self.samples.judging)} samples",
            config={"kind": self.given.agreement_kind, "here": here},
            inputs={"samples": samples, **candidates},
            code=("data", *AGREEMENT_CODE),
            make=make,
            target=self.profile.name,
        )

    def measurement(
        self,
        samples: PlannedStep,
        candidates: Mapping[str, PlannedStep],
        config: Benchmark,
        name: str,
    ) -> PlannedStep:
        def make(folders: Mapping[str, Path]) -> Measuring:
            ready = open_ready(folders["samples"])
            shown = ready.judging if len(ready.judging) else ready.calibration
            files = made_files(folders, candidates)
            return Measuring(
                candidates=tuple(Candidate(name=name, model=file) for name, file in files.items()),
                inputs=shown.batch(np.arange(min(_MEASURED_SAMPLES, len(shown)))),
                config=config,
                transport=transport(),
                device=self.profile.name,
                runtime=self.runtime,
            )

        return self.plan.add(
            name,
            f"{name}: latency on {self.profile.name}, {config.rounds} interleaved rounds",
            config={
                "benchmark": plain(config),
                **device_facts(self.profile, self.runtime),
            },
            inputs={"samples": samples, **candidates},
            code=("bench", "devices", "worker.py"),
            make=make,
            target=self.profile.name,
        )


def made_files(
    folders: Mapping[str, Path], candidates: Mapping[str, PlannedStep]
) -> dict[str, Path]:
    """The ONNX files of the candidates that could be made, by name."""
    files = {name: folders[name] / MODEL_FILE for name in candidates}
    return {name: file for name, file in files.items() if file.is_file()}
