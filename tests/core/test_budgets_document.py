from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edgedistill.core.budget import Budget
from edgedistill.core.budgets_document import Budgets, budgets_of
from edgedistill.core.budgets_schema import budgets_schema
from edgedistill.core.limits import EVERY
from edgedistill.errors import InputError


def read(limits: dict[str, Any], **changes: Any) -> Budgets:
    document = {"schema_version": 1, "targets": {"host": limits}} | changes
    return budgets_of(document, file="budgets.yaml")


def faults(limits: Any, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(limits, **changes)
    return str(caught.value)


def test_limits_are_read_in_the_order_in_which_they_are_judged() -> None:
    found = read({"max_size_mb": 4, "latency_p50_ms": 12.5, "evidence": "estimated"})
    assert list(found.targets["host"].limits.items()) == [
        ("latency_p50_ms", 12.5),
        ("max_size_mb", 4.0),
    ]
    assert found.targets["host"].evidence == "estimated"
    assert found.confidence == 0.95


@pytest.mark.parametrize(
    ("name", "given_limit", "number"),
    [
        ("latency_p50_ms", "12 ms", 12.0),
        ("latency_p50_ms", "12ms", 12.0),
        ("latency_p50_ms", " 1.5e1 ms ", 15.0),
        ("max_accuracy_drop", "2 %", 0.02),
        ("max_accuracy_drop", "0 %", 0.0),
        ("min_accuracy", 0.9, 0.9),
        ("max_size_mb", "4 MB", 4.0),
        ("max_energy_mj", "30 mJ", 30.0),
        ("max_latency_p50_ratio", "1.05 x", 1.05),
        ("max_instructions", "5e6 instructions", 5e6),
    ],
)
def test_the_right_unit_is_read(name: str, given_limit: object, number: float) -> None:
    assert read({name: given_limit}).targets["host"].limits == {name: number}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"latency_p50_ms": "12 s"},
            "budgets.yaml: targets.host.latency_p50_ms: is in s, and this limit is in ms "
            "(given: '12 s'). Give it in ms, for instance \"12 ms\"",
        ),
        ({"max_size_mb": "4 MiB"}, "is in MiB, and this limit is in MB"),
        ({"max_size_mb": "4 mb"}, "is in mb, and this limit is in MB"),
        ({"max_accuracy_drop": "2 ms"}, "is in ms, and this limit is in %"),
        ({"latency_p50_ms": "12"}, "has no unit, and text needs ms"),
        ({"latency_p50_ms": "twelve"}, "is not a number"),
        ({"latency_p50_ms": "nan ms"}, "is not a number"),
        ({"latency_p50_ms": "1e999 ms"}, "is not a finite number"),
        ({"latency_p50_ms": math.nan}, "is not a finite number"),
        ({"latency_p50_ms": math.inf}, "is not a finite number"),
        ({"latency_p50_ms": 10**400}, "is not a finite number"),
        ({"latency_p50_ms": True}, "is not a number"),
        ({"latency_p50_ms": None}, "is not a number"),
        ({"latency_p50_ms": [12]}, "is not a number"),
        ({"latency_p50_ms": 0}, "is not above 0"),
        ({"latency_p50_ms": "-1 ms"}, "is not above 0"),
        ({"max_accuracy_drop": 2}, "is not between 0 and 1 (given: 2). Give a fraction, or a"),
        ({"max_accuracy_drop": "200 %"}, "is not between 0 and 1"),
        ({"latency_p5_ms": 12}, "Did you mean 'latency_p"),
        ({"latency": 12}, "targets.host.latency: is not a known key"),
        ({"evidence": "guessed"}, "targets.host.evidence: is neither"),
        ({"max_size_mb": {"on_unjudged": "warn"}}, "targets.host.max_size_mb.limit: is missing"),
        (
            {"max_size_mb": {"limit": 1, "on_unjudged": "pass"}},
            "targets.host.max_size_mb.on_unjudged: is neither (given: 'pass'). Give fail or warn",
        ),
        ({"max_size_mb": {"limit": 1, "when_unjudged": "warn"}}, "Did you mean 'on_unjudged'?"),
        ({"max_size_mb": {"limit": "1 s"}}, "targets.host.max_size_mb.limit: is in s"),
        (7, "targets.host: is not a mapping"),
    ],
)
def test_what_is_wrong_is_told_with_file_field_and_value(limits: Any, words: str) -> None:
    assert words in faults(limits)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": 2}, "schema_version: is no version of this schema"),
        ({"schema_version": True}, "schema_version: is no version of this schema"),
        ({"confidence": 1.0}, "confidence: is no confidence"),
        ({"confidence": "95 %"}, "confidence: is not a number"),
        ({"targets": {}}, "targets: names no target"),
        ({"targets": []}, "targets: is not a mapping"),
        ({"targets": {5: {"max_size_mb": 1}}}, "targets.5: is not a target's name"),
        ({"target": {}}, "Did you mean 'targets'?"),
    ],
)
def test_a_document_of_another_shape_is_refused(changes: dict[str, Any], words: str) -> None:
    assert words in faults({"max_size_mb": 1}, **changes)


