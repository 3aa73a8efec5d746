"""Activations and normalizations that an exporter writes as several nodes, as one step each.

ONNX Runtime's own fusions (`onnxruntime/core/optimizer`: gelu_fusion, fast_gelu_fusion,
quick_gelu_fusion, layer_norm_fusion, skip_layer_norm_fusion) and, with them, the two-node form of
hard swish, which published lists have as one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.cost.steps import Flow, Step


_LONGEST_CUBIC = 5


def fuse_patterns(flow: Flow) -> None:
    """Merges every pattern into the one step that it stands for."""
    for error_function in flow.of("Erf"):
        _fuse_gelu(flow, error_function)
    for tangent in flow.of("Tanh"):
        _fuse_tanh_gelu(flow, tangent)
    for gate in flow.of("Sigmoid", "HardSigmoid"):
        _fuse_gated(flow, gate)
    for root in flow.of("Sqrt"):
        _fuse_normalization(flow, root)
    for normal in flow.of("LayerNormalization", "RMSNormalization"):
        _fuse_sum_before(flow, normal)


def _merge(flow: Flow, steps: Sequence[Step], op: str, source: str) -> None:
    if flow.maker(source, "DequantizeLinear") or any(step.precision for step in steps):
        return  # each reader has a conversion of its own, so that the runtime sees no pattern
    last = max(steps, key=lambda step: step.place)
    inputs = (source, *_weights(flow, steps))
    flow.merge(steps, replace(last, op=op, inputs=inputs, outputs=last.outputs[:1]))


def _weights(flow: Flow, steps: Sequence[Step]) -> list[str]:
    tensors = flow.tensors
    given = [name for step in steps for name in step.inputs if name and tensors.is_constant(name)]
    return [name for name in given if not tensors.is_scalar(name)]


def _scaled(flow: Flow, tensor: str) -> tuple[Step | None, str]:
    """The step that multiplies something with a constant number to this tensor, and what."""
    step = flow.maker(tensor, "Mul", "Div")
    if step is None or (step.op == "Div" and not flow.tensors.is_scalar(step.inputs[1])):
        return None, tensor
    sources = [name for name in step.inputs if not flow.tensors.is_scalar(name)]
    return (step, sources[0]) if len(sources) == 1 and len(step.inputs) == 2 else (None, tensor)


def _fuse_gelu(flow: Flow, error_function: Step) -> None:
    """From x / sqrt(2) -> Erf -> + 1 -> times x -> times 1/2, or times x/2.

    The order of x * (1/2 * (1 + erf)) is none that the runtime knows: it stays five passes.
    """
    inner, source = _scaled(flow, error_function.inputs[0])
    plus = flow.follower(error_function, "Add")
    times = flow.follower(plus, "Mul") if plus is not None else None
    if inner is None or plus is None or times is None or flow.follower(inner) is None:
        return
    steps = [inner, error_function, plus, times]
    other = flow.other(times, plus.output)
    if other == source:  # 1/2 * (x * (1 + erf))
        last = flow.follower(times, "Mul", "Div")
        if last is None or not flow.tensors.is_scalar(flow.other(last, times.output)):
            return
        steps.append(last)
    else:  # (1/2 * x) * (1 + erf)
        half, halved = _scaled(flow, other)
        if half is None or halved != source or flow.follower(half) is not times:
            return
        steps.append(half)
    _merge(flow, steps, "Gelu", source)


def _fuse_tanh_gelu(flow: Flow, tangent: Step) -> None:
    """From x -> some cubic of x -> Tanh -> + 1 -> times x/2."""
    plus = flow.follower(tangent, "Add")
    times = flow.follower(plus, "Mul") if plus is not None else None
    if plus is None or times is None:
        return
    half, source = _scaled(flow, flow.other(times, plus.output))
    if half is None or flow.follower(half) is not times:
        return
    cubic = _between(flow, source, tangent.inputs[0])
    if len(cubic) in (4, 5):  # x + a x^3 with a power, or x (1 + a x^2) with products
        _merge(flow, [*cubic, tangent, plus, half, times], "Gelu", source)


def _between(flow: Flow, source: str, result: str) -> list[Step]:
    """The sums, products and powers that lead from a tensor to another; empty if more is read."""
    steps: list[Step] = []
    open_ends = [result]
    while open_ends:
        name = open_ends.pop()
        if name == source or flow.tensors.is_scalar(name):
            continue
        maker = flow.maker(name, "Add", "Mul", "Pow")
        if maker is None or flow.follower(maker) is None or len(steps) == _LONGEST_CUBIC:
            return []
        steps.append(maker)
        open_ends += maker.inputs
    return steps


def _fuse_gated(flow: Flow, gate: Step) -> None:
    """From x -> sigmoid (of a multiple of x) -> times x: SiLU; with a hard sigmoid, hard swish."""
    times = flow.follower(gate, "Mul")
    if times is None:
        return
    gated = flow.other(times, gate.output)
    scaling, source = _scaled(flow, gate.inputs[0])
    if gated and gated == gate.inputs[0]:
        steps = [gate, times]
    elif scaling is not None and gated == source and flow.follower(scaling) is gate:
        steps = [scaling, gate, times]
    else:
        return
    _merge(flow, steps, "Silu" if gate.op == "Sigmoid" else "HardSwish", gated)


def _fuse_normalization(flow: Flow, root: Step) -> None:
    """(x - mean) / sqrt(mean((x - mean)^2) + epsilon), then scale and shift; without mean, RMS."""
    plus = flow.maker(root.inputs[0], "Add")
    spread = _varying(flow, plus)
    mean_square = flow.maker(spread, "ReduceMean") if spread else None
    square = flow.maker(mean_square.inputs[0], "Pow", "Mul") if mean_square is not None else None
    if plus is None or mean_square is None or square is None:
        return
    centred = square.inputs[0]
    if square.op == "Mul" and square.inputs[1] != centred:
        return
    steps = [square, mean_square, plus, root]
    source = centred
    minus = flow.maker(centred, "Sub")
    mean = flow.maker(minus.inputs[1], "ReduceMean") if minus is not None else None
    if minus is not None and mean is not None and mean.inputs[0] == minus.inputs[0]:
        steps += [minus, mean]
        source = minus.inputs[0]
    divided = flow.follower(root, "Div")
    if divided is None or divided.inputs[0] != centred:
        return  # a product with the reciprocal is no pattern that the runtime knows
    steps.append(divided)
    for op in ("Mul", "Add"):
        after = flow.follower(steps[-1], op)
        if after is not None and flow.tensors.is_constant(flow.other(after, steps[-1].output)):
            steps.append(after)
    op = "LayerNormalization" if source != centred else "RMSNormalization"
    _merge(flow, steps, op, source)


def _varying(flow: Flow, step: Step | None) -> str:
    """The one operand that is no constant number; the empty name if there is none."""
    names = [one for one in step.inputs if not flow.tensors.is_scalar(one)] if step else []
    return names[0] if len(names) == 1 else ""


def _fuse_sum_before(flow: Flow, normal: Step) -> None:
    """A sum that only this normalization sees is part of it."""
    total = flow.maker(normal.inputs[0], "Add")
    if total is None or flow.follower(total) is not normal or total.activated:
        return
    shapes = {flow.tensors.shape(name) for name in total.inputs}
    if len(shapes) == 1 and not any(flow.tensors.is_constant(name) for name in total.inputs):
        inputs = (*total.inputs, *normal.inputs[1:])
        merged = replace(normal, op="SkipLayerNormalization", inputs=inputs)
        flow.merge((total, normal), merged)
