from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from edgedistill.core.strict import Strict, merge, plain
from edgedistill.errors import InputError


class Inner(Strict):
    """Inside."""

    ratio: float = Field(gt=0)
    names: tuple[str, ...] = Field(default=(), strict=False)


class Outer(Strict):
    """Outside."""

    inner: Inner
    table: dict[str, Inner] = Field(default_factory=dict)
    count: int = 1


def test_a_document_is_read_and_written_back() -> None:
    document = {"inner": {"ratio": 0.5, "names": ["a"]}, "table": {}, "count": 2}
    assert plain(Outer.read(document, file="f")) == document


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({}, "inner", "is missing. Add it"),
        ({"inner": {"ratio": "x"}}, "inner.ratio", "is not a number (given: 'x')"),
        ({"inner": {"ratio": math.nan}}, "inner.ratio", "is not a finite number (given: nan)"),
        ({"inner": {"ratio": math.inf}}, "inner.ratio", "is not a finite number (given: inf)"),
        ({"inner": {"ratio": 0}}, "inner.ratio", "should be greater than 0 (given: 0)"),
        ({"inner": {"ratio": 1, "rato": 1}}, "inner.rato", "Did you mean 'ratio'?"),
        ({"inner": {"ratio": 1, "zzzz": 1}}, "inner.zzzz", "Known keys: names, ratio"),
        ({"inner": {"ratio": 1}, "count": 1.5}, "count", "is not a whole number"),
        ({"inner": {"ratio": 1}, "count": "1"}, "count", "is not a whole number"),
        ({"inner": {"ratio": 1}, "count": True}, "count", "is not a whole number"),
        ({"inner": 3}, "inner", "is not a mapping"),
        (None, "(whole file)", "is not a mapping"),
        (
            {"inner": {"ratio": 1}, "table": {"k": {"rato": 2, "ratio": 1}}},
            "table.k.rato",
            "Did you mean 'ratio'?",
        ),
    ],
)
def test_a_fault_names_file_field_given_value_and_remedy(
    document: object, field: str, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        Outer.read(document, file="recipe.yaml")
    (fault,) = caught.value.faults
    assert (fault.file, fault.field) == ("recipe.yaml", field)
    assert words in str(fault)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Outer.read({"inner": {"ratio": -1, "x": 1}, "count": "n"}, file="f")
    assert len(caught.value.faults) == 3


documents = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inside: st.dictionaries(st.sampled_from("abc"), inside, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


@given(documents, documents)
def test_merging_takes_each_change_and_keeps_the_rest(base: dict, changes: dict) -> None:
    merged = merge(base, changes)
    assert merge(merged, changes) == merged
    assert set(merged) == set(base) | set(changes)
    for key in set(base) - set(changes):
        assert merged[key] == base[key]
    assert merge(base, {}) == base
