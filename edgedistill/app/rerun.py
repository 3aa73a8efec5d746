"""Runs a baseline's ONNX file again, in turns with the model under test, on the same device.

Stored milliseconds were taken on another day, with another runtime, on a machine that did other
things beside. So a limit on latency against a baseline is judged by the ratio of both models,
measured side by side until the limit is settled (`bench.starts` says how).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.app.gate_inputs import LOOKS
from edgedistill.app.reach import require_this_machine_is, runs_here, transport
from edgedistill.app.synthetic import synthetic_inputs
from edgedistill.app.trial import require_runnable
from edgedistill.bench.measure import Candidate, Measuring, read_samples
from edgedistill.bench.starts import measure_until_settled, start_ratio
from edgedistill.catalog.profiles import load
from edgedistill.core.evidence import Evidence, Quantity, wider
from edgedistill.core.recipe import Benchmark
from edgedistill.core.relative_latency import NotRerun, RelativeLatency, of_the_same_file
from edgedistill.core.stage import SilentProgress, StageContext
from edgedistill.errors import DeviceError, InputError
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np

    from edgedistill.bench.samples import Samples
    from edgedistill.bench.starts import Course
    from edgedistill.bench.statistics import Interval
    from edgedistill.core.evidence import Conditions
    from edgedistill.core.profile import Runtime, TargetProfile
    from edgedistill.core.stage import Advance, Progress

CONFIDENCE = 0.95
PERCENTILES = {"latency_p50_ms": 0.5, "latency_p90_ms": 0.9, "latency_p95_ms": 0.95}
"""Budgets whose figure can be held against a baseline, and the percentile they speak of."""
_NEW, _OLD = "model", "baseline"
_SAMPLES = 8
_NO_BASELINE_FILE = (
    "the baseline's ONNX file is not here, and milliseconds of another day do not tell a ratio. "
    "Keep it beside the baseline (edgedistill baseline --with-model), or give it with "
    "--baseline-model"
)


@dataclass(frozen=True, kw_only=True)
class Rivals:
    """A model and its baseline, on the target they are made for."""

    target: str
    """The profile's name."""
    runtime: str | None = None
    """One of the profile's runtimes; None for its default one."""
    threads: int | None = None
    """Threads of one inference; None for those of the profile."""
    model: Path
    """The ONNX file under test."""
    model_sha256: str
    """What its report says that it is."""
    baseline: Path | None
    """The baseline's ONNX file; None where there is none."""
    baseline_sha256: str
    """What the baseline says that it is."""
    on_device: bool = False
    """Whether the user says that this machine is the target's device."""
    profile: TargetProfile | None = None
    """The target's; None for the one of that name."""
    folders: tuple[Path, ...] = ()
    """The user's own folders of profiles."""


@dataclass(frozen=True)
class Effort:
    """How much is measured at most."""

    looks: tuple[int, ...] = LOOKS
    """After how many starts it looks whether the limits are settled, rising; the last is the
    bound."""
    plan: Benchmark = field(
        default_factory=lambda: Benchmark(warmup_runs=3, rounds=10, runs_per_round=4)
    )
    """What one start does: enough runs for a 95th percentile."""


def rerun(
    rivals: Rivals,
    limits: Mapping[str, float],
    *,
    confidence: float = CONFIDENCE,
    effort: Effort | None = None,
    progress: Progress | None = None,
) -> RelativeLatency | NotRerun:
    """Measures a model's latency against its baseline's, if its target's device is here.

    Args:
        rivals: Both files, and the device.
        limits: Budget, one of `PERCENTILES`, to the largest ratio that is allowed.
        confidence: What every ratio's interval holds with: the share of one check in the confidence
            of the whole gate.
        effort: How much is measured at most.
        progress: Where it tells how far it is; None for nobody.

    Returns:
        The ratios; or why there are none, which leaves their budgets unjudged.
    """
    reason = _why_other_files(rivals)
    if reason is not None:
        return NotRerun(reason)
    if rivals.model_sha256 == rivals.baseline_sha256:
        return of_the_same_file(rivals.model_sha256, limits)
    if rivals.baseline is None:
        return NotRerun(_NO_BASELINE_FILE)
    effort = effort or Effort()
    try:
        runtime = _runtime_here(rivals)
        if isinstance(runtime, NotRerun):
            return runtime
        with tempfile.TemporaryDirectory(prefix="edgedistill-") as scratch:
            files = rivals.model, rivals.baseline
            track = _Track(rivals.target, files, runtime, effort.plan, Path(scratch))
            title = f"Running the baseline beside the model on {rivals.target}"
            with (progress or SilentProgress()).track(title, effort.looks[-1]) as advance:
                course = measure_until_settled(
                    track.ratios(limits, advance), limits, confidence=confidence, looks=effort.looks
                )
    except (InputError, DeviceError) as error:
        return NotRerun(f"the baseline could not be run beside the model: {error}")
    return _told(rivals, course, track, confidence)


