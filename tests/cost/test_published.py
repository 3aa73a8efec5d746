from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edgedistill.core.operator_kind import Kind
from edgedistill.cost.operators import Operator
from edgedistill.cost.published import read_operator_lists
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

CONVOLUTION = {
    "type": "conv", "name": "0", "cls": "conv3_s2", "macs": 884736, "w": 216, "i": 49152,
    "o": 32768, "k": 3, "s": 2, "cin": 3, "cout": 8, "oh": 64, "ow": 64,
}  # fmt: skip


def written(tmp_path: Path, lists: object) -> Path:
    file = tmp_path / "lists.json"
    file.write_text(json.dumps(lists))
    return file


def test_a_published_convolution_becomes_an_operator(tmp_path: Path) -> None:
    lists = read_operator_lists(written(tmp_path, {"net": [CONVOLUTION]}))
    expected = Operator(
        kind=Kind.CONV_OTHER, macs=884736, weight_elements=216, input_elements=49152,
        output_elements=32768, kernel=3, stride=2, input_channels=3, output_channels=8,
    )  # fmt: skip
    assert lists == {"net": (expected,)}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"cls": "dw5_s2"}, Kind.DEPTHWISE),
        ({"cls": "gconv1"}, Kind.GROUPED),
        ({"cls": "pw"}, Kind.POINTWISE),
        ({"cls": "gemm", "type": "MultiHeadAttention"}, Kind.ATTENTION),
        ({"cls": "mem", "type": "Swish"}, Kind.SILU),
        ({"cls": "mem", "type": "Reshape"}, Kind.FREE),
    ],
)
def test_class_and_type_tell_the_kind(tmp_path: Path, changes: dict[str, str], kind: Kind) -> None:
    lists = read_operator_lists(written(tmp_path, {"net": [{**CONVOLUTION, **changes}]}))
    assert lists["net"][0].kind is kind


def test_an_activation_without_a_name_is_read_by_its_network(tmp_path: Path) -> None:
    row = {**CONVOLUTION, "cls": "mem", "type": "act"}
    names = ("mobilenet-v3-small_224_1.0", "mobilenet-v3-small-minimalistic_224_1.0")
    lists = read_operator_lists(written(tmp_path, {name: [row] for name in names}))
    assert [lists[name][0].kind for name in names] == [Kind.HARD_SWISH, Kind.RELU]


@pytest.mark.parametrize(
    ("network", "kinds"),
    [
        ("densenet121", [Kind.MOVEMENT, Kind.ELEMENTWISE, Kind.RELU]),
        ("shufflenet_v2_x1.0", [Kind.MOVEMENT, Kind.MOVEMENT, Kind.MOVEMENT]),
        ("regnet", [Kind.RELU]),
    ],
)
def test_what_an_activation_stands_for_is_spelled_out(
    tmp_path: Path, network: str, kinds: list[Kind]
) -> None:
    row = {**CONVOLUTION, "cls": "mem", "type": "act", "i": 64, "o": 64}
    operators = read_operator_lists(written(tmp_path, {network: [row]}))[network]
    assert [one.kind for one in operators] == kinds
    assert {(one.input_elements, one.output_elements) for one in operators} == {(64, 64)}


def test_all_unreadable_operators_are_named_at_once(tmp_path: Path) -> None:
    wrong = {**CONVOLUTION, "macs": "many"}
    unknown = {**CONVOLUTION, "cls": "mem", "type": "Einsum"}
    with pytest.raises(InputError) as caught:
        read_operator_lists(written(tmp_path, {"net": [wrong, CONVOLUTION, unknown]}))
    assert [fault.field for fault in caught.value.faults] == ["net[0].macs", "net[2].cls"]
