"""The operators of a network, however it is given: a file, operators, rows of a published list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgedistill.cost.fusions import RUNTIMES
from edgedistill.cost.graph_operators import operators_of, precision_of
from edgedistill.cost.operators import Operator
from edgedistill.cost.published import operators_of_rows
from edgedistill.cost.roofline import COUNTED
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from edgedistill.core.profile import Precision

Source = str | Path | Sequence[Operator] | Sequence[Mapping[str, Any]]
"""An ONNX file, operators, or rows of a published operator list."""

_USUAL = "onnxruntime-cpu"


def network_operators(
    source: Any,
    *,
    engine: str | None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    network: str | None = None,
) -> tuple[Operator, ...]:
    """The operators of a network for one sample, in the order of execution.

    Args:
        source: A `Source`.
        engine: Whose fusions are applied to a file; those of ONNX Runtime where nobody knows them.
        input_shapes: Of a file: by input name, without the batch axis.
        network: The network's name, for rows whose kind it tells.

    Raises:
        InputError: If it is none of these, cannot be read, or nothing in it takes time.
    """
    if isinstance(source, str | Path):
        runtime = engine if engine in RUNTIMES else _USUAL
        found = tuple(operators_of(Path(source), input_shapes=input_shapes, runtime=runtime))
    elif isinstance(source, Sequence) and all(isinstance(one, Operator) for one in source):
        found = tuple(one for one in source if isinstance(one, Operator))
    else:
        found = _of_rows(source, network or "")
    if not any(one.kind in COUNTED for one in found):
        raise InputError(
            Fault(
                file=source if isinstance(source, str | Path) else None,
                field=None if isinstance(source, str | Path) else "source",
                problem="has no operator that takes time",
                remedy="Give a network that computes something",
            )
        )
    _require_sizes(found)
    return found


def computing_in(operators: Sequence[Operator], precision: Precision) -> tuple[Operator, ...]:
    """The network as it would be in a precision.

    A float network is converted as a whole. In one that is in that precision already, or quantized,
    each operator keeps what it has.

    Args:
        operators: The network.
        precision: What it is to compute with.

    Raises:
        InputError: If float is asked of a quantized network.
    """
    if precision_of(operators) == precision:
        return tuple(operators)
    if all(one.precision != "int8" for one in operators):
        return tuple(
            one if one.precision is None else replace(one, precision=None) for one in operators
        )
    if precision != "int8":
        raise InputError(
            Fault(
                field="precision",
                given=repr(precision),
                problem="is asked of a network that is quantized to int8",
                remedy="Give the float network, or ask for int8",
            )
        )
    return tuple(operators)


def _of_rows(source: Any, network: str) -> tuple[Operator, ...]:
    if not isinstance(source, Sequence) or not all(isinstance(row, Mapping) for row in source):
        raise InputError(
            Fault(
                field="source",
                given=type(source).__name__,
                problem="is not a network",
                remedy="Give the path of an ONNX file, operators, or rows of an operator list",
            )
        )
    return operators_of_rows(source, network=network, file="source")


def _require_sizes(operators: Sequence[Operator]) -> None:
    faults = [
        Fault(
            field=f"source[{place}]",
            given=repr(one),
            problem="has a negative size",
            remedy="Give sizes of 0 or more",
        )
        for place, one in enumerate(operators)
        if min(one.macs, one.weight_elements, one.input_elements, one.output_elements) < 0
        or min(one.input_channels, one.output_channels) < 0
    ]
    if faults:
        raise InputError(*faults)
