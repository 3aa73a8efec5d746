"""What a graph holds in memory while it runs: weights, and activations at the worst moment.

Counted in the graph, in the order and by the rules of ONNX Runtime (`edgedistill.cost.execution`,
`edgedistill.cost.liveness`). With the runtime's arena switched off, processes of this project's
benchmark hold this many bytes of activations within a few percent (`benchmarks/cost_memory.py`):
all processors but x86, which has a layout of its own for convolutions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import onnx

from edgedistill.core.operator_kind import Kind
from edgedistill.cost.execution import SUM_IN_CONVOLUTION, execution_order, fuse_sums
from edgedistill.cost.graph_operators import fused_flow
from edgedistill.cost.liveness import Layout, Moment, Sharing, peak
from edgedistill.cost.model_file import load_model
from edgedistill.cost.step_kinds import KINDS
from edgedistill.cost.work import attribute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgedistill.cost.shapes import Shape
    from edgedistill.cost.steps import Step, Tensors

_VIEWS = frozenset({"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
_IN_PLACE = frozenset(
    {
        "Cast",
        "Celu",
        "Clip",
        "Elu",
        "HardSigmoid",
        "LeakyRelu",
        "Relu",
        "Selu",
        "Sigmoid",
        "Softmax",
        "Softplus",
        "Softsign",
        "Tanh",
        "ThresholdedRelu",
    }
)
"""Operators whose CPU kernel may write over its input; sums and products are not among them. Found
by running each operator of ONNX Runtime 1.31.1 alone between two large tensors."""
_QUANTIZED = frozenset({onnx.TensorProto.INT8, onnx.TensorProto.UINT8, onnx.TensorProto.INT32})
_WRITTEN_OUT = frozenset({"HardSwish", "Mish"})
"""Operators that the CPU has no kernel for: computed as a function and a product with the input."""

_LEAST_CHANNELS, _LEAST_FILTERS = 4, 16
"""Of an int8 convolution that MLAS computes with its symmetric kernel."""
GEMM_PANEL_BYTES = 4 * 128 * 128
"""Columns of a convolution's picture that one thread holds at once (MLAS, `convolve.cpp`)."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Bytes of the constant tensors that operators read, as the file stores them.

    Attributes:
        convolution_bytes: Floats that convolutions read.
        matrix_bytes: Floats that matrix products read.
        quantized_bytes: Integers of one byte, and of four (biases between them).
        other_bytes: All else, for instance tables of words.
    """

    convolution_bytes: int
    matrix_bytes: int
    quantized_bytes: int
    other_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of them."""
        return self.convolution_bytes + self.matrix_bytes + self.quantized_bytes + self.other_bytes


@dataclass(frozen=True, kw_only=True)
class GraphMemory:
    """What a graph holds in memory while it runs for one sample.

    Attributes:
        weights: Its constant tensors.
        activations_peak_bytes: Bytes of all tensors and scratch buffers that exist at the worst
            moment, inputs and outputs of the graph among them, weights not.
        peak_at: Name of the operator that runs at the worst moment.
        nodes: Nodes in the file.
    """

    weights: Weights
    activations_peak_bytes: int
    peak_at: str
    nodes: int


def count_memory(model: Path, *, input_shapes: Mapping[str, Shape] | None = None) -> GraphMemory:
    """Counts what an ONNX file holds in memory for one sample on one thread.

    Args:
        model: The file.
        input_shapes: By input name, without the batch axis, for inputs whose axes the file
            leaves open.

    Raises:
        InputError: If it is not a sound ONNX file, or a shape cannot be inferred.
    """
    loaded = load_model(model)
    flow = fused_flow(loaded, model, input_shapes)
    fuse_sums(flow)
    steps = execution_order(flow)
    initializers = {tensor.name for tensor in loaded.graph.initializer}
    inputs = [value.name for value in loaded.graph.input if value.name not in initializers]
    worst = peak(
        [_moment(step, flow.tensors) for step in steps],
        _layouts(inputs, steps, flow.tensors),
        inputs=inputs,
        outputs=[value.name for value in loaded.graph.output],
    )
    return GraphMemory(
        weights=_weights(loaded.graph),
        activations_peak_bytes=worst.size_bytes,
        peak_at=worst.operator,
        nodes=len(loaded.graph.node),
    )