@dataclass
class _Track:
    """Where both models run in turns, start by start."""

    target: str
    files: tuple[Path, Path]
    """The model's and the baseline's."""
    runtime: Runtime
    plan: Benchmark
    scratch: Path
    inputs: Mapping[str, np.ndarray] = field(init=False)
    """What both take."""
    conditions: Conditions | None = None
    """Of all starts; absent before the first."""
    processor_bound: bool = False

    def __post_init__(self) -> None:
        self.inputs = _inputs(self.files)

    def ratios(self, names: Iterable[str], advance: Advance) -> Iterator[dict[str, float]]:
        """The ratios of one start after the other, without end.

        Raises:
            DeviceError: If the device failed, or its conditions changed between starts.
        """
        for place in count():
            samples = self._start(place)
            advance()
            yield {name: start_ratio(samples, _NEW, _OLD, PERCENTILES[name]) for name in names}

    def _start(self, place: int) -> Samples:
        new, old = self.files
        candidates = (Candidate(_NEW, new), Candidate(_OLD, old))
        folder = self.scratch / str(place)
        folder.mkdir()
        Measuring(
            candidates=candidates if place % 2 == 0 else candidates[::-1],
            inputs=self.inputs,
            config=self.plan,
            transport=transport(),
            device=self.target,
            runtime=self.runtime,
        ).run(StageContext(folder=folder, seed=place))
        samples = read_samples(folder)
        if self.conditions not in (None, samples.conditions):
            raise DeviceError(
                f"{self.target}: the conditions changed while measuring, from "
                f"{self.conditions} to {samples.conditions}. Measure again"
            )
        self.conditions = samples.conditions
        self.processor_bound = samples.processor_bound
        return samples


def _inputs(files: tuple[Path, Path]) -> Mapping[str, np.ndarray]:
    """Random inputs that both models take.

    Raises:
        InputError: If one of them does not run on what the other takes.
    """
    inputs = synthetic_inputs(files[0], samples=_SAMPLES, seed=0)
    for file in files:
        require_runnable(file, inputs)
    return inputs


def _runtime_here(rivals: Rivals) -> Runtime | NotRerun:
    """The target's runtime as the run used it, if its device is this machine.

    Raises:
        InputError: If there is no such profile, or this machine is said to be its device and tells
            otherwise.
    """
    profile = rivals.profile or load(rivals.target, rivals.folders)
    runtime = profile.runtimes.get(rivals.runtime or profile.default_runtime)
    if rivals.on_device:
        require_this_machine_is(profile)
    if runtime is None or not (rivals.on_device or runs_here(profile, runtime)):
        return NotRerun(
            f"the device of {rivals.target} is not at hand, so the baseline cannot be run beside "
            "the model. Run both there (edgedistill benchmark --on-device --baseline FILE "
            "--device-report FILE), and give that device report"
        )
    return runtime.model_copy(update={"threads": rivals.threads or runtime.threads})


def _told(
    rivals: Rivals, course: Course, track: _Track, confidence: float
) -> RelativeLatency | NotRerun:
    ratios = {}
    for name in course.ratios:
        found = course.interval(name, confidence)
        if found is not None:
            ratios[name] = _quantity(found, course, confidence, name=name, track=track)
    starts = len(next(iter(course.ratios.values())))
    if not ratios:
        return NotRerun(
            f"{starts} starts are too few for an interval at {100 * confidence:.6g} % confidence. "
            "Judge fewer budgets at once"
        )
    return RelativeLatency(
        model_sha256=rivals.model_sha256,
        baseline_sha256=rivals.baseline_sha256,
        ratios=ratios,
        starts=starts,
        conditions=track.conditions,
    )


def _quantity(
    found: Interval, course: Course, confidence: float, *, name: str, track: _Track
) -> Quantity:
    def ends(confidence: float) -> tuple[float, float] | None:
        further = course.interval(name, confidence)
        return None if further is None else (further.low, further.high)

    clock = "processor" if track.processor_bound else "wall"
    method = (
        f"{PERCENTILES[name]:.0%} percentile of the model over the baseline's, {clock} clock, both "
        f"loaded anew and run in turns in each of {found.samples} starts; median over the starts "
        f"with order statistics (binomial), wide enough for {course.looks} looks at once "
        "(Bonferroni)"
    )
    return Quantity(
        value=found.value,
        low=found.low,
        high=found.high,
        confidence=confidence,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=found.samples,
        method=method,
        wider=wider(found.low, found.high, confidence, ends),
    )


def _why_other_files(rivals: Rivals) -> str | None:
    """Why a file that is given is missing, or not what it is said to be."""
    said = [(rivals.model, rivals.model_sha256, "the model under test")]
    if rivals.baseline is not None:
        said.append((rivals.baseline, rivals.baseline_sha256, "the baseline's model"))
    for file, sha256, title in said:
        if not file.is_file():
            return f"{file}, {title}, is not here. Put it there, or give its place"
        if file_sha256(file) != sha256:
            return (
                f"{file} is not {title}: its sha256 is {file_sha256(file)[:12]} and not "
                f"{sha256[:12]}. Give the file that was meant"
            )
    return None
