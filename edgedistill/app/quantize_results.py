"""What a run of `quantize` puts together from its steps, and what it leaves beside them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.app.agreement import Agreed
from edgedistill.app.agreement_limits import broken_agreement
from edgedistill.app.attempt import why_not_made
from edgedistill.app.choose_agreeing import choose_agreeing
from edgedistill.app.environment import versions
from edgedistill.app.foreign_model import MODEL_FILE
from edgedistill.app.latencies import EstimatedLatencies, MeasuredLatencies, both_ways
from edgedistill.app.quantize_road import made_files
from edgedistill.app.variants import in_words
from edgedistill.bench.samples import read_samples
from edgedistill.core.quantized import (
    FLOAT,
    NotMade,
    QuantizedCandidate,
    QuantizeReport,
    SamplesUsed,
)
from edgedistill.core.report import Int8Check
from edgedistill.core.strict import plain
from edgedistill.cost.model_file import file_size_mb
from edgedistill.render.document import report_text
from edgedistill.render.quantized import quantize_markdown
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.agreement_limits import AgreementLimits
    from edgedistill.app.given_model import GivenModel
    from edgedistill.app.latencies import Latencies
    from edgedistill.app.pipeline import Finished
    from edgedistill.app.quantize_road import QuantizeRoad, Wishes
    from edgedistill.bench.samples import Samples
    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.core.profile import TargetProfile
    from edgedistill.core.report import Latency
    from edgedistill.data.unlabelled import Unlabelled
    from edgedistill.store import RunFolder

REPORT_FILE = "report.json"
PAGE_FILE = "report.md"
CANDIDATES_FOLDER = "candidates"
STATE_FILE = "quantize.json"
_FEW = 100
"""Below this many judging samples the interval of an agreement is told to be wide: with all of 100
the same, the share may still be 0.963 at 95 % confidence."""


@dataclass(frozen=True)
class Asked:
    """What a run is about."""

    given: GivenModel
    samples: Unlabelled
    profile: TargetProfile
    runtime: str
    preprocessing: Preprocessing | None
    preprocessing_from: Any

    def document(self, state: str) -> bytes:
        """The state of the run as JSON."""
        document = {
            "schema_version": 1,
            "kind": "edgedistill-quantize-run",
            "state": state,
            "model_sha256": self.given.sha256,
            "target": self.profile.name,
        }
        return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def assemble_quantized(
    asked: Asked, road: QuantizeRoad, finished: Finished, wishes: Wishes
) -> QuantizeReport:
    """The report of a finished run.

    Args:
        asked: What it is about.
        road: Where its results stand.
        finished: Its steps.
        wishes: How it was to be done.
    """
    folders = {name: finished.folder(step) for name, step in road.candidates.items()}
    files = made_files(folders, road.candidates)
    samples = None if road.measurement is None else read_samples(finished.folder(road.measurement))
    latencies = _latencies(asked, samples, files)
    candidates = tuple(
        _Making(asked, road, finished, wishes).candidate(name, file, latencies.latency(name, FLOAT))
        for name, file in files.items()
    )
    not_made = tuple(
        NotMade(name=name, reason=reason)
        for name, step in road.candidates.items()
        if (reason := why_not_made(finished.facts(step))) is not None
    )
    runtime = asked.profile.runtimes[asked.runtime]
    choice = choose_agreeing(
        candidates,
        not_made,
        speedup=both_ways(latencies, {name: name for name in files}),
        default=runtime.default_precision,
    )
    shipped = next(one for one in candidates if one.name == choice.name)
    return QuantizeReport(
        schema_version=1,
        model=asked.given.file.name,
        model_sha256=asked.given.sha256,
        target=asked.profile.name,
        target_title=asked.profile.title,
        runtime=asked.runtime,
        session=runtime.opened_with(shipped.precision),
        inputs=asked.given.inputs,
        samples=_samples_used(asked),
        preprocessing=None if asked.preprocessing is None else plain(asked.preprocessing),
        preprocessing_from=asked.preprocessing_from,
        agreement_kind=asked.given.agreement_kind,
        min_agreement=wishes.limits.min_agreement,
        max_relative_error=wishes.limits.max_relative_error,
        candidates=candidates,
        not_made=not_made,
        choice=choice,
        conditions=None if samples is None else samples.conditions,
        notes=_notes(asked, latencies, candidates, wishes.limits),
        seed=wishes.seed,
        versions=versions(),
        steps=_step_keys(road),
    )


def publish_quantized(
    run: RunFolder, report: QuantizeReport, road: QuantizeRoad, finished: Finished
) -> None:
    """Copies the candidates, and what ships, beside the report, which is last."""
    for one in report.candidates:
        content = (finished.folder(road.candidates[one.name]) / MODEL_FILE).read_bytes()
        run.write(one.file, content)
        if one.name == report.choice.name:
            run.write(report.choice.file, content)
    run.write(PAGE_FILE, quantize_markdown(report).encode())
    run.write(REPORT_FILE, report_text(report).encode())


def _samples_used(asked: Asked) -> SamplesUsed:
    return SamplesUsed(
        source=asked.samples.found.path.resolve().name,
        kind=asked.samples.found.kind,
        sha256=asked.samples.sha256,
        found=len(asked.samples.samples),
        calibration=len(asked.samples.calibration),
        judging=len(asked.samples.judging),
    )


def _step_keys(road: QuantizeRoad) -> dict[str, str]:
    return {
        "samples": road.samples.key,
        **{name: step.key for name, step in road.candidates.items()},
        "agree": road.agreement.key,
        **({} if road.measurement is None else {"measure": road.measurement.key}),
    }


def _latencies(asked: Asked, samples: Samples | None, files: Mapping[str, Path]) -> Latencies:
    if samples is not None:
        return MeasuredLatencies(samples)
    shapes = {name: values.shape[1:] for name, values in asked.samples.first().items()}
    return EstimatedLatencies(files, asked.profile, asked.runtime, input_shapes=shapes)


@dataclass(frozen=True)
class _Making:
    """Puts the figures of candidates together."""

    asked: Asked
    road: QuantizeRoad
    finished: Finished
    wishes: Wishes

    def candidate(self, name: str, file: Path, latency: Latency | None) -> QuantizedCandidate:
        variant = self.road.variants.get(name)
        check = self.finished.facts(self.road.candidates[name]).get("check")
        agreed = self.finished.facts(self.road.agreement).get(name)
        found = None if agreed is None else Agreed.read(agreed, file="a step's facts")
        return QuantizedCandidate(
            name=name,
            file=f"{CANDIDATES_FOLDER}/{name}.onnx",
            model_sha256=file_sha256(file),
            precision="fp32" if variant is None else variant.step,
            scheme=None if variant is None else in_words(variant),
            agreement=None if found is None else found.agreement,
            relative_error=None if found is None else found.relative_error,
            broken=None if found is None else self._broken(found),
            latency=latency,
            size_mb=file_size_mb(file),
            int8=None if check is None else Int8Check.read(check, file="a step's facts"),
        )

    def _broken(self, found: Agreed) -> str | None:
        return broken_agreement(
            found.agreement,
            found.relative_error,
            finite=found.finite,
            kind=self.asked.given.agreement_kind,
            limits=self.wishes.limits,
        )


def _is_faster(one: QuantizedCandidate) -> bool:
    speedup = None if one.latency is None else one.latency.speedup
    return speedup is not None and speedup.low > 1.0


def _for_less(one: QuantizedCandidate, limits: AgreementLimits) -> str:
    """What a candidate that does not agree enough would bring, so that the limit can be weighed."""
    assert one.latency is not None
    assert one.latency.speedup is not None
    offer = f"{one.name} is {one.latency.speedup.value:.2f}x as fast as {FLOAT}"
    if one.agreement is None:
        return f"{offer}, but its agreement cannot be told."
    limit = math.floor(1000 * one.agreement.value) / 1000
    enough = [f"an agreement of {limit:g}"] if one.agreement.value < limits.min_agreement else []
    options = ["--min-agreement"] if enough else []
    if limits.max_relative_error is not None and one.relative_error is not None:
        error = math.ceil(10_000 * one.relative_error) / 10_000
        if error > limits.max_relative_error:
            enough.append(f"a relative error of {error:g}")
            options.append("--max-relative-error")
    if not enough:  # no limit that could be loosened is what it breaks
        return f"{offer}, but it {one.broken}."
    return f"{offer}; it may ship where {' and '.join(enough)} is enough ({', '.join(options)})."


def _notes(
    asked: Asked,
    latencies: Latencies,
    candidates: tuple[QuantizedCandidate, ...],
    limits: AgreementLimits,
) -> tuple[str, ...]:
    """What a reader must know."""
    judging = len(asked.samples.judging)
    notes = [
        "There are no labels: agreement with the float model says how much quantizing changes, "
        "not how often either model is right."
    ]
    if judging == 0:
        notes.append(
            "One sample was found. It calibrates, so none is left to judge, and whether int8 "
            "agrees with the float model cannot be told."
        )
    elif judging < _FEW:
        notes.append(
            f"Only {judging} samples were left to judge, so the intervals of the agreement are "
            "wide. Give more samples to narrow them."
        )
    attempts = [one.int8.attempts for one in candidates if one.int8 is not None]
    if any(each is not None and len(each.tried) > 1 for each in attempts):
        notes.append(
            "Where plain int8 did not agree enough, ways of keeping the agreement were chosen on "
            "the samples that judge, which makes its figure a little too good."
        )
    if asked.samples.found.others:
        notes.append(f"{asked.samples.found.others} files of other kinds were left alone.")
    if asked.preprocessing_from == "given over model":
        notes.append("Some of the preprocessing that the model declares was given otherwise.")
    if any(one.latency is not None and not one.latency.stable for one in candidates):
        notes.append("The machine was disturbed while it measured: measure again.")
    notes += [
        _for_less(one, limits) for one in candidates if _is_faster(one) and one.broken is not None
    ]
    notes += [f"No estimate of latency: {reason}." for reason in latencies.silences()]
    return tuple(notes)
