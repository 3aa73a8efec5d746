from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.operator_kind import Kind
from edgedistill.cost.operators import Operator
from edgedistill.cost.residual_sums import with_residual_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

PIXELS = 100


def layer(kind: Kind, inputs: int, outputs: int) -> list[Operator]:
    """A convolution on a picture of 100 pixels, and its SiLU."""
    kernel = 3 if kind is Kind.CONV_3X3 else 1
    convolution = Operator(
        kind=kind, macs=PIXELS * inputs * outputs * kernel**2,
        weight_elements=inputs * outputs * kernel**2, input_elements=PIXELS * inputs,
        output_elements=PIXELS * outputs, kernel=kernel, input_channels=inputs,
        output_channels=outputs,
    )  # fmt: skip
    return [convolution, elementwise(Kind.SILU, PIXELS * outputs)]


def elementwise(kind: Kind, read: int, written: int | None = None) -> Operator:
    return Operator(
        kind=kind, macs=0, weight_elements=0, input_elements=read, output_elements=written or read
    )  # fmt: skip


def sums(operators: Sequence[Operator]) -> list[int]:
    """Places of the sums in the list with residual sums."""
    return [
        place
        for place, one in enumerate(with_residual_sums(operators))
        if one.kind is Kind.ELEMENTWISE
    ]


POINTWISE, DENSE = Kind.POINTWISE, Kind.CONV_3X3
BOTTLENECK_OF_5 = [*layer(POINTWISE, 16, 8), *layer(DENSE, 8, 16)]
BOTTLENECK_OF_8 = [*layer(DENSE, 16, 16), *layer(DENSE, 16, 16)]


def test_each_bottleneck_of_version_five_gets_a_sum_behind_it() -> None:
    assert sums(BOTTLENECK_OF_5 * 2) == [4, 9]


def test_a_sum_reads_two_pictures_and_writes_one() -> None:
    added = with_residual_sums(BOTTLENECK_OF_5)[4]
    assert (added.input_elements, added.output_elements) == (2 * 1600, 1600)


def test_a_block_that_changes_the_shape_has_no_sum() -> None:
    assert sums([*layer(POINTWISE, 16, 8), *layer(DENSE, 8, 32)]) == []


def test_bottlenecks_of_version_eight_follow_a_pointwise_convolution_of_twice_the_channels() -> (
    None
):
    assert sums([*layer(POINTWISE, 64, 32), *BOTTLENECK_OF_8 * 2]) == [6, 11]


def test_stacked_convolutions_of_version_seven_have_no_sum() -> None:
    assert sums([*layer(POINTWISE, 64, 16), *BOTTLENECK_OF_8 * 2]) == []


def test_the_neck_behind_the_first_enlargement_has_no_sum() -> None:
    enlargement = elementwise(Kind.MOVEMENT, 1600, 6400)
    neck = [*layer(POINTWISE, 64, 32), *BOTTLENECK_OF_8, *BOTTLENECK_OF_5]
    assert sums([*BOTTLENECK_OF_5, enlargement, *neck]) == [4]


def test_a_list_with_any_sum_stays_as_it_is() -> None:
    listed = [*BOTTLENECK_OF_5, elementwise(Kind.ELEMENTWISE, 3200, 1600), *BOTTLENECK_OF_5]
    assert with_residual_sums(listed) == tuple(listed)
