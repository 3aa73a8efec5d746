"""The operators of a network, however it is given: a file, operators, rows of a published list."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgedistill.cost import published
from edgedistill.cost.fusions import RUNTIMES
from edgedistill.cost.graph_operators import operators_of, precision_of
from edgedistill.cost.operators import Operator
from edgedistill.cost.roofline import COUNTED
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from edgedistill.core.profile import Precision

Source = str | Path | Sequence[Operator] | Sequence[Mapping[str, Any]]
"""An ONNX file, one network of a JSON file of operator lists (`FILE.json#NETWORK`), operators, or
rows of such a list."""

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
    listed = listed_network(source)
    if listed is not None:
        found = _of_list(*listed)
    elif isinstance(source, str | Path):
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


def listed_network(source: Any) -> tuple[Path, str] | None:
    """File and network of a source that names one of several lists; None of any other.

    >>> listed_network("lists.json#resnet18")
    (PosixPath('lists.json'), 'resnet18')
    >>> listed_network("resnet18.onnx")
    """
    if not isinstance(source, str | Path):
        return None
    file, mark, network = str(source).rpartition("#")
    return (Path(file), network) if mark and file.endswith(".json") else None


def read_operator_lists(file: str | Path) -> dict[str, tuple[Operator, ...]]:
    """All operator lists of a JSON file, by the network's name.

    Args:
        file: JSON: under each network's name a list of rows, each with the keys of
            `edgedistill.cost.published.PublishedOperator`.

    Raises:
        InputError: With one fault for each row that cannot be read.
    """
    path = Path(file)
    if not path.is_file():
        raise InputError(
            Fault(file=path, problem="is not a file", remedy="Give a JSON file of operator lists")
        )
    return published.read_operator_lists(path)


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


def _of_list(file: Path, network: str) -> tuple[Operator, ...]:
    stamp = file.stat().st_mtime_ns if file.is_file() else 0
    lists = _lists(file, stamp)
    if network not in lists:
        close = difflib.get_close_matches(network, lists, n=3)
        raise InputError(
            Fault(
                file=file,
                given=repr(network),
                problem="is not a network of these operator lists",
                remedy=f"Did you mean {' or '.join(close)}?" if close else "Look at its keys",
            )
        )
    return lists[network]


@functools.lru_cache(maxsize=4)
def _lists(file: Path, stamp: int) -> dict[str, tuple[Operator, ...]]:
    """The lists of a file as it was at a time; a table of many networks is read once."""
    return read_operator_lists(file)


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
    return published.operators_of_rows(source, network=network, file="source")


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
