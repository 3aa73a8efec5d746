"""Which input of an ONNX graph takes which input of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.models.signature import Signature

_DTYPES = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.DOUBLE: "float64",
    onnx.TensorProto.UINT8: "uint8",
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.INT64: "int64",
}


@dataclass(frozen=True)
class Door:
    """One input of the graph.

    Attributes:
        name: As the graph calls it.
        dtype: What it takes, as numpy calls it.
        one_sample: Whether its batch axis is fixed to 1.
    """

    name: str
    dtype: str
    one_sample: bool


def find_doors(
    model: onnx.ModelProto, signature: Signature, path: Path, field: str
) -> tuple[Door, ...]:
    """The graph's inputs in the signature's order: equal names meet, the rest by position.

    Args:
        model: The graph.
        signature: What the data gives.
        path: The graph's file, for the error.
        field: Where the model stands in the recipe, for the error.

    Raises:
        InputError: If number, shape or type of the inputs is not the data's.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    taken = {item.name: item for item in model.graph.input if item.name not in constants}
    rest = [name for name in taken if name not in signature.inputs]
    faults = []
    if len(taken) != len(signature.inputs) or not model.graph.output:
        raise InputError(_misfit(path, field, ", ".join(taken) or "no inputs", signature))
    doors = []
    for wanted, shape in signature.inputs.items():
        item = taken[wanted if wanted in taken else rest.pop(0)]
        tensor = item.type.tensor_type
        dims = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
        fits = len(dims) == 1 + len(shape) and all(
            have in (None, want) for have, want in zip(dims, (1, *shape), strict=True)
        )
        if tensor.elem_type not in _DTYPES or (tensor.HasField("shape") and not fits):
            faults.append(_misfit(path, field, _described(item), signature))
            continue
        doors.append(Door(item.name, _DTYPES[tensor.elem_type], bool(dims) and dims[0] == 1))
    if faults:
        raise InputError(*faults)
    return tuple(doors)


def _described(item: onnx.ValueInfoProto) -> str:
    tensor = item.type.tensor_type
    sizes = ", ".join(dim.dim_param or str(dim.dim_value or "?") for dim in tensor.shape.dim)
    names = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
    kind = names.get(tensor.elem_type, f"type {tensor.elem_type}")
    return f"{item.name} {kind} [{sizes}]"


def _misfit(path: Path, field: str, given: str, signature: Signature) -> Fault:
    wanted = ", ".join(
        f"{name} {['batch', *shape]}".replace("'", "") for name, shape in signature.inputs.items()
    )
    return Fault(
        file=path,
        field=f"{field}.source",
        given=given,
        problem=f"the graph does not take the data's inputs ({wanted}; a batch of 1 or of any "
        f"size; {', '.join(_DTYPES.values())})",
        remedy="Change data.preprocessing (resize, layout), or use another model",
    )
