"""Scales that break a quantized graph, waste its levels, or drown channels in others' range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.findings import Finding, Severity
from edgedistill.diagnosis.anatomy import dequantization, option, title, titles
from edgedistill.diagnosis.judging import by_cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

    from edgedistill.diagnosis.anatomy import Anatomy, Quantizer
    from edgedistill.diagnosis.patient import Patient

_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)
_SPREAD = 100.0
"""A channel whose weights are so much smaller than the tensor's has one level of 127 on a side."""
_LEAST_USED = 0.45
"""A range that is symmetric around 0 uses half of its levels for what is never negative, and some
runtimes want that; what uses less is a mistake."""
_HEAVY = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_BOUNDS = {
    "HardSigmoid": (0.0, 1.0),
    "LogSoftmax": (-np.inf, 0.0),
    "Relu": (0.0, np.inf),
    "Sigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Softplus": (0.0, np.inf),
    "Tanh": (-1.0, 1.0),
}
"""What an operator's answers lie between, whatever it is given."""


def scale_findings(patient: Patient) -> Iterator[Finding]:
    """All findings about scales."""
    yield from _broken(patient)
    yield from _wasted(patient)
    yield from _drowned(patient)


def _broken(patient: Patient) -> Iterator[Finding]:
    broken: dict[str, list[onnx.NodeProto]] = {}
    for node in patient.main.nodes:
        if node.op_type not in ("DequantizeLinear", "QuantizeLinear") or not node.output:
            continue
        found = dequantization(patient.main, node)
        what = None if found is None else _fault_of(found.scale.astype(np.float64))
        if what is not None:
            broken.setdefault(what, []).append(node)
    for what, nodes in broken.items():
        denormal = what.startswith("so small")
        yield Finding(
            code="denormal-scale" if denormal else "broken-scale",
            severity=Severity.MEDIUM if denormal else Severity.HIGH,
            problem=f"its scale is {what}",
            remedy="Calibrate again with samples that reach this operator; a tensor that is always "
            "0 needs any positive scale",
            operators=titles(nodes),
            tensors=tuple(dict.fromkeys(node.input[1] for node in nodes)),
        )


def _fault_of(scale: np.ndarray) -> str | None:
    if not np.isfinite(scale).all():
        return "not a finite number, and every answer behind it is none either"
    if (scale <= 0).any():
        return "zero or negative, so that its integers stand for nothing"
    if (scale < _SMALLEST_NORMAL).any():
        return "so small that it is no normal float32: a processor that flushes those makes it 0"
    return None


def _wasted(patient: Patient) -> Iterator[Finding]:
    main = patient.main
    for node in main.nodes:
        if node.op_type != "QuantizeLinear" or not node.output:
            continue
        found = dequantization(main, node)
        bounds = _bounds(main, node.input[0])
        if found is None or bounds is None or found.scale.size != 1:
            continue
        used = used_fraction(found, bounds)
        if used < _LEAST_USED:
            readers = [one for tensor in node.output for one in main.readers(tensor)]
            behind = [one for reader in readers for one in main.readers(reader.output[0])]
            yield Finding(
                code="wasted-levels",
                severity=Severity.MEDIUM if used < _LEAST_USED / 2 else Severity.LOW,
                problem=f"{100 * used:.2g} % of its levels stand for values that can occur: what "
                f"it quantizes lies between {bounds[0]:g} and {bounds[1]:g}",
                remedy="Calibrate this tensor again, or set its range to what its maker can give",
                operators=(title(node),),
                tensors=(node.input[0],),
                cost=patient.cost(behind),
            )


def used_fraction(quantizer: Quantizer, bounds: tuple[float, float]) -> float:
    """Share of the levels of one scale that stand for values within bounds; 1 if it is broken."""
    scale, zero = float(quantizer.scale.ravel()[0]), float(quantizer.zero_point.ravel()[0])
    if not np.isfinite(scale) or scale <= 0 or quantizer.zero_point.dtype.kind not in "iu":
        return 1.0
    limits = np.iinfo(quantizer.zero_point.dtype)
    low, high = (limits.min - zero) * scale, (limits.max - zero) * scale
    inside = min(high, bounds[1]) - max(low, bounds[0])
    return float(np.clip(inside / (high - low), 0.0, 1.0))


def _bounds(main: Anatomy, tensor: str) -> tuple[float, float] | None:
    maker = main.maker(tensor)
    if maker is None:
        return None
    if maker.op_type == "Clip":
        limits = [main.values(name) if name else None for name in [*maker.input, "", ""][1:3]]
        named = (option(maker, "min", None), option(maker, "max", None))
        low, high = (
            float(held.ravel()[0]) if held is not None and held.size == 1 else given
            for held, given in zip(limits, named, strict=True)
        )
        low, high = (-np.inf if low is None else low), (np.inf if high is None else high)
        return (low, high) if low < high and np.isfinite([low, high]).any() else None
    return _BOUNDS.get(maker.op_type)


def _drowned(patient: Patient) -> Iterator[Finding]:
    """Channels whose weights are a hundredth of the tensor's, under one scale for all."""
    scheme = patient.runtime.int8
    for node in patient.main.nodes:
        if node.op_type not in _HEAVY or len(node.input) < 2:
            continue
        conversion = patient.main.maker(node.input[1], "DequantizeLinear")
        if conversion is not None:
            found = dequantization(patient.main, conversion)
            one_scale = found is not None and found.scale.size == 1
        else:
            one_scale = scheme is not None and not scheme.per_channel
        if not one_scale:
            continue
        values = patient.main.values(node.input[1])
        ranges = None if values is None else channel_ranges(node, values)
        if ranges is None or len(ranges) < 2:
            continue
        alive = ranges[ranges > 0]
        drowned = int((alive < ranges.max() / _SPREAD).sum())
        rounded = int((ranges == 0).sum()) if conversion is not None else 0
        if drowned and np.isfinite(ranges).all():
            spread = float(ranges.max() / alive.min())
            also = f"; {rounded} more are all zero" if rounded else ""
            cost = patient.cost([node])
            yield Finding(
                code="outlier-channels",
                severity=by_cost(cost, medium=0.01),
                problem=f"one scale for all channels, whose ranges differ by a factor of "
                f"{spread:.3g}: {drowned} of {len(ranges)} keep one level or none{also}",
                remedy="Quantize its weights per channel, or equalize its channels with those of "
                "the layer before (cross-layer equalization) first",
                operators=(title(node),),
                tensors=(node.input[1],),
                cost=cost,
            )


def channel_ranges(node: onnx.NodeProto, values: np.ndarray) -> np.ndarray | None:
    """Largest absolute weight of each output channel, [channels]; None without channels."""
    if values.ndim < 2 or not values.size or values.dtype.kind not in "fiu":
        return None
    axis = 0
    if node.op_type == "ConvTranspose":
        axis = 1
    elif node.op_type == "MatMul" or (node.op_type == "Gemm" and not option(node, "transB", 0)):
        axis = values.ndim - 1
    flat = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    ranges: np.ndarray = np.abs(flat.astype(np.float64)).max(axis=1)
    return ranges
