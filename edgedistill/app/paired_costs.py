"""What two models cost beside each other: size, work and latency on a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.app.latencies import EstimatedLatencies, MeasuredLatencies, reason_of
from edgedistill.app.reach import runs_here, transport
from edgedistill.app.renaming import with_input_names
from edgedistill.bench.measure import Candidate, Measuring
from edgedistill.bench.samples import read_samples
from edgedistill.core.evidence import counted
from edgedistill.cost.graph import count
from edgedistill.cost.model_file import file_size_mb
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.latencies import Latencies
    from edgedistill.app.side_by_side import Pair
    from edgedistill.core.evidence import Conditions, Quantity
    from edgedistill.core.profile import TargetProfile
    from edgedistill.core.recipe import Benchmark
    from edgedistill.core.report import Latency
    from edgedistill.core.stage import StageContext
    from edgedistill.data.ready import ReadySamples

NAMES = ("A", "B")
_SAMPLES = 8


@dataclass(frozen=True)
class Costs:
    """Of one model; None where it cannot be told."""

    latency: Latency | None
    size_mb: Quantity
    macs: Quantity | None
    parameters: Quantity | None


@dataclass(frozen=True)
class PairedCosts:
    """Of both, the first one's first, and why something is missing."""

    each: tuple[Costs, Costs]
    conditions: Conditions | None
    notes: tuple[str, ...]


def costs_of(
    pair: Pair,
    samples: ReadySamples,
    profile: TargetProfile,
    *,
    bench: Benchmark | None,
    context: StageContext,
) -> PairedCosts:
    """Counts both, and measures them in the same rounds where the target is at hand.

    Args:
        pair: The models.
        samples: What they run on.
        profile: The target.
        bench: How it is measured; None: latency is not asked for.
        context: An empty folder, seed and progress.

    Raises:
        DeviceError: If the device failed.
    """
    shapes = {name: values.shape[1:] for name, values in samples.batch(np.array([0])).items()}
    second = pair.second.whole
    if any(name != other for name, other in pair.names.items()):
        second = context.folder / "renamed.onnx"
        _rename(pair, second)
    files = dict(zip(NAMES, (pair.first.whole, second), strict=True))
    latencies, conditions, notes = (
        _latencies(pair, files, samples, profile, bench, context)
        if bench is not None
        else (None, None, [])
    )
    each = []
    for name, file in files.items():
        macs = parameters = None
        try:
            cost = count(file, input_shapes=shapes)
            macs = counted(cost.macs, "multiply-accumulates of one inference, counted in the graph")
            parameters = counted(cost.parameters, "weights of the ONNX graph")
        except InputError as error:  # the file runs, but its work cannot be counted beforehand
            notes.append(f"The work of {name} could not be counted: {reason_of(error)}.")
        size = (pair.first if name == NAMES[0] else pair.second).whole
        each.append(
            Costs(
                latency=latencies.latency(name, NAMES[0]) if latencies else None,
                size_mb=file_size_mb(size),
                macs=macs,
                parameters=parameters,
            )
        )
    return PairedCosts((each[0], each[1]), conditions, tuple(notes))


def _rename(pair: Pair, written: Path) -> None:
    """The second model with the first one's input names, so that one file of inputs is for both."""
    back = {other: name for name, other in pair.names.items()}
    renamed = with_input_names(pair.second.model, back)
    written.write_bytes(renamed.SerializeToString(deterministic=True))


def _latencies(
    pair: Pair,
    files: Mapping[str, Path],
    samples: ReadySamples,
    profile: TargetProfile,
    bench: Benchmark,
    context: StageContext,
) -> tuple[Latencies | None, Conditions | None, list[str]]:
    runtime = profile.runtimes[profile.default_runtime]
    inputs = samples.batch(np.arange(min(_SAMPLES, len(samples))))
    if not runs_here(profile, runtime):
        shapes = {name: values.shape[1:] for name, values in inputs.items()}
        estimated = EstimatedLatencies(files, profile, profile.default_runtime, input_shapes=shapes)
        for name in files:
            estimated.latency(name, None)
        return estimated, None, [f"No estimate of latency: {why}." for why in estimated.silences()]
    types = {one.name: one.dtype for one in pair.second.inputs}
    if any(types[pair.names[name]] != values.dtype.name for name, values in inputs.items()):
        reason = "Latency was not measured: the inputs of the two models differ in type."
        return None, None, [reason]
    measuring = Measuring(
        candidates=tuple(Candidate(name, file) for name, file in files.items()),
        inputs=inputs,
        config=bench,
        transport=transport(),
        device=profile.name,
        runtime=runtime,
    )
    measuring.run(context)
    measured = read_samples(context.folder)
    return MeasuredLatencies(measured), measured.conditions, []
