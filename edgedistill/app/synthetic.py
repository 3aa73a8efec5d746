"""Random inputs in the shapes that an ONNX file asks for, where no data is given."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx

from edgedistill.cost.model_file import load_model
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path


_MOST_VALUES = 2**28
"""Of all samples of one input: 2 GB while they are drawn."""
_DRAWN = frozenset(onnx.TensorProto.DataType.values()) - {
    onnx.TensorProto.COMPLEX64,
    onnx.TensorProto.COMPLEX128,
    onnx.TensorProto.STRING,
    onnx.TensorProto.UNDEFINED,
}


def synthetic_inputs(model: Path, *, samples: int, seed: int) -> dict[str, np.ndarray]:
    """Random inputs by name, [samples, ...]: normal values, or whole numbers 0 and 1.

    Args:
        model: The ONNX file; its first axis is the batch.
        samples: How many samples.
        seed: Of the values.

    Raises:
        InputError: If the file cannot be read, or an axis other than the batch is open.
    """
    graph = load_model(model).graph
    weights = {tensor.name for tensor in graph.initializer}
    generator = np.random.default_rng(seed)
    faults: list[Fault] = []
    inputs: dict[str, np.ndarray] = {}
    for entry in graph.input:
        if entry.name in weights:
            continue
        kind = entry.type.tensor_type
        axes = [axis.dim_value for axis in kind.shape.dim][1:]
        if prod(axes) * samples > _MOST_VALUES or kind.elem_type not in _DRAWN:
            faults.append(
                Fault(
                    file=model,
                    field=entry.name,
                    given=f"shape {axes}, type {kind.elem_type}",
                    problem="takes values that cannot be drawn here",
                    remedy="Give real inputs with --recipe",
                )
            )
            continue
        if not all(axes):
            faults.append(
                Fault(
                    file=model,
                    field=entry.name,
                    problem="has an open axis beside the batch",
                    remedy="Give real inputs with --recipe",
                )
            )
            continue
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        shape = (samples, *axes)
        if np.issubdtype(dtype, np.floating):
            inputs[entry.name] = generator.standard_normal(shape).astype(dtype)
        else:
            inputs[entry.name] = generator.integers(0, 2, shape).astype(dtype)
    if faults:
        raise InputError(*faults)
    return inputs
