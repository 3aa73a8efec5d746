"""What is wrong, or dear, in any ONNX file for a target."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.app.latency import Question, latency_of
from edgedistill.app.optimizing import Unloadable, in_runtime
from edgedistill.catalog.profiles import load
from edgedistill.catalog.shapes import shape_documents
from edgedistill.core.basis import NoBasis
from edgedistill.core.engine import engine_of
from edgedistill.core.findings import Diagnosis
from edgedistill.core.profile import TargetProfile
from edgedistill.cost.file_bytes import read_bounded
from edgedistill.cost.fusions import RUNTIMES
from edgedistill.cost.graph_operators import fused_flow, operators_by_step, precision_of
from edgedistill.cost.model_file import load_whole_model, opset
from edgedistill.cost.roofline import COUNTED
from edgedistill.diagnosis import Costs, Patient, coverage, diagnose
from edgedistill.errors import Fault, InputError
from edgedistill.store import write_file
from edgedistill.units import bytes_to_mb

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    from edgedistill.core.profile import Runtime
    from edgedistill.cost.operators import Operator
    from edgedistill.cost.shapes import Shapes
    from edgedistill.cost.steps import Step
    from edgedistill.diagnosis import InRuntime

_USUAL = "onnxruntime-cpu"


def doctor(
    model: str | Path,
    *,
    target: str | Path | TargetProfile = "host",
    runtime: str | None = None,
    folders: Sequence[str | Path] = (),
) -> Diagnosis:
    """Looks for all that a target dislikes about an ONNX file, made here or not.

    Nothing is measured. Where the target is this machine, the graph that its runtime really runs is
    looked at; else findings follow from the file and the runtime's documented rules.

    Args:
        model: The ONNX file: float, or int8 as QDQ or in quantized operators. Weights beside it are
            read from its own folder only.
        target: A profile's name, the path of a profile of your own, or a profile.
        runtime: One of the profile's runtimes; its default one where absent.
        folders: Folders of your own profiles, with your own shapes in `shapes` inside them.

    Returns:
        Findings, the worst first, each with its operators, their cost and a remedy.

    Raises:
        InputError: If the file is no sound ONNX model, or target or runtime is unknown.
    """
    own = [Path(folder) for folder in folders]
    profile = target if isinstance(target, TargetProfile) else load(str(target), own)
    name, chosen = _runtime(profile, runtime)
    path = Path(model)
    whole = load_whole_model(path)
    priced = _priced(whole.model, path, profile, name, own)
    seen, runtime_reason = _seen(whole.model, profile, chosen)
    size_bytes = sum(file.stat().st_size for file in (path, *whole.beside))
    patient = Patient(
        model=whole.model,
        profile=profile,
        runtime=chosen,
        costs=priced.costs,
        size_bytes=size_bytes,
        shapes=priced.shapes,
        in_runtime=None if isinstance(seen, Unloadable) else seen,
        load_problem=seen.problem if isinstance(seen, Unloadable) else None,
        beside=tuple(file.name for file in whole.beside),
    )
    return Diagnosis(
        model=str(path),
        sha256=hashlib.sha256(read_bounded(path)).hexdigest(),
        target=profile.name,
        target_title=profile.title,
        runtime=name,
        opset=opset(whole.model),
        ir_version=whole.model.ir_version,
        operators=len(whole.model.graph.node),
        macs=sum(priced.costs.macs.values()) if priced.counted else None,
        size_mb=bytes_to_mb(size_bytes),
        latency_ms=priced.costs.latency_ms,
        latency_reason=priced.reason,
        runtime_reason=runtime_reason,
        int8=coverage(patient),
        findings=diagnose(patient),
    )


def save_diagnosis(diagnosis: Diagnosis, path: str | Path) -> None:
    """Writes a diagnosis as JSON.

    Raises:
        InputError: If the place cannot be written to.
    """
    write_file(Path(path), (diagnosis.model_dump_json(indent=1) + "\n").encode())


def _runtime(profile: TargetProfile, name: str | None) -> tuple[str, Runtime]:
    chosen = profile.default_runtime if name is None else name
    if chosen not in profile.runtimes:
        raise InputError(
            Fault(
                field="runtime",
                given=repr(name),
                problem=f"is not a runtime of {profile.name} that takes ONNX files",
                remedy=f"Choose one of: {', '.join(profile.runtimes)}",
            )
        )
    return chosen, profile.runtimes[chosen]


def _seen(
    model: onnx.ModelProto, profile: TargetProfile, runtime: Runtime
) -> tuple[InRuntime | Unloadable | None, str | None]:
    """What the runtime makes of it where it is here, and why not where it is not."""
    if profile.transport != "local" or runtime.provider != "CPUExecutionProvider":
        return None, "the target's runtime is not at hand"
    seen = in_runtime(model, runtime.threads)
    return seen, seen.problem if isinstance(seen, Unloadable) else None


@dataclass(frozen=True)
class _Priced:
    """What the operators of a file cost, as far as that can be told."""

    costs: Costs
    counted: bool
    reason: str | None
    shapes: Shapes | None


def _priced(
    model: onnx.ModelProto,
    path: Path,
    profile: TargetProfile,
    runtime: str,
    folders: Sequence[Path],
) -> _Priced:
    chosen = profile.runtimes[runtime]
    engine = engine_of(chosen)
    try:
        flow = fused_flow(model, path, runtime=engine if engine in RUNTIMES else _USUAL)
        steps = list(operators_by_step(flow))
    except InputError as error:
        first = error.faults[0]
        where = f"{first.field}: " if first.field else ""
        return _Priced(Costs(), False, f"{where}{first.problem}", None)
    macs: Counter[str] = Counter()
    elements: Counter[str] = Counter()
    for step, operators in steps:
        macs[step.node.output[0]] += sum(one.macs for one in operators)
        elements[step.node.output[0]] += sum(one.elements for one in operators)
    counted = Costs(macs=macs, elements=elements)
    all_operators = [one for _, operators in steps for one in operators]
    shapes = flow.tensors.shapes
    if not any(one.kind in COUNTED for one in all_operators):
        return _Priced(counted, True, "no operator takes time", shapes)
    found = latency_of(
        Question(profile, runtime, precision_of(all_operators), chosen.threads),
        all_operators,
        shape_documents(folders),
    )
    if isinstance(found, NoBasis):
        return _Priced(counted, True, found.reason, shapes)
    times = {one.place: one.latency_ms for one in found.operators}
    whole_ms = found.latency_ms
    latency = _by_node(steps, times, whole_ms.value)
    priced = replace(counted, latency=latency, latency_ms=whole_ms)
    return _Priced(priced, True, None, shapes)


def _by_node(
    steps: Sequence[tuple[Step, tuple[Operator, ...]]], times_ms: dict[int, float], whole_ms: float
) -> dict[str, float]:
    """Part of the whole latency of each node of the file, by its first output."""
    latency: dict[str, float] = {}
    place = 0
    for step, operators in steps:
        own_ms = sum(times_ms.get(place + offset, 0.0) for offset in range(len(operators)))
        place += len(operators)
        name = step.node.output[0]
        latency[name] = latency.get(name, 0.0) + (own_ms / whole_ms if whole_ms > 0 else 0.0)
    return latency
