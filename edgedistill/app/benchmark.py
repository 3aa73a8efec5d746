"""Measures any ONNX file on a device, alone or interleaved with others."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgedistill.app.against_baseline import BaselineFiles, against_baseline
from edgedistill.app.environment import versions
from edgedistill.app.measured_model import MeasuredModel, Measurement
from edgedistill.app.reach import require_at_hand, require_this_machine_is, transport
from edgedistill.app.resolve import read_recipe
from edgedistill.app.synthetic import synthetic_inputs
from edgedistill.app.trial import require_runnable
from edgedistill.bench.measure import Candidate, Measuring
from edgedistill.bench.samples import read_samples
from edgedistill.catalog.profiles import load
from edgedistill.core.device_report import DeviceReport
from edgedistill.core.evidence import Conditions
from edgedistill.core.recipe import Benchmark
from edgedistill.core.relative_latency import RelativeLatency
from edgedistill.core.stage import SilentProgress, StageContext
from edgedistill.core.strict import Strict
from edgedistill.data import open_dataset, open_source
from edgedistill.render import figures as written
from edgedistill.render.document import report_text
from edgedistill.stages.export.contract import require_preprocessing
from edgedistill.store import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.core.stage import Progress
    from edgedistill.data import Dataset

_SAMPLES = 8


class BenchmarkResult(Strict):
    """Figures of all models of one measurement."""

    schema_version: Literal[1] = 1
    kind: Literal["edgedistill-benchmark"] = "edgedistill-benchmark"
    target: str
    inputs: Literal["synthetic", "real"]
    """synthetic: random values in the shapes of the graph's inputs."""
    conditions: Conditions
    models: tuple[MeasuredModel, ...]
    relative: RelativeLatency | None = None
    """How the first model's latency stands to a baseline's; absent where none was given."""

    def save(self, path: str | Path) -> None:
        """Writes the figures as JSON.

        Raises:
            InputError: If the place cannot be written to.
        """
        write_file(Path(path), (self.model_dump_json(indent=1) + "\n").encode())

    def device_report(self) -> DeviceReport:
        """The first model's figures as a document that a gate elsewhere accepts for that model."""
        first = self.models[0]
        return DeviceReport(
            schema_version=1,
            kind="edgedistill-device-report",
            target=self.target,
            model_sha256=first.sha256,
            inputs=self.inputs,
            conditions=self.conditions,
            session=first.session,
            latency=first.latency,
            instructions=first.instructions,
            peak_memory_mb=first.peak_memory_mb,
            relative=self.relative,
            versions=versions(),
        )

    def save_device_report(self, path: str | Path) -> None:
        """Writes the first model's figures for a gate that runs elsewhere.

        Raises:
            InputError: If the place cannot be written to.
        """
        write_file(Path(path), report_text(self.device_report()).encode())

    def lines(self) -> list[str]:
        """The figures as lines of text for a person."""
        conditions = self.conditions
        head = (
            f"{self.target}: {conditions.processor}, {conditions.runtime}, "
            f"{conditions.provider}, {conditions.threads} thread(s), {self.inputs} inputs"
        )
        ratios = {} if self.relative is None else self.relative.ratios
        return [
            head,
            *(line for model in self.models for line in _lines(model)),
            *(f"  {name} over the baseline's {written.factor(ratios[name])}" for name in ratios),
        ]


