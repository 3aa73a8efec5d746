from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.core.curation import Curate
from edgedistill.errors import InputError
from edgedistill.stages.curate.bounds import require_within_bounds
from edgedistill.stages.curate.ledger import class_ledger, first_takers, group_ledger
from edgedistill.stages.curate.scores import Scores
from edgedistill.stages.curate.takings import takings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.errors import Fault

LOOSE = {"max_class_loss": 1.0, "max_group_loss": 1.0, "max_skew": 1e9, "min_class_samples": 1}


def tail(**setting: float) -> dict[str, Any]:
    return {"tail": [{"score": "confidence", **setting}], "suspect_labels": None}


def refuse(
    config: dict[str, Any],
    values: Sequence[float],
    classes: Sequence[int],
    groups: Sequence[str] | None = None,
) -> None:
    labels = np.asarray(classes)
    read = Curate.model_validate(config)
    column = np.asarray(values, np.float32)
    found = Scores(
        {"confidence": column, "margin": column, "label_probability": column},
        labels,
        np.zeros(len(labels), bool),
        1,
    )
    cuts = takings(read, found, labels)
    takers = first_takers(cuts, len(labels))
    ledgers = [class_ledger(cuts, takers, labels, ("big", "tiny"))]
    if groups is not None:
        ledgers.append(group_ledger(cuts, takers, np.asarray(groups)))
    require_within_bounds(read, cuts, ledgers)


def fault_of(*arguments: Any) -> Fault:
    with pytest.raises(InputError) as caught:
        refuse(*arguments)
    (fault,) = caught.value.faults
    return fault


BIG = [0.9] * 90
CLASSES = [0] * 90 + [1] * 10


def test_emptying_a_tiny_class_is_refused_whatever_the_bounds() -> None:
    fault = fault_of({**tail(threshold=0.5), **LOOSE}, [*BIG, *[0.2] * 10], CLASSES)
    assert fault.field == "stages.curate.tail[0]"
    assert fault.given == "confidence, threshold 0.5"
    assert "class 'tiny' would lose 10 of its 10 samples" in fault.problem
    assert "min_class_samples wants 1 to be left" in fault.problem
    assert fault.remedy == "Set its threshold to at most 0.200000"


def test_losing_too_large_a_share_is_refused_with_both_ways_out() -> None:
    values = [*BIG, *np.linspace(0.1, 1.0, 10)]
    config = {**tail(threshold=0.75), **LOOSE, "max_class_loss": 0.4}
    fault = fault_of(config, values, CLASSES)
    assert "would lose 7 of its 10 samples, and max_class_loss 0.4 allows 4" in fault.problem
    assert fault.remedy == "Set its threshold to at most 0.500000, or set max_class_loss to 0.7"
    refuse({**config, "max_class_loss": 0.7}, values, CLASSES)
    refuse({**config, **tail(threshold=0.5)}, values, CLASSES)


def test_leaving_too_few_samples_is_refused() -> None:
    values = [*BIG, *np.linspace(0.1, 1.0, 10)]
    config = {**tail(quantile=0.03), **LOOSE, "min_class_samples": 8}
    fault = fault_of(config, values, CLASSES)
    assert "would lose 3 of its 10 samples, and min_class_samples wants 8" in fault.problem
    assert fault.remedy == "Set its quantile to at most 0.020000, or set min_class_samples to 7"
    refuse({**config, **tail(quantile=0.02)}, values, CLASSES)


def test_a_small_class_from_which_nothing_is_taken_is_no_fault() -> None:
    refuse({**tail(quantile=0.1), "min_class_samples": 50}, [*BIG, *[1.0] * 10], CLASSES)


def test_a_class_of_nobody_is_no_fault() -> None:
    refuse(tail(quantile=0.1), BIG, [0] * 90)


def test_skewing_a_group_is_refused() -> None:
    """Group z keeps 6 of 20 while all keep 86 of 100: 0.2 becomes 0.0698, 2.867 times less."""
    values = [*[0.9] * 80, *[0.1] * 14, *[0.9] * 6]
    groups = ["y"] * 80 + ["z"] * 20
    config = {**tail(threshold=0.5), **LOOSE, "max_skew": 2.0}
    fault = fault_of(config, values, [0] * 100, groups)
    assert "group 'z' would go from 20 of 100 samples to 6 of 86" in fault.problem
    assert "its share changes 2.867 times, and max_skew allows 2 times" in fault.problem
    assert fault.remedy == "Let the cuts take less, or set max_skew to 2.8667"
    refuse({**config, "max_skew": 2.8667}, values, [0] * 100, groups)


