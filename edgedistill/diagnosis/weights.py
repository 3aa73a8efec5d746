"""Weights that are no numbers, and filters that are nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.findings import Finding, Severity
from edgedistill.cost.heavy_operators import FLOAT_OPERATORS
from edgedistill.diagnosis.anatomy import titles
from edgedistill.diagnosis.scales import channel_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

    from edgedistill.diagnosis.patient import Patient

_MANY = 0.25
"""Share of dead filters from which on it is worth pruning at once."""


def weight_findings(patient: Patient) -> Iterator[Finding]:
    """All findings about the values of weights."""
    yield from _not_finite(patient)
    yield from _dead_filters(patient)


def _not_finite(patient: Patient) -> Iterator[Finding]:
    """NaN anywhere; infinity where it is multiplied, since masks may hold it."""
    main = patient.main
    heavy = {name for node in main.nodes if node.op_type in FLOAT_OPERATORS for name in node.input}
    nan, infinite = [], []
    for anatomy in patient.all_graphs:
        for name in anatomy.constants:
            values = anatomy.values(name)
            if values is None or values.dtype.kind != "f":
                continue
            if np.isnan(values).any():
                nan.append(name)
            elif name in heavy and np.isinf(values).any():
                infinite.append(name)
    for code, names, what in (
        ("nan-weights", nan, "NaN"),
        ("infinite-weights", infinite, "infinity"),
    ):
        if names:
            readers = [node for name in names for node in main.readers(name)]
            yield Finding(
                code=code,
                severity=Severity.HIGH,
                problem=f"weights that hold {what}: answers are not numbers",
                remedy="Train or export the model again from finite weights",
                operators=titles(readers),
                tensors=tuple(names),
            )


def _dead_filters(patient: Patient) -> Iterator[Finding]:
    found: list[onnx.NodeProto] = []
    parts: dict[str, float] = {}
    dead = total = 0
    for node in patient.main.nodes:
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul") or len(node.input) < 2:
            continue
        values = patient.main.values(node.input[1])
        ranges = None if values is None else channel_ranges(node, values)
        if ranges is None:
            continue
        total += len(ranges)
        zeros = int((ranges == 0).sum())
        if zeros:
            found.append(node)
            parts[node.output[0]] = zeros / len(ranges)
            dead += zeros
    if found:
        yield Finding(
            code="dead-filters",
            severity=Severity.MEDIUM if dead >= _MANY * total else Severity.LOW,
            problem=f"{dead} of {total} filters are all zero: they cost as much as others and give "
            "a constant",
            remedy="Prune them away",
            operators=titles(found),
            cost=patient.cost(found, parts),
        )
