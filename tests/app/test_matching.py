from __future__ import annotations

from pathlib import Path

import pytest

from edgedistill.app.matching import match_inputs
from edgedistill.core.quantized import ModelInput
from edgedistill.errors import InputError

FILE = Path("b.onnx")


def takes(name: str, *shape: int | None, dtype: str = "float32") -> ModelInput:
    return ModelInput(name=name, dtype=dtype, shape=shape)


def test_equal_names_meet_whatever_their_order() -> None:
    ids, mask = takes("ids", None, 8, dtype="int64"), takes("mask", None, 8, dtype="int64")
    assert match_inputs([ids, mask], [mask, ids], FILE) == {"ids": "ids", "mask": "mask"}


def test_one_input_is_matched_whatever_its_name_and_with_open_axes() -> None:
    first, second = takes("image", None, 3, 8, 8), takes("input.1", 1, 3, None, 8)
    assert match_inputs([first], [second], FILE) == {"image": "input.1"}


def test_a_float_may_be_of_another_precision() -> None:
    first, second = takes("x", None, 8), takes("y", None, 8, dtype="float16")
    assert match_inputs([first], [second], FILE) == {"x": "y"}


def test_several_are_matched_by_type_and_shape_where_one_way_is_possible() -> None:
    first = [takes("picture", None, 3, 8, 8), takes("age", None, 1), takes("id", None, 1)]
    second = [takes("id", None, 1), takes("a", None, 1), takes("b", None, 3, 8, 8)]
    assert match_inputs(first, second, FILE) == {"picture": "b", "age": "a", "id": "id"}


def test_two_of_one_form_with_other_names_are_not_guessed() -> None:
    first = [takes("left", None, 8), takes("right", None, 8)]
    with pytest.raises(InputError, match="several are of one type and shape") as raised:
        match_inputs(first, [takes("a", None, 8), takes("b", None, 8)], FILE)
    assert "left: float32 [batch, 8]" in str(raised.value)


@pytest.mark.parametrize(
    "second",
    [
        [takes("x", None, 9)],
        [takes("x", None, 8, 1)],
        [takes("x", None, 8, dtype="int64")],
        [takes("y", None, 8), takes("z", None, 8)],
        [],
    ],
)
def test_what_takes_something_else_is_refused(second: list[ModelInput]) -> None:
    with pytest.raises(InputError, match="does not take what the first model takes"):
        match_inputs([takes("x", None, 8)], second, FILE)
