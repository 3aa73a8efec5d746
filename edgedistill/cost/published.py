"""Published operator lists (JSON: network name to its operators) as tuples of `Operator`.

A list that holds no sum at all gets its residual sums back (`residual_sums.py`), so that it and the
graph of the same network in a file cost the same.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pydantic import RootModel

from edgedistill.core.operator_kind import Kind
from edgedistill.core.strict import Strict
from edgedistill.cost.operators import Operator
from edgedistill.cost.residual_sums import with_residual_sums
from edgedistill.cost.spelled_out import spelled_out
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class PublishedOperator(Strict):
    """One operator as the tables write it."""

    type: str
    """The operator in the words of its source: `Convolution`, `Swish`, `add`."""
    name: str
    """Its name in the network; may be empty."""
    cls: str
    """The class given by the table: `pw`, `dw3_s1`, `conv3_s2`, `gconv3`, `fc`, `gemm`, `mem`."""
    macs: int
    """Multiply-accumulates."""
    w: int
    """Elements of the weight."""
    i: int
    """Elements read."""
    o: int
    """Elements written."""
    k: int
    """Kernel; 0 where there is none."""
    s: int
    """Stride; 0 where there is none."""
    cin: int
    """Channels in; 0 where there are none."""
    cout: int
    """Channels out; 0 where there are none."""
    oh: int
    """Height of the output."""
    ow: int
    """Width of the output."""


class _Document(RootModel[dict[str, tuple[dict[str, object], ...]]]):
    """A whole file, its operators not yet checked."""


def read_operator_lists(file: Path) -> dict[str, tuple[Operator, ...]]:
    """All operator lists of a file.

    Raises:
        InputError: With one fault for each operator that cannot be read.
    """
    try:
        document = _Document.model_validate(json.loads(file.read_text(encoding="utf-8"))).root
    except ValueError as error:
        raise InputError(
            Fault(
                file=file,
                problem="is not a table of operator lists",
                remedy="Give JSON with a list of operators under each network's name",
            )
        ) from error
    lists: dict[str, tuple[Operator, ...]] = {}
    faults: list[Fault] = []
    for network, rows in document.items():
        try:
            lists[network] = operators_of_rows(rows, network=network, file=file, prefix=network)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(*faults)
    return lists


def operators_of_rows(
    rows: Sequence[Mapping[str, object]],
    *,
    network: str,
    file: str | Path,
    prefix: str = "",
) -> tuple[Operator, ...]:
    """The operators of one network, its residual sums put back.

    Args:
        rows: With the keys of `PublishedOperator`.
        network: Whose they are: `act` names no function, and the network tells which it was.
        file: Where they came from, for the error.
        prefix: What stands before a row's place in a fault.

    Raises:
        InputError: With one fault for each operator that cannot be read.
    """
    operators: list[Operator] = []
    faults: list[Fault] = []
    for place, row in enumerate(rows):
        where = f"{prefix}[{place}]"
        try:
            one = operator(PublishedOperator.read(row, file=file), network=network)
            operators += spelled_out(one, network) if row["type"] == "act" else [one]
        except InputError as error:
            faults += [
                Fault(
                    file=file,
                    field=f"{where}.{fault.field}" if fault.field else where,
                    given=fault.given,
                    problem=fault.problem,
                    remedy=fault.remedy,
                )
                for fault in error.faults
            ]
    if faults:
        raise InputError(*faults)
    return with_residual_sums(operators)


def operator(row: PublishedOperator, *, network: str) -> Operator:
    """A row of a table as an operator.

    Args:
        row: The row.
        network: Whose it is: `act` names no function, and the network tells which it was.

    Raises:
        InputError: If class and type are both unknown.
    """
    kind = _kind(row, network)
    if kind is None:
        raise InputError(
            Fault(
                field="cls",
                given=f"{row.cls}, type {row.type}",
                problem="is an operator nobody has classified",
                remedy="Add it to edgedistill/cost/published.py",
            )
        )
    return Operator(
        kind=kind,
        macs=row.macs,
        weight_elements=row.w,
        input_elements=row.i,
        output_elements=row.o,
        kernel=max(row.k, 1),
        stride=max(row.s, 1),
        input_channels=row.cin,
        output_channels=row.cout,
    )


_BY_CLASS = {
    "pw": Kind.POINTWISE,
    "fc": Kind.MATMUL,
    "gemm": Kind.MATMUL,
    "conv3_s1": Kind.CONV_3X3,
    "post": Kind.POSTPROCESSING,
}
_BY_PATTERN = (
    (re.compile(r"dw\d+_s\d+"), Kind.DEPTHWISE),
    (re.compile(r"gconv\d+"), Kind.GROUPED),
    (re.compile(r"conv\d+_s\d+"), Kind.CONV_OTHER),
)
_BY_TYPE = {
    "add": Kind.ELEMENTWISE,
    "mul": Kind.ELEMENTWISE,
    "BinaryOp": Kind.ELEMENTWISE,
    "Eltwise": Kind.ELEMENTWISE,
    "Reduction": Kind.POOLING,
    "gap": Kind.POOLING,
    "pool": Kind.POOLING,
    "Pooling": Kind.POOLING,
    "mem": Kind.MOVEMENT,
    "Concat": Kind.MOVEMENT,
    "Crop": Kind.MOVEMENT,
    "Interp": Kind.MOVEMENT,
    "Padding": Kind.MOVEMENT,
    "Permute": Kind.MOVEMENT,
    "ShuffleChannel": Kind.MOVEMENT,
    "Slice": Kind.MOVEMENT,
    "Flatten": Kind.FREE,
    "Reshape": Kind.FREE,
    "PriorBox": Kind.POSTPROCESSING,
    "softmax": Kind.SOFTMAX,
    "Softmax": Kind.SOFTMAX,
    "ReLU": Kind.RELU,
    "Swish": Kind.SILU,
    "Sigmoid": Kind.SIGMOID,
    "HardSwish": Kind.HARD_SWISH,
    "HardSigmoid": Kind.HARD_SWISH,
    "GELU": Kind.GELU,
    "BatchNorm": Kind.ELEMENTWISE,
    "LayerNorm": Kind.NORMALIZATION,
    "LRN": Kind.NORMALIZATION,
}


def _kind(row: PublishedOperator, network: str) -> Kind | None:
    if row.type == "MultiHeadAttention":
        return Kind.ATTENTION
    if row.cls in _BY_CLASS:
        return _BY_CLASS[row.cls]
    for pattern, kind in _BY_PATTERN:
        if pattern.fullmatch(row.cls):
            return kind
    if row.type == "act":
        # only MobileNet v3 has activations of its own here that are not a fused ReLU
        full = re.match("mobilenet[-_]?v3", network) and "minimalistic" not in network
        return Kind.HARD_SWISH if full else Kind.RELU
    return _BY_TYPE.get(row.type)