def benchmark(  # noqa: PLR0913  # the public call; all but the model have defaults
    model: str | Path,
    *,
    target: str = "host",
    against: Sequence[str | Path] = (),
    recipe: str | Path | None = None,
    baseline: str | Path | None = None,
    baseline_model: str | Path | None = None,
    on_device: bool = False,
    memory: bool = False,
    rounds: int = 30,
    runs_per_round: int = 10,
    seed: int = 0,
    progress: Progress | None = None,
) -> BenchmarkResult:
    """Measures the latency of an ONNX file on a target, and its accuracy where data is given.

    Args:
        model: The ONNX file.
        target: A profile whose device is at hand.
        against: Other ONNX files with the same inputs, measured in the same rounds.
        recipe: A recipe whose data gives real inputs and labels; the models must declare the
            preprocessing that the data declares.
        baseline: A baseline of the target, whose model is run again beside the first one.
        baseline_model: The baseline's ONNX file; None where it lies beside the baseline.
        on_device: Whether this machine is the device of a target that is not `host`; what the
            machine tells of itself must not say otherwise. An emulator is not the device.
        memory: Whether to measure, in processes of their own, how much memory an inference adds.
        rounds: Interleaved rounds.
        runs_per_round: Timed runs of each model in a round.
        seed: Of the order of models and of synthetic inputs.
        progress: Where it tells how far it is; None for nobody.

    Raises:
        InputError: If a file is missing or damaged, its preprocessing differs from the data's, or
            the target's device is not at hand, or the baseline cannot be run beside the model.
        DeviceError: If the device failed.
    """
    progress = progress or SilentProgress()
    files = tuple(Path(file) for file in (model, *against))
    profile = load(target)
    runtime = profile.runtimes[profile.default_runtime]
    require_this_machine_is(profile) if on_device else require_at_hand(profile)
    with tempfile.TemporaryDirectory(prefix="edgedistill-") as scratch:
        context = StageContext(folder=Path(scratch), seed=seed, progress=progress)
        dataset = _dataset(Path(recipe), context) if recipe is not None else None
        if dataset is not None:
            for file in files:
                require_preprocessing(file, dataset.preprocessing)
        inputs = _inputs(files[0], dataset, seed)
        for file in files:
            require_runnable(file, inputs)
        names = tuple(f"{place} {file.name}" for place, file in enumerate(files))
        measuring = Measuring(
            candidates=tuple(map(Candidate, names, files)),
            inputs=inputs,
            config=Benchmark(rounds=rounds, runs_per_round=runs_per_round),
            transport=transport(),
            device=profile.name,
            runtime=runtime,
        )
        measuring.run(context)
        samples = read_samples(context.folder)
        measurement = Measurement(measuring, samples, dataset, context, memory=memory)
        measured = tuple(map(measurement.figures, names, files))
        relative = None
        if baseline is not None:
            relative = against_baseline(
                files[0],
                profile,
                BaselineFiles(Path(baseline), baseline_model),
                on_device=on_device,
                progress=progress,
            )
    return BenchmarkResult(
        target=profile.name,
        relative=relative,
        inputs="synthetic" if dataset is None else "real",
        conditions=samples.conditions,
        models=measured,
    )


def _dataset(recipe: Path, context: StageContext) -> Dataset:
    source = open_source(read_recipe(recipe).recipe.data, base=Path())
    folder = context.folder / "data"
    folder.mkdir()
    source.run(StageContext(folder=folder, seed=context.seed, progress=context.progress))
    return open_dataset(folder)


def _inputs(model: Path, dataset: Dataset | None, seed: int) -> Mapping[str, np.ndarray]:
    if dataset is None:
        return synthetic_inputs(model, samples=_SAMPLES, seed=seed)
    return dataset.validation.batch(np.arange(min(_SAMPLES, len(dataset.validation))))


def _lines(model: MeasuredModel) -> list[str]:
    taken = model.latency
    figures = {"p50": taken.p50_ms, "p90": taken.p90_ms, "p95": taken.p95_ms}
    unstable = "" if taken.stable else "  (the machine was disturbed: measure again)"
    lines = [f"{model.file}  sha256 {model.sha256[:12]}{unstable}"]
    lines += [
        f"  {name} {written.milliseconds(figure)}  {figure.evidence}"
        for name, figure in figures.items()
        if figure is not None
    ]
    if taken.speedup is not None:
        lines.append(f"  speed against the first {written.factor(taken.speedup)}")
    if model.peak_memory_mb is not None:
        lines.append(f"  memory of one inference {written.megabytes(model.peak_memory_mb)}")
    if model.accuracy is not None:
        lines.append(f"  validation accuracy {written.accuracy(model.accuracy)}")
    return lines
