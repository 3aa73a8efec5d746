"""Fusions into convolutions and matrix products, as runtimes do them on every instruction set.

ONNX Runtime's are those of its optimizers up to the extended level, and of `ConvAddActivation`,
whatever the processor; its NCHWc layout (x86 only) is left out. Sources, all in
`onnxruntime/core/optimizer`: conv_bn_fusion, conv_add_fusion, conv_mul_fusion, pad_fusion,
matmul_add_fusion, matmul_scale_fusion, matmul_transpose_fusion, conv_activation_fusion,
gemm_activation_fusion, conv_add_act_fusion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from edgedistill.cost.work import attribute
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from edgedistill.cost.steps import Flow, Step

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_POOLS = ("MaxPool", "AveragePool")
_CLIPPING = frozenset({"Relu", "LeakyRelu", "Clip"})


@dataclass(frozen=True, kw_only=True)
class Fusing:
    """What a runtime computes while a result is still in registers.

    Attributes:
        after_convolution: Activations that are part of the convolution before.
        after_product: Activations that are part of the matrix product before.
        after_sum: Whether a sum with a convolution's result takes in the activation after it.
    """

    after_convolution: frozenset[str]
    after_product: frozenset[str]
    after_sum: bool


_ONNX_RUNTIME = Fusing(
    after_convolution=_CLIPPING | {"Sigmoid", "Tanh", "HardSigmoid"},
    after_product=frozenset(
        {"Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "Elu", "Selu", "Softplus"}
        | {"Softsign", "ThresholdedRelu"}
    ),
    after_sum=True,
)
_TFLITE = Fusing(
    after_convolution=frozenset({"Relu", "Clip"}),
    after_product=frozenset({"Relu", "Clip"}),
    after_sum=True,
)
RUNTIMES = {
    "onnxruntime-cpu": _ONNX_RUNTIME,
    # ncnn/src/layer/fused_activation.h
    "ncnn": Fusing(
        after_convolution=_CLIPPING | {"Sigmoid", "Mish"},
        after_product=_CLIPPING | {"Sigmoid", "Mish"},
        after_sum=False,
    ),
    # the `fused_activation_function` of its schema
    "tflite": _TFLITE,
    "armnn": _TFLITE,
    "xnnpack": _TFLITE,
}


def fusing_of(runtime: str) -> Fusing:
    """What a runtime fuses.

    Raises:
        InputError: If nobody has said so of this runtime.
    """
    if runtime not in RUNTIMES:
        raise InputError(
            Fault(
                field="runtime",
                given=runtime,
                problem="is a runtime whose fusions are unknown",
                remedy=f"Choose one of {', '.join(RUNTIMES)}",
            )
        )
    return RUNTIMES[runtime]


def fold_constants(flow: Flow) -> None:
    """Merges padding, batch norms, constant factors and summands into the step they belong to."""
    for pad in flow.of("Pad"):
        reader = flow.follower(pad, "Conv", *_POOLS)
        if reader is not None and attribute(pad.node, "mode", b"constant") == b"constant":
            inputs = tuple(pad.inputs[0] if one == pad.output else one for one in reader.inputs)
            flow.merge((pad, reader), replace(reader, inputs=inputs))
    for convolution in flow.of(*_CONVOLUTIONS):
        if convolution.precision is None:
            _fold_what_follows(flow, convolution)
    for product in flow.of("MatMul"):
        if product.precision is None:
            _fold_product(flow, product)


def _fold_what_follows(flow: Flow, convolution: Step) -> None:
    step = convolution
    while (reader := flow.follower(step)) is not None:
        normal = reader.op == "BatchNormalization" and step.output == reader.inputs[0]
        if not normal and not (reader.op in ("Add", "Mul") and _is_by_channel(flow, step, reader)):
            return
        step = flow.merge((step, reader), replace(step, outputs=reader.outputs[:1]))


def _is_by_channel(flow: Flow, step: Step, reader: Step) -> bool:
    constant = flow.other(reader, step.output)
    if not constant or not flow.tensors.is_constant(constant) or step.op != "Conv":
        return False
    channels = flow.tensors.shape(step.output)[1]
    return flow.tensors.elements(constant) in (1, channels)


def _fold_product(flow: Flow, product: Step) -> None:
    """A matrix product with its factors, turned operands and bias.

    A bias over rows and columns of a picture of rows (rank 3) stays a pass of its own where the
    file leaves the batch open; it is then part of the normalization or activation after it in
    most networks, so that it counts as free in either case.
    """
    step = _without_factors(flow, product)
    after = flow.follower(step, "BatchNormalization", "Add")
    if after is None or not _has_constant_weight(flow, step):
        return
    columns = prod(flow.tensors.shape(step.output)[-1:])
    bias = flow.other(after, step.output)
    if after.op == "Add" and not (
        bias and flow.tensors.is_constant(bias) and flow.tensors.elements(bias) in (1, columns)
    ):
        return
    op = "Gemm" if len(flow.tensors.shape(step.output)) == 2 else "MatMul"
    flow.merge((step, after), replace(step, op=op, outputs=after.outputs[:1]))


def _without_factors(flow: Flow, product: Step) -> Step:
    step = product
    for place in (0, 1):
        name = step.inputs[place]
        maker = flow.maker(name)
        while maker is not None and _is_absorbed(flow, maker, step):
            kept = next(one for one in maker.inputs if not flow.tensors.is_constant(one))
            inputs = tuple(kept if at == place else one for at, one in enumerate(step.inputs))
            step = flow.merge((maker, step), replace(step, inputs=inputs))
            maker = flow.maker(kept)
    after = flow.follower(step, "Mul", "Div")
    turned = after is not None and after.op == "Div" and after.inputs[0] != step.output
    if after is not None and not turned and flow.tensors.is_scalar(flow.other(after, step.output)):
        step = flow.merge((step, after), replace(step, outputs=after.outputs))
    return step


def _is_absorbed(flow: Flow, maker: Step, product: Step) -> bool:
    if flow.follower(maker) is not product or product.inputs.count(maker.output) != 1:
        return False
    if maker.op == "Transpose":
        rank = len(flow.tensors.shape(maker.output))
        turned = [*range(rank - 2), rank - 1, rank - 2]
        return list(attribute(maker.node, "perm", range(rank)[::-1])) == turned
    by_scalar = maker.op == "Mul" or (maker.op == "Div" and flow.tensors.is_scalar(maker.inputs[1]))
    constants = [one for one in maker.inputs if flow.tensors.is_scalar(one)]
    return by_scalar and len(constants) == 1


def _has_constant_weight(flow: Flow, step: Step) -> bool:
    return any(flow.tensors.is_constant(name) for name in step.inputs[:2])


def fuse_activations(flow: Flow, fusing: Fusing) -> None:
    """Merges activations into the convolution, matrix product or sum before them."""
    for op, activations in (
        ("Conv", fusing.after_convolution),
        ("Gemm", fusing.after_product),
    ):
        for step in flow.of(op):
            reader = flow.follower(step, *activations)
            if reader is None or step.activated or step.precision is not None:
                continue  # int8 kernels clip to the bounds of their integers and do no more
            if _has_fixed_bounds(flow, reader):
                merged = replace(step, outputs=reader.outputs, activated=True)
                flow.merge((step, reader), merged)
    if fusing.after_sum:
        _fuse_activations_of_sums(flow, fusing)


def _fuse_activations_of_sums(flow: Flow, fusing: Fusing) -> None:
    """The activation after a sum with a convolution's result is part of that convolution.

    The sum itself stays a step, as published lists have it: ONNX Runtime copies the other summand
    to where the convolution adds its result, which is as much traffic. It asks that the convolution
    has a bias; nearly every one has, from its batch norm. An untrained network's norms shift by
    zero and exporters leave that out, so a missing bias is no reason to expect another cost.
    """
    for total in flow.of("Add"):
        reader = flow.follower(total, *fusing.after_convolution)
        if reader is None or total.precision is not None or not _has_fixed_bounds(flow, reader):
            continue
        makers = [flow.maker(name, "Conv") for name in total.inputs]
        shapes = {flow.tensors.shape(name) for name in total.inputs}
        if len(shapes) == 1 and any(
            maker is not None
            and maker.precision is None
            and not maker.activated
            and flow.follower(maker) is total
            for maker in makers
        ):
            merged = replace(total, outputs=reader.outputs, activated=True)
            flow.merge((total, reader), merged)


def _has_fixed_bounds(flow: Flow, activation: Step) -> bool:
    if activation.op != "Clip":
        return True
    return all(flow.tensors.is_constant(name) for name in activation.inputs[1:] if name)
