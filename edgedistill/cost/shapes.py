"""The shape of every tensor of a graph, for one sample."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import onnx

from edgedistill.cost.float_twin import is_argument
from edgedistill.cost.shape_arithmetic import evaluated
from edgedistill.cost.tensors import MOST_ELEMENTS
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Shape = tuple[int, ...]


class Shapes:
    """Known shapes by tensor name; asking for an unknown or impossible one is an input error."""

    def __init__(
        self,
        known: Mapping[str, Shape],
        file: Path,
        element_types: Mapping[str, int] | None = None,
    ) -> None:
        self._known = known
        self._file = file
        self._element_types = element_types or {}

    def __contains__(self, tensor: object) -> bool:
        return tensor in self._known

    def largest(self) -> tuple[str, int]:
        """Name and elements of the largest tensor; an empty name and 0 where none is known."""
        sizes = {name: prod(shape) for name, shape in self._known.items()}
        return max(sizes.items(), key=lambda one: one[1], default=("", 0))

    def element_type(self, tensor: str) -> int:
        """The type of a tensor's elements (`onnx.TensorProto.DataType`); UNDEFINED if unknown."""
        return self._element_types.get(tensor, onnx.TensorProto.UNDEFINED)

    def __getitem__(self, tensor: str) -> Shape:
        if tensor not in self._known:
            raise InputError(
                Fault(
                    file=self._file,
                    field=tensor,
                    problem="the shape of this tensor cannot be inferred",
                    remedy="Export with static shapes (only the batch axis may be dynamic), or "
                    "give the shapes of the inputs",
                )
            )
        shape = self._known[tensor]
        if min(shape, default=0) < 0 or prod(shape) > MOST_ELEMENTS:
            raise InputError(
                Fault(
                    file=self._file,
                    field=tensor,
                    given=f"shape {list(shape)[:8]}",
                    problem="this tensor has a size that none can have",
                    remedy="Export it again, with the sizes it is used with",
                )
            )
        return shape


def infer_shapes(
    model: onnx.ModelProto, file: Path, input_shapes: Mapping[str, Shape] | None = None
) -> Shapes:
    """Infers every shape for a batch of one; shapes the file claims for its insides are not used.

    Args:
        model: The model; it is changed (the batch axis is fixed).
        file: Where it came from, for errors.
        input_shapes: By input name, without the batch axis, where the file leaves axes open.

    Raises:
        InputError: If an input has an open axis beside the batch, or shapes contradict each other.
    """
    _fix_inputs(model, file, input_shapes or {})
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        inferred = evaluated(_without_weights(model), _inferred)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        raise InputError(
            Fault(
                file=file,
                problem="its shapes contradict each other",
                given=str(error).strip().splitlines()[0],
                remedy="Export it again, with the batch axis first",
            )
        ) from error
    graph = inferred.graph
    constants = (*graph.initializer, *model.graph.initializer)
    known = {tensor.name: tuple(tensor.dims) for tensor in constants}
    types = {tensor.name: int(tensor.data_type) for tensor in constants}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        tensor_type = value.type.tensor_type
        types.setdefault(value.name, int(tensor_type.elem_type))
        if tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
            known.setdefault(value.name, tuple(dim.dim_value for dim in dims))
    return Shapes(known, file, types)


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its large constants as inputs: inference copies all that it is given."""
    light = onnx.ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    graph = light.graph
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    inputs = {value.name for value in graph.input}
    for tensor in model.graph.initializer:
        if is_argument(tensor):
            graph.initializer.append(tensor)
        elif tensor.name not in inputs:
            graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    return light


def _fix_inputs(model: onnx.ModelProto, file: Path, given: Mapping[str, Shape]) -> None:
    initializers = {tensor.name for tensor in model.graph.initializer}
    faults = []
    for value in model.graph.input:
        if value.name in initializers or not value.type.tensor_type.HasField("shape"):
            continue
        dims = value.type.tensor_type.shape.dim
        if not dims:
            continue
        if dims[0].dim_value > 1:
            faults.append(_batch_is_fixed(value.name, dims[0].dim_value, file))
            continue
        dims[0].dim_value = 1
        for axis, dim in enumerate(dims[1:]):
            size = dict(enumerate(given.get(value.name, ()))).get(axis)
            if not dim.HasField("dim_value") and size is None:
                faults.append(_axis_is_open(value.name, axis + 1, dim.dim_param, file))
            elif not dim.HasField("dim_value") and size is not None:
                dim.dim_value = size
    if faults:
        raise InputError(*faults)


def _batch_is_fixed(name: str, batch: int, file: Path) -> Fault:
    return Fault(
        file=file,
        field=name,
        given=str(batch),
        problem="the model takes a fixed batch, and cost is counted for one sample",
        remedy="Export it with a batch of 1 or a dynamic batch axis",
    )


def _axis_is_open(name: str, axis: int, symbol: str, file: Path) -> Fault:
    return Fault(
        file=file,
        field=name,
        given=symbol or "unknown",
        problem=f"axis {axis} of this input has no size",
        remedy="Export it with a fixed size, or give the shapes of the inputs",
    )
