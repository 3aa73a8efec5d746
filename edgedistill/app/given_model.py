"""A float ONNX file that somebody brought: what it takes and gives, and the form in which it ships.

The file goes on as it is, byte for byte, unless its weights lie in other files or sizes of its
inputs are to be fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

from edgedistill.app.foreign_model import (
    MODEL_FILE,
    open_foreign,
    read_whole,
    single_sample_faults,
)
from edgedistill.core.stage import StageResult
from edgedistill.cost.model_file import opset
from edgedistill.errors import Fault, InputError
from edgedistill.stages.quantize.requirements import require_quantizable
from edgedistill.stages.quantize.session import open_session
from edgedistill.tasks.likeness import agreement_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edgedistill.core.profile import Runtime, TargetProfile
    from edgedistill.core.quantized import AgreementKind, ModelInput
    from edgedistill.core.stage import StageContext


@dataclass(frozen=True)
class GivenModel:
    """What a file is."""

    file: Path
    sha256: str
    """Of the file and of those beside it that hold its weights."""
    inputs: tuple[ModelInput, ...]
    """As they ship, with the sizes that are fixed."""
    agreement_kind: AgreementKind
    """What tells how near a quantized twin is, by the outputs."""
    fixed: Mapping[str, tuple[int, ...]]
    """Inputs whose open sizes are fixed in what ships."""


def read_model(
    file: Path,
    runtime: Runtime,
    profile: TargetProfile,
    shapes: Mapping[str, tuple[int, ...]],
    scratch: Path,
) -> GivenModel:
    """Looks at a model, with everything at once that keeps it from being quantized for a target.

    Args:
        file: The ONNX file; weights beside it are read from its own folder only.
        runtime: The target's.
        profile: The target.
        shapes: Input name to the shape that is to be fixed, the batch axis first.
        scratch: An empty folder, where the model is written as one file, `MODEL_FILE`.

    Raises:
        InputError: If it cannot be read or loaded, cannot be quantized, or is not what the target
            takes.
    """
    model, content, sha256 = read_whole(file)
    if runtime.int8 is not None:
        require_quantizable(model, runtime.int8, file)
    found = open_foreign(file, content, scratch)
    inputs = found.inputs
    faults = [*_limit_faults(model, file, runtime, profile), *_shape_faults(file, inputs, shapes)]
    if faults:
        raise InputError(*faults)
    fixed = dict(shapes)
    if runtime.shapes == "static":
        fixed |= _static_shapes(file, inputs, shapes, profile)
    return GivenModel(
        file=file,
        sha256=sha256,
        inputs=tuple(
            one.model_copy(update={"shape": fixed[one.name]}) if one.name in fixed else one
            for one in inputs
        ),
        agreement_kind=agreement_kind(found.outputs),
        fixed=fixed,
    )


@dataclass(frozen=True)
class Adopting:
    """Takes a given model into the run, with the sizes of its inputs fixed where asked: a stage."""

    given: GivenModel

    def run(self, context: StageContext) -> StageResult:
        """Writes `model.onnx`.

        Raises:
            InputError: If the file has changed, or cannot have these sizes.
        """
        model, content, sha256 = read_whole(self.given.file)
        if sha256 != self.given.sha256:
            raise InputError(
                Fault(
                    file=self.given.file,
                    problem="has changed since this run began",
                    remedy="Run the same command again",
                )
            )
        written = context.folder / MODEL_FILE
        written.write_bytes(self._with_fixed_sizes(model) if self.given.fixed else content)
        open_session(written, context.threads)
        return StageResult(facts={"fixed": {name: list(s) for name, s in self.given.fixed.items()}})

    def _with_fixed_sizes(self, model: onnx.ModelProto) -> bytes:
        # its package loads torch, which nothing else here needs
        from onnxruntime.tools.onnx_model_utils import fix_output_shapes, make_input_shape_fixed

        # what the exporter says of sizes inside was said of open ones
        del model.graph.value_info[:]
        try:
            for name, shape in self.given.fixed.items():
                make_input_shape_fixed(model.graph, name, list(shape))
            fix_output_shapes(model)
        except (ValueError, onnx.shape_inference.InferenceError) as error:
            raise InputError(
                Fault(
                    file=self.given.file,
                    field="shape",
                    given=str(error).strip().splitlines()[0],
                    problem="the model cannot have inputs of these sizes",
                    remedy="Give other sizes with --shape",
                )
            ) from error
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def _limit_faults(
    model: onnx.ModelProto, file: Path, runtime: Runtime, profile: TargetProfile
) -> Iterator[Fault]:
    for what, found, limit in (
        ("opset", opset(model), runtime.max_opset),
        ("IR version", model.ir_version, runtime.max_ir_version),
    ):
        if found > limit:
            yield Fault(
                file=file,
                given=f"{what} {found}",
                problem=f"the runtime of {profile.name} accepts {what} {limit} at most",
                remedy="Export the model in an older one",
            )


def _shape_faults(
    file: Path, inputs: tuple[ModelInput, ...], shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[Fault]:
    yield from single_sample_faults(file, inputs)
    known = {one.name: one for one in inputs}
    for name, shape in shapes.items():
        given = f"{name}={'x'.join(map(str, shape))}"
        if name not in known:
            yield _fault(file, "shape", "names no input", f"There is: {', '.join(known)}", given)
        elif shape[0] != 1 or not known[name].fits(shape[1:]):
            yield _fault(
                file,
                "shape",
                f"the model takes {known[name].written()}",
                "Give all its axes, the batch of 1 first and fixed ones as they are",
                given,
            )


def _static_shapes(
    file: Path,
    inputs: tuple[ModelInput, ...],
    shapes: Mapping[str, tuple[int, ...]],
    profile: TargetProfile,
) -> dict[str, tuple[int, ...]]:
    """Shapes of one sample, for a runtime that takes fixed sizes only."""
    found: dict[str, tuple[int, ...]] = {}
    faults = []
    for one in inputs:
        if one.name in shapes or None not in one.shape:
            continue
        axes = [axis for axis in one.shape[1:] if axis is not None]
        if len(axes) < len(one.shape) - 1:
            example = "x".join("1" if axis is None else str(axis) for axis in one.shape)
            faults.append(
                _fault(
                    file,
                    one.name,
                    f"the runtime of {profile.name} takes fixed sizes only",
                    f"Say which: --shape {one.name}={example} with the sizes you need",
                    one.written(),
                )
            )
        found[one.name] = (1, *axes)
    if faults:
        raise InputError(*faults)
    return found


def _fault(file: Path, field: str, problem: str, remedy: str, given: str | None = None) -> Fault:
    return Fault(file=file, field=field, given=given, problem=problem, remedy=remedy)
