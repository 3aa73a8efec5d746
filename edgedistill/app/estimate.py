"""What a network will cost on a device that nobody has plugged in, and how far that may be off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from edgedistill.app.latency import Question, latency_of
from edgedistill.app.network_operators import computing_in, listed_network, network_operators
from edgedistill.catalog.profiles import load
from edgedistill.catalog.shapes import shape_documents
from edgedistill.core.basis import NoBasis, basis_of, runtime_named
from edgedistill.core.engine import engine_of
from edgedistill.core.estimate import Estimate
from edgedistill.core.profile import Precision, Runtime, TargetProfile
from edgedistill.core.strict import Strict
from edgedistill.cost.energy import energy_per_inference, power_mode
from edgedistill.cost.graph_operators import precision_of
from edgedistill.cost.memory import peak_memory
from edgedistill.cost.model_file import file_size_mb
from edgedistill.errors import Fault, InputError
from edgedistill.store import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.app.network_operators import Source
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.profile import ConvertedRuntime
    from edgedistill.cost.operators import Operator

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def estimate(  # noqa: PLR0913  # the public call; all but the first two have defaults
    source: Source,
    target: str | Path | TargetProfile,
    *,
    runtime: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    folders: Sequence[str | Path] = (),
    network: str | None = None,
) -> Estimate:
    """What one inference of a network costs on a target, with a 90 % interval and its evidence.

    Args:
        source: The path of an ONNX file; or one network of a JSON file of operator lists, as
            `FILE.json#NETWORK`; or operators (`edgedistill.read_operator_lists`); or rows of such a
            list, as its JSON file holds them.
        target: A profile's name, the path of a profile of your own, or a profile.
        runtime: One of the profile's runtimes or converted runtimes; its default one where absent.
        precision: fp32, fp16 or int8: what the network is to compute with; a float network is taken
            as converted to it. Where absent, what the file itself computes with. The operators of a
            quantized file keep the precision that each has.
        threads: Threads of the inference; the runtime's usual number where absent.
        input_shapes: Of a file: by input name, without the batch axis, for inputs whose axes it
            leaves open.
        folders: Folders of your own profiles, with your own shapes in `shapes` inside them.
        network: What to call the network; the file's name where absent. In rows of a published list
            an operator `act` names no function, and the network's name tells which it was.

    Returns:
        The estimate. Where nothing is known of such a runtime on such a device, its tier is
        `unsupported`, it has a reason, and no latency.

    Raises:
        InputError: If target, runtime or precision is unknown, or the source cannot be read.
    """
    own = [Path(folder) for folder in folders]
    profile = target if isinstance(target, TargetProfile) else load(str(target), own)
    name = _runtime_name(profile, runtime)
    chosen_runtime = runtime_named(profile, name)
    operators = network_operators(
        source,
        engine=engine_of(chosen_runtime),
        input_shapes=input_shapes,
        network=network,
    )
    chosen = _precision(precision, operators, chosen_runtime)
    count = _threads(threads, profile, chosen_runtime)
    asked = Question(profile, name, chosen, count)
    found = _estimate(asked, computing_in(operators, chosen), own)
    listed = listed_network(source)
    if isinstance(source, str | Path) and listed is None:
        file = Path(source)
        as_it_is = chosen == precision_of(operators)
        sizes = _sizes(file, found, profile, chosen_runtime, input_shapes) if as_it_is else {}
        return found.model_copy(update={"network": network or file.name, **sizes})
    return found.model_copy(update={"network": network or (listed[1] if listed else None)})


class Estimates(Strict):
    """What one network costs on several targets."""

    schema_version: Literal[1] = 1
    document: Literal["edgedistill-estimates"] = "edgedistill-estimates"
    estimates: tuple[Estimate, ...]

    def save(self, path: str | Path) -> None:
        """Writes the estimates as JSON.

        Raises:
            InputError: If the place cannot be written to.
        """
        write_file(Path(path), (self.model_dump_json(indent=1) + "\n").encode())


def estimate_targets(
    source: Source,
    targets: Sequence[str | Path | TargetProfile],
    *,
    runtime: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    folders: Sequence[str | Path] = (),
) -> Estimates:
    """What one inference of a network costs on each of several targets.

    Args:
        source: As `estimate` takes it.
        targets: At least one.
        runtime: As `estimate` takes it, of every target.
        precision: As `estimate` takes it.
        threads: As `estimate` takes it.
        input_shapes: As `estimate` takes it.
        folders: As `estimate` takes it.

    Raises:
        InputError: With the faults of all targets.
    """
    found: list[Estimate] = []
    faults: list[Fault] = []
    for target in targets:
        try:
            found.append(
                estimate(
                    source,
                    target,
                    runtime=runtime,
                    precision=precision,
                    threads=threads,
                    input_shapes=input_shapes,
                    folders=folders,
                )
            )
        except InputError as error:
            faults += [fault for fault in error.faults if fault not in faults]
    if faults or not found:
        raise InputError(*(faults or [_NO_TARGET]))
    return Estimates(estimates=tuple(found))


_NO_TARGET = Fault(field="target", problem="is missing", remedy="Give at least one target")


def _estimate(
    question: Question, operators: Sequence[Operator], folders: Sequence[Path]
) -> Estimate:
    """Latency and energy of operators."""
    profile = question.profile
    shapes = shape_documents(folders)
    basis = basis_of(profile, question.runtime, question.precision, shapes)
    latency = latency_of(question, operators, shapes, basis)
    facts: dict[str, Any] = {
        "target": profile.name,
        "target_title": profile.title,
        "runtime": question.runtime,
        "precision": question.precision,
        "threads": question.threads,
        "macs": sum(one.macs for one in operators),
    }
    if isinstance(basis, NoBasis) or isinstance(latency, NoBasis):
        reason = basis if isinstance(basis, NoBasis) else latency
        assert isinstance(reason, NoBasis)
        return Estimate(**facts, tier="unsupported", reason=reason.reason)
    mode = power_mode(profile)
    return Estimate(
        **facts,
        tier=basis.tier,
        latency_ms=latency.latency_ms,
        sources=basis.sources,
        devices=basis.devices,
        measurements=basis.measurements,
        error=basis.error,
        by_kind=latency.by_kind,
        operators=latency.operators,
        energy_mj=None if mode is None else energy_per_inference(latency.latency_ms, mode),
    )


def _sizes(
    file: Path,
    found: Estimate,
    profile: TargetProfile,
    runtime: Runtime | ConvertedRuntime,
    input_shapes: Mapping[str, tuple[int, ...]] | None,
) -> dict[str, Quantity]:
    """Size of a file, and the memory of an inference where ONNX Runtime runs it as it is."""
    sizes = {"size_mb": file_size_mb(file)}
    if engine_of(runtime) == "onnxruntime-cpu" and found.precision in runtime.precisions:
        sizes["peak_memory_mb"] = peak_memory(
            file, machine=profile.machine, input_shapes=input_shapes
        )
    return sizes


def _runtime_name(profile: TargetProfile, name: str | None) -> str:
    known = [*profile.runtimes, *profile.converted_runtimes]
    if name is None:
        return profile.default_runtime
    if name not in known:
        raise InputError(
            Fault(
                field="runtime",
                given=repr(name),
                problem=f"is not a runtime of {profile.name}",
                remedy=f"Choose one of: {', '.join(known)}",
            )
        )
    return name


def _precision(
    given: str | None, operators: Sequence[Operator], runtime: Runtime | ConvertedRuntime
) -> Precision:
    """What was asked for, else what the network has, else what the runtime would make of it."""
    if given is not None:
        chosen = next((one for one in PRECISIONS if one == given), None)
        if chosen is None:
            raise InputError(
                Fault(
                    field="precision",
                    given=repr(given),
                    problem="is not a precision",
                    remedy=f"Choose one of: {', '.join(PRECISIONS)}",
                )
            )
        return chosen
    own = precision_of(operators)
    if own in runtime.precisions or isinstance(runtime, Runtime):
        return own
    return runtime.precisions[0]  # the file is converted, so it computes with what there is


def _threads(given: int | None, profile: TargetProfile, runtime: Runtime | ConvertedRuntime) -> int:
    cores = sum(cluster.count for cluster in profile.clusters)
    if given is None:
        return runtime.threads
    if type(given) is not int or given < 1 or (cores and given > cores):
        raise InputError(
            Fault(
                field="threads",
                given=repr(given),
                problem=f"is not a number of threads that {profile.name} can run at once",
                remedy=f"Give a whole number from 1 to {cores}" if cores else "Give 1 or more",
            )
        )
    return given
