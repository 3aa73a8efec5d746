"""An ONNX file that somebody brought: read by our own code, then by onnxruntime within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx

from edgedistill.app.optimizing import try_bounded
from edgedistill.core.quantized import ModelInput
from edgedistill.cost.model_file import load_whole_model
from edgedistill.errors import Fault, InputError
from edgedistill.stages.quantize.session import open_session
from edgedistill.store import file_sha256, text_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MODEL_FILE = "model.onnx"
"""What the one file with all weights inside is called."""


@dataclass(frozen=True)
class ForeignModel:
    """What a file says of itself; nothing has run it yet."""

    file: Path
    """As it was given."""
    whole: Path
    """A copy with all its weights inside."""
    model: onnx.ModelProto
    """With all its weights inside."""
    sha256: str
    """Of the file and of those beside it that hold its weights."""
    inputs: tuple[ModelInput, ...]
    """In the order of the graph."""


def read_foreign(file: Path, scratch: Path) -> ForeignModel:
    """Reads an ONNX file by our own code alone; `require_runs` is the next to ask.

    Args:
        file: The ONNX file; weights beside it are read from its own folder only.
        scratch: An empty folder, where the model is written as one file, `MODEL_FILE`.

    Raises:
        InputError: If it cannot be read.
    """
    model, content, sha256 = read_whole(file)
    whole = scratch / MODEL_FILE
    whole.write_bytes(content)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = (_declared(entry) for entry in model.graph.input if entry.name not in held)
    return ForeignModel(file, whole, model, sha256, tuple(inputs))


@dataclass(frozen=True)
class Doors:
    """What onnxruntime says that a model takes and gives."""

    inputs: tuple[ModelInput, ...]
    outputs: tuple[tuple[np.dtype, tuple[int | None, ...]], ...]
    """Type and shape of each, None where an axis is open."""


def open_foreign(file: Path, content: bytes, scratch: Path) -> Doors:
    """Opens a model, first in a process of its own with bounds.

    Args:
        file: For errors.
        content: The model with all its weights inside.
        scratch: An empty folder, where it is written, `MODEL_FILE`.

    Raises:
        InputError: If it cannot be loaded.
    """
    whole = scratch / MODEL_FILE
    whole.write_bytes(content)
    said = try_bounded(whole, scratch)
    if said is not None:
        problem, remedy = "onnxruntime cannot load it", "Export it again"
        raise InputError(Fault(file=file, given=said, problem=problem, remedy=remedy))
    session = open_session(whole, threads=1)
    return Doors(
        inputs=tuple(_input(entry) for entry in session.get_inputs()),
        outputs=tuple(
            (_dtype(entry.type), tuple(_axes(entry.shape))) for entry in session.get_outputs()
        ),
    )


def require_runs(file: Path, scratch: Path, sample: Mapping[str, np.ndarray]) -> None:
    """Refuses a model that does not run on a sample.

    Args:
        file: For errors.
        scratch: Where it was written as one file.
        sample: By its own input names, [1, ...].

    Raises:
        InputError: If it does not, or takes more time or memory than anybody can mean.
    """
    said = try_bounded(scratch / MODEL_FILE, scratch, sample)
    if said is None:
        return
    raise InputError(
        Fault(
            file=file,
            given=", ".join(f"{name} {list(values.shape)}" for name, values in sample.items()),
            problem=f"does not run on its samples: {said}",
            remedy="Give samples, or a preprocessing, that it takes",
        )
    )


def read_whole(file: Path) -> tuple[onnx.ModelProto, bytes, str]:
    """A model with all its weights, as one file, and the sha256 of all that was read.

    Raises:
        InputError: If it cannot be read.
    """
    whole = load_whole_model(file)
    if not whole.beside:
        return whole.model, file.read_bytes(), file_sha256(file)
    content: bytes = whole.model.SerializeToString(deterministic=True)
    return whole.model, content, text_sha256("".join(map(file_sha256, (file, *whole.beside))))


def single_sample_faults(file: Path, inputs: tuple[ModelInput, ...]) -> Iterator[Fault]:
    """Why samples cannot be given to a model one at a time.

    Args:
        file: For errors.
        inputs: What it takes.
    """
    for one in inputs:
        if one.dtype == "object":
            problem, remedy = "is not a tensor of numbers", "Give a model that takes numbers only"
        elif not one.shape:
            problem = "has no axis for samples"
            remedy = "Export the model with a batch axis in front of every input"
        elif one.shape[0] not in (None, 1):
            problem = f"takes batches of {one.shape[0]} only"
            remedy = "Export the model for one sample at a time, or for any number"
        else:
            continue
        given = one.written() if one.shape and one.dtype != "object" else None
        yield Fault(file=file, field=one.name, given=given, problem=problem, remedy=remedy)


def _declared(entry: onnx.ValueInfoProto) -> ModelInput:
    """What the graph says of an input; object for what is no tensor of numbers."""
    tensor = entry.type.tensor_type
    names = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
    axes = tuple(axis.dim_value if axis.dim_value > 0 else None for axis in tensor.shape.dim)
    kind = names.get(tensor.elem_type, "undefined")
    return ModelInput(name=entry.name, dtype=_dtype(f"tensor({kind})").name, shape=axes)


def _input(entry: object) -> ModelInput:
    name, kind, shape = (getattr(entry, key) for key in ("name", "type", "shape"))
    return ModelInput(name=name, dtype=_dtype(kind).name, shape=tuple(_axes(shape)))


def _axes(shape: list[int | str | None]) -> list[int | None]:
    """Sizes, None where open: onnxruntime gives a name or None there, and keeps a wrong -1."""
    return [axis if isinstance(axis, int) and axis > 0 else None for axis in shape]


_TYPES = {"float": "float32", "double": "float64"}


def _dtype(kind: str) -> np.dtype:
    """The type that onnxruntime writes as tensor(float); object for what is no tensor of numbers.

    >>> _dtype("tensor(float)"), _dtype("tensor(int64)")
    (dtype('float32'), dtype('int64'))
    """
    inside = kind.removeprefix("tensor(").removesuffix(")")
    known = {
        *_TYPES,
        "float16",
        "bool",
        *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)),
    }
    return np.dtype(_TYPES.get(inside, inside) if inside in known else object)
