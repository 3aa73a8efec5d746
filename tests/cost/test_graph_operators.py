from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import onnx
import pytest
from cost.networks import mobilenet_v2, resnet18, vgg16

from edgedistill.core.operator_kind import Kind
from edgedistill.cost import count, operators_of, precision_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from edgedistill.cost.operators import Operator

# by kind: operators, MACs, elements of weights, read, written
Totals = dict[Kind, tuple[int, int, int, int, int]]

# The tables of operators that this project's fits were made with, which follow
# torchvision's and Keras' definitions (He 2015, Sandler 2018, Simonyan 2014).
RESNET_18: Totals = {
    Kind.CONV_OTHER: (4, 291_422_208, 1_557_696, 501_760, 978_432),
    Kind.POOLING: (2, 0, 0, 827_904, 201_216),
    Kind.CONV_3X3: (13, 1_502_871_552, 9_437_184, 1_329_664, 1_329_664),
    Kind.ELEMENTWISE: (8, 0, 0, 1_505_280, 752_640),
    Kind.POINTWISE: (3, 19_267_584, 172_032, 351_232, 175_616),
    Kind.MATMUL: (1, 512_000, 512_000, 512, 1_000),
    Kind.SOFTMAX: (1, 0, 0, 1_000, 1_000),
}
MOBILENET_V2: Totals = {
    Kind.CONV_OTHER: (1, 10_838_016, 864, 150_528, 401_408),
    Kind.DEPTHWISE: (17, 20_716_416, 64_224, 3_741_248, 2_301_824),
    Kind.POINTWISE: (34, 267_939_840, 2_124_672, 2_874_144, 3_974_880),
    Kind.ELEMENTWISE: (10, 0, 0, 432_768, 216_384),
    Kind.POOLING: (1, 0, 0, 62_720, 1_280),
    Kind.MATMUL: (1, 1_281_280, 1_281_280, 1_280, 1_001),
    Kind.SOFTMAX: (1, 0, 0, 1_001, 1_001),
}
VGG_16: Totals = {
    Kind.CONV_3X3: (13, 15_346_630_656, 14_710_464, 9_081_856, 13_547_520),
    Kind.POOLING: (5, 0, 0, 6_121_472, 1_530_368),
    Kind.MATMUL: (3, 123_633_664, 123_633_664, 33_280, 9_192),
    Kind.SOFTMAX: (1, 0, 0, 1_000, 1_000),
}


def totals(operators: Iterable[Operator]) -> Totals:
    found: dict[Kind, list[int]] = defaultdict(lambda: [0] * 5)
    for one in operators:
        sizes = 1, one.macs, one.weight_elements, one.input_elements, one.output_elements
        found[one.kind] = [sum(pair) for pair in zip(found[one.kind], sizes, strict=True)]
    return {kind: tuple(sizes) for kind, sizes in found.items() if kind is not Kind.FREE}


def kinds(operators: Iterable[Operator]) -> list[Kind]:
    return [one.kind for one in operators if one.kind is not Kind.FREE]


@pytest.mark.parametrize(
    ("make", "expected"), [(resnet18, RESNET_18), (mobilenet_v2, MOBILENET_V2)]
)
def test_an_exported_network_has_the_operators_of_its_published_list(
    make: Callable[[], object], expected: Totals, export: Callable[..., Path]
) -> None:
    file = export(make(), (3, 224, 224))
    operators = operators_of(file)
    assert totals(operators) == expected
    assert sum(one.macs for one in operators) == count(file).macs
    assert precision_of(operators) == "fp32"


def test_weights_that_are_computed_cost_nothing(tmp_path: Path) -> None:
    file = tmp_path / "vgg16.onnx"
    onnx.save_model(vgg16(), file)
    operators = operators_of(file)
    assert totals(operators) == VGG_16
    assert sum(one.macs for one in operators) == count(file).macs
