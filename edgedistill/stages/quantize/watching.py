"""What every activation around the operators to quantize is, sample by sample.

One session gives the watched tensors as outputs. Their extremes are then taken by numpy: reductions
inside the graph, as onnxruntime's min-max calibrator has them, took 4 to 21 % longer on each of
five networks, and need not pass NaN on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer

from edgedistill.errors import Fault, InputError
from edgedistill.stages.quantize.session import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import onnxruntime

_DTYPES: dict[int, np.dtype[Any]] = {
    onnx.TensorProto.FLOAT: np.dtype("f4"),
    onnx.TensorProto.FLOAT16: np.dtype("f2"),
}


@dataclass(frozen=True)
class Activation:
    """A tensor on one sample; its values are good until the next sample is run.

    Attributes:
        name: The tensor's.
        values: float32 or float16, of the tensor's shape, not empty.
        low: The least value.
        high: The greatest value.
    """

    name: str
    values: np.ndarray
    low: float
    high: float


@dataclass(frozen=True)
class Watch:
    """A model whose watched tensors can be seen.

    Attributes:
        model: The name of the model's file, for errors.
        session: Gives the tensors that are not the model's own inputs.
        dtypes: By tensor, in the order of the graph.
    """

    model: str
    session: onnxruntime.InferenceSession
    dtypes: Mapping[str, np.dtype[Any]]

    def run(self, sample: Mapping[str, np.ndarray], index: int) -> Iterator[Activation]:
        """Runs a sample.

        Args:
            sample: By input name.
            index: Which one it is, for errors.

        Yields:
            Each watched tensor that is not empty, in the order of the graph.

        Raises:
            InputError: If an activation is not finite.
        """
        outputs = [name for name in self.dtypes if name not in sample]
        # asked for nothing, the runtime would give everything
        made = self.session.run(outputs, sample) if outputs else []
        seen = dict(sample) | dict(zip(outputs, made, strict=True))
        for name in self.dtypes:
            values = seen[name]
            if values.size == 0:
                continue
            low, high = float(values.min()), float(values.max())  # NaN is in both
            if not (np.isfinite(low) and np.isfinite(high)):
                raise InputError(_not_finite(self.model, name, index))
            yield Activation(name, values, low, high)


def watch(model: Path, operators: Sequence[str], threads: int) -> Watch:
    """Makes the tensors that go into and come out of some operators visible.

    They are those that onnxruntime's calibrators watch: of a float type and not constant.

    Args:
        model: The float model.
        operators: Operator types.
        threads: Threads of a run.
    """
    # with the runtime's own shape inference, as the quantizer reads the model afterwards
    proto = load_model_with_shape_infer(model)
    dtypes = _tensors_around(proto.graph, frozenset(operators))
    shown = {value.name for value in chain(proto.graph.input, proto.graph.output)}
    proto.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(dtype), None)
        for name, dtype in dtypes.items()
        if name not in shown
    )
    # as the graph stands: what an optimizer rounds differently would not be the library's ranges
    session = open_session(model, threads, content=proto.SerializeToString(), optimize=False)
    return Watch(model.name, session, dtypes)


def _tensors_around(graph: onnx.GraphProto, operators: frozenset[str]) -> dict[str, np.dtype[Any]]:
    constants = {tensor.name for tensor in graph.initializer}
    types: dict[str, np.dtype[Any]] = {
        value.name: _DTYPES[value.type.tensor_type.elem_type]
        for value in chain(graph.value_info, graph.output, graph.input)
        if value.type.tensor_type.elem_type in _DTYPES and value.name not in constants
    }
    around: dict[str, np.dtype[Any]] = {}
    for node in graph.node:
        if node.op_type in operators:
            for name in chain(node.input, node.output):
                if name in types:
                    around[name] = types[name]
    return around


def _not_finite(model: str, name: str, index: int) -> Fault:
    return Fault(
        file=model,
        field=name,
        given=f"calibration sample {index}",
        problem="this activation becomes NaN or infinity",
        remedy="The float model itself is broken: train or export it again. If it is right on "
        "other samples, look at this one",
    )