def test_no_document_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="is not a mapping"):
        budgets_of(None, file="budgets.yaml")


def test_all_faults_are_told_at_once() -> None:
    told = faults({"latency_p50_ms": "12 s", "max_size_mb": 0, "x": 1}, confidence=2)
    assert len(told.splitlines()) == 4


def test_a_limit_may_only_warn() -> None:
    found = read({"max_size_mb": {"limit": "4 MB", "on_unjudged": "warn"}, "min_accuracy": 0.9})
    assert found.targets["host"].warn == {"max_size_mb"}
    assert set(found.targets["host"].limits) == {"max_size_mb", "min_accuracy"}


VALIDATOR = Draft202012Validator(budgets_schema())


def refused(limits: Any) -> bool:
    try:
        read(limits)
    except InputError:
        return True
    return False


@pytest.mark.parametrize(
    "limits",
    [
        {"latency_p50_ms": "12 ms"},
        {"latency_p50_ms": "12ms"},
        {"latency_p50_ms": "12 s"},
        {"latency_p50_ms": "12"},
        {"max_accuracy_drop": "2 %"},
        {"max_accuracy_drop": True},
        {"max_accuracy_drop": None},
        {"max_size_mb": {"limit": "4 MB", "on_unjudged": "warn"}},
        {"max_size_mb": {"limit": "4 MB", "on_unjudged": "pass"}},
        {"max_size_mb": {"on_unjudged": "warn"}},
        {"evidence": "estimated"},
        {"evidence": "guessed"},
        {"speed": 1},
        {},
        [],
    ],
)
def test_the_schema_for_editors_takes_what_is_read(limits: Any) -> None:
    document = {"schema_version": 1, "targets": {"host": limits}}
    assert VALIDATOR.is_valid(document) == (not refused(limits))


NUMBERS = st.one_of(
    st.floats(), st.integers(-2, 3), st.sampled_from([0.0, 1.0, 1e-300, 5e-324, 1e308])
)


@settings(deadline=None)
@given(name=st.sampled_from(sorted(EVERY)), number=NUMBERS)
def test_a_budgets_file_takes_the_numbers_that_a_recipe_takes(name: str, number: float) -> None:
    document = {"schema_version": 1, "targets": {"host": {name: number}}}
    fits = VALIDATOR.is_valid(document) if math.isfinite(number) else False
    assert fits == (not refused({name: number}))
    try:
        bound = getattr(Budget.read({name: number}, file="recipe.yaml"), name)
    except InputError:
        assert name in faults({name: number})
    else:
        assert read({name: number}).targets["host"].limits == {name: bound}