def test_a_group_that_grows_too_much_is_refused_under_the_cut_that_takes_most() -> None:
    values = [*[0.1] * 80, *[0.9] * 20]
    groups = ["y"] * 90 + ["z"] * 10
    fault = fault_of({**tail(threshold=0.5), **LOOSE, "max_skew": 3}, values, [0] * 100, groups)
    assert fault.field == "stages.curate.tail[0]"
    assert "group 'z' would go from 10 of 100 samples to 10 of 20" in fault.problem


def test_a_group_may_be_let_go_only_where_it_is_said() -> None:
    values, groups = [*[0.9] * 99, 0.1], ["y"] * 99 + ["z"]
    config = {**tail(threshold=0.5), **LOOSE}
    fault = fault_of(config, values, [0] * 100, groups)
    assert "group 'z' would lose 1 of its 1 samples" in fault.problem
    assert fault.remedy.endswith("or set min_group_samples to 0")
    refuse({**config, "min_group_samples": 0}, values, [0] * 100, groups)


def test_all_that_lose_too_much_are_told_at_once_the_worst_first() -> None:
    values = [*[0.1] * 60, *[0.9] * 30, *[0.1] * 9, 0.9]
    with pytest.raises(InputError) as caught:
        refuse(tail(threshold=0.5), values, CLASSES)
    assert [re.findall(r"class '\w+'", fault.problem)[0] for fault in caught.value.faults] == [
        "class 'tiny'",
        "class 'big'",
    ]


def test_of_a_great_many_the_worst_are_told_and_the_rest_counted() -> None:
    groups = [f"speaker {number:02d}" for number in range(100)]
    config = {**tail(threshold=0.5), **LOOSE}
    with pytest.raises(InputError, match="20 further classes or groups lose too much"):
        refuse(config, [*[0.1] * 40, *[0.9] * 60], [0] * 100, groups)


def test_several_cuts_are_added_up_and_told_apart() -> None:
    config = {
        "head": [{"score": "margin", "threshold": 0.95}],
        "tail": [{"score": "confidence", "threshold": 0.5}],
        "suspect_labels": None,
        **LOOSE,
        "max_class_loss": 0.5,
    }
    values = [*BIG, *[1.0] * 4, *[0.2] * 5, 0.9]
    fault = fault_of(config, values, CLASSES)
    assert fault.field == "stages.curate.tail[0]"
    assert "would lose 9 of its 10 samples (head[0] 4, tail[0] 5)" in fault.problem
    assert fault.remedy == "Set its threshold to at most 0.200000, or set max_class_loss to 0.9"


def test_cuts_that_take_the_same_samples_are_told_so() -> None:
    cut = {"score": "confidence", "threshold": 0.5}
    config = {"tail": [cut, cut], "suspect_labels": None, **LOOSE}
    fault = fault_of(config, [*BIG, *[0.2] * 10], CLASSES)
    assert fault.remedy == "Make this cut and the others smaller: they take the same samples"


@given(
    st.lists(st.floats(0, 1, width=32), min_size=10, max_size=60),
    st.integers(1, 99),
    st.sampled_from(["quantile", "threshold"]),
    st.sampled_from(["head", "tail"]),
    st.integers(0, 10),
)
def test_who_follows_the_remedy_is_not_refused_again_for_that_class(
    values: list[float], hundredths: int, setting: str, side: str, tenths: int
) -> None:
    classes = [0 if place % 3 else 1 for place in range(len(values))]
    cut = {"score": "confidence", setting: hundredths / 100}
    config = {side: [cut], "suspect_labels": None, **LOOSE, "max_class_loss": tenths / 10}
    for _ in range(3):
        try:
            refuse(config, values, classes)
        except InputError as error:
            remedy = error.faults[0].remedy
        else:
            return
        if remedy.startswith("Leave this cut out"):
            return
        found = re.match(r"Set its \w+ to at (?:most|least) (\d\.\d+)", remedy)
        assert found
        config = {**config, side: [{**cut, setting: float(found[1])}]}
    raise AssertionError("following the remedies of two classes was not enough")
