from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.core.naming import MAX_LENGTH, NAME, plain_name, student_name, told_apart


@pytest.mark.parametrize(
    ("source", "args", "name"),
    [
        ("builtin:mlp", {}, "mlp"),
        ("builtin:residual-cnn", {"width": 16, "depth": 2}, "residual-cnn-width-16-depth-2"),
        ("python:somewhere/nets.py:tiny_net", {"residual": True}, "tiny_net-residual-true"),
        (
            "hf:models/deit-tiny",
            {"kernels": [3, 5], "scale": 0.5},
            "deit-tiny-kernels-3-5-scale-0.5",
        ),
        ("live:student-1", {}, "student-1"),
        ("builtin:", {}, "student"),
    ],
)
def test_a_student_is_named_after_its_source_and_arguments(
    source: str, args: dict[str, object], name: str
) -> None:
    assert student_name(source, args) == name


@given(st.text(max_size=200))
def test_any_text_becomes_a_name_that_a_recipe_takes(text: str) -> None:
    name = plain_name(text)
    assert re.fullmatch(NAME.removeprefix("^").removesuffix("$"), name)
    assert len(f"{name}-1000") <= MAX_LENGTH


@given(
    st.lists(st.sampled_from(["a", "a-2", "a-2-2", "b"]), max_size=8),
    st.lists(st.sampled_from(["a", "a-3", "b"]), unique=True),
)
def test_names_are_told_apart_and_the_first_of_each_stays(
    names: list[str], taken: list[str]
) -> None:
    found = told_apart(names, taken)
    assert len({*found, *taken}) == len(found) + len(taken)
    assert all(made.startswith(name) for made, name in zip(found, names, strict=True))
    assert told_apart(found, taken) == found
