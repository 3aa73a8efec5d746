"""Puts back the residual sums that published lists of YOLO networks leave out.

Those lists hold convolutions and activations, but no sum. ONNX Runtime on an Arm processor runs a
sum as an operator of its own, and the graph of a user has it; without it, one YOLO family misjudges
another by 4 % instead of 3 %. Two blocks have one (Ultralytics, `ultralytics/nn/modules/block.py`):

- the bottleneck of v3 and v5: pointwise, SiLU, 3x3, SiLU, its result as large as its input;
- the bottleneck of v8 inside a C2f block: two 3x3 with a SiLU each, all of one shape, behind a
  pointwise convolution of twice the channels, half of which the first bottleneck takes.

Both have their sum in the backbone only: the neck, which begins with the first enlargement of a
picture, is built without. The stacks of 3x3 convolutions in v6 and v7 have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.operator_kind import Kind
from edgedistill.cost.operators import Operator

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCK = 4
"""Operators of a bottleneck: two convolutions, each with its SiLU."""


def with_residual_sums(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """The operators, with a sum behind each bottleneck; unchanged where any sum is listed."""
    if any(one.kind is Kind.ELEMENTWISE for one in operators):
        return tuple(operators)
    neck = next(
        (place for place, one in enumerate(operators) if _enlarges(one)),
        len(operators),
    )
    kept: list[Operator] = []
    chained = False  # whether the last block was a bottleneck of a C2f
    place = 0
    while place < len(operators):
        block = operators[place : place + _BLOCK]
        chained = place + _BLOCK <= neck and (
            _is_bottleneck_of_8(block)
            and (chained or (place >= 2 and _opens_c2f(operators[place - 2 : place], block[0])))
        )
        if chained or (place + _BLOCK <= neck and _is_bottleneck_of_5(block)):
            kept += [*block, _sum_of(block[-1])]
            place += _BLOCK
        else:
            kept.append(operators[place])
            place += 1
    return tuple(kept)


def _enlarges(operator: Operator) -> bool:
    return operator.kind is Kind.MOVEMENT and (
        operator.output_elements == 4 * operator.input_elements
    )


def _is_bottleneck_of_5(block: Sequence[Operator]) -> bool:
    return (
        [one.kind for one in block] == [Kind.POINTWISE, Kind.SILU, Kind.CONV_3X3, Kind.SILU]
        and block[0].input_elements == block[3].output_elements
        and block[0].input_channels == block[2].output_channels
    )


def _is_bottleneck_of_8(block: Sequence[Operator]) -> bool:
    return [one.kind for one in block] == [Kind.CONV_3X3, Kind.SILU, Kind.CONV_3X3, Kind.SILU] and (
        block[0].input_elements == block[0].output_elements == block[3].output_elements
    )


def _opens_c2f(before: Sequence[Operator], first: Operator) -> bool:
    return [one.kind for one in before] == [Kind.POINTWISE, Kind.SILU] and (
        before[0].output_elements == 2 * first.input_elements
        and before[0].output_channels == 2 * first.input_channels
    )


def _sum_of(last: Operator) -> Operator:
    return Operator(
        kind=Kind.ELEMENTWISE,
        macs=0,
        weight_elements=0,
        input_elements=2 * last.output_elements,
        output_elements=last.output_elements,
    )