def element_bytes(element: int) -> int:
    """Bytes of one of ONNX's data types; a packed half byte counts as a whole, unknown as float.

    >>> element_bytes(onnx.TensorProto.FLOAT), element_bytes(onnx.TensorProto.INT4)
    (4, 1)
    """
    if element == onnx.TensorProto.UNDEFINED:
        return 4
    return int(onnx.helper.tensor_dtype_to_np_dtype(element).itemsize)


def _weights(graph: onnx.GraphProto) -> Weights:
    """The constant tensors, each with the first operator that reads it."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            value = attribute(node, "value", None)
            if value is not None:
                tensors[node.output[0]] = value
    sums: Counter[str] = Counter()
    for node in graph.node:
        for name in node.input:
            tensor = tensors.pop(name, None)
            if tensor is not None:
                size_bytes = prod(tensor.dims) * element_bytes(tensor.data_type)
                sums[_weight_kind(tensor, node)] += size_bytes
    return Weights(
        convolution_bytes=sums["convolution"],
        matrix_bytes=sums["matrix"],
        quantized_bytes=sums["quantized"],
        other_bytes=sums["other"],
    )


def _weight_kind(tensor: onnx.TensorProto, reader: onnx.NodeProto) -> str:
    if tensor.data_type in _QUANTIZED:
        return "quantized"
    if reader.op_type in ("Conv", "ConvTranspose"):
        return "convolution"
    return "matrix" if reader.op_type in ("Gemm", "MatMul") else "other"


def _layouts(inputs: Sequence[str], steps: Sequence[Step], tensors: Tensors) -> dict[str, Layout]:
    """Of every tensor; nothing where its size depends on the picture (boxes that are found)."""
    layouts = {name: _layout(name, tensors) for name in inputs}
    open_ended: set[str] = set()
    for step in steps:
        for name in step.outputs:
            post = KINDS.get(step.op) is Kind.POSTPROCESSING
            if name not in tensors.shapes and (post or open_ended.intersection(step.inputs)):
                open_ended.add(name)
                layouts[name] = Layout((0,), 1)
            elif name:
                layouts[name] = _layout(name, tensors)
    return layouts


def _layout(name: str, tensors: Tensors) -> Layout:
    return Layout(tensors.shape(name), element_bytes(tensors.shapes.element_type(name)))


def _moment(step: Step, tensors: Tensors) -> Moment:
    sharing: Sharing = "none"
    if step.op in _VIEWS:
        sharing = "view"
    elif step.op == SUM_IN_CONVOLUTION or (step.op in _IN_PLACE and step.precision is None):
        sharing = "in-place"
    writes = [name for name in step.outputs if name]
    return Moment(
        name=step.node.name or step.node.output[0],
        reads=tuple(name for name in step.inputs if name and not tensors.is_constant(name)),
        # a Dropout that is no longer trained writes no mask
        writes=tuple(writes[:1] if step.op == "Dropout" else writes),
        sharing=sharing,
        scratch_bytes=_scratch_bytes(step, tensors),
    )


def _scratch_bytes(step: Step, tensors: Tensors) -> int:
    """Memory of a step's own, as far as it can be said without knowing the processor.

    Sources: ONNX Runtime, `core/mlas/lib/convolve.cpp` (MlasConvPrepare: the whole column matrix
    where there are more filters than pixels, else a panel a thread), `core/mlas/lib/convsym.cpp`
    and `core/providers/cpu/quantization/qlinearconv.cc` (QLinearConv::Compute: a pointer for each
    pixel under the kernel where the symmetric kernel takes the convolution, else sums in int32 and
    the column matrix in int8).
    """
    if step.op in _WRITTEN_OUT:
        return _layout(step.output, tensors).size_bytes
    if step.node.op_type != "Conv":
        return 0
    node = step.node
    filters, inner, *kernel = tensors.shape(node.input[1])
    pixels = prod(tensors.shape(node.output[0])[2:])
    strides, pads = attribute(node, "strides", [1]), attribute(node, "pads", [0])
    pointwise = prod(kernel) == 1 and all(one == 1 for one in strides) and not any(pads)
    groups = attribute(node, "group", 1)
    if step.precision == "int8":
        columns = 0 if pointwise else inner * prod(kernel) * pixels
        if inner * groups >= _LEAST_CHANNELS and filters >= _LEAST_FILTERS:
            return 0 if pointwise else 8 * prod(kernel) * pixels
        return columns + 4 * filters * pixels
    if pointwise:
        return 0
    many = filters // groups > pixels
    return 4 * inner * prod(kernel) * pixels if many else GEMM_PANEL_BYTES
