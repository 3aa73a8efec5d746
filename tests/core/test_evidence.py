from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgedistill.core.evidence import Evidence, Quantity, Wider, counted, quantity_of, wider
from edgedistill.core.figure import LADDER, Figure
from edgedistill.errors import InputError


def figure(**changes: Any) -> Quantity:
    fields: dict[str, Any] = {
        "value": 2.0,
        "low": 1.0,
        "high": 3.0,
        "confidence": 0.95,
        "evidence": Evidence.MEASURED_ON_DEVICE,
        "samples": 10,
        "method": "test",
        "wider": (
            Wider(confidence=0.99, low=0.9, high=3.1),
            Wider(confidence=0.999, low=0.5, high=3.1),
        ),
    }
    return Quantity(**(fields | changes))


@pytest.mark.parametrize(
    ("confidence", "low"),
    [(0.5, 1.0), (0.95, 1.0), (0.96, 0.9), (0.99, 0.9), (1 - 0.05 / 5, 0.9), (0.995, 0.5)],
)
def test_the_narrowest_interval_of_at_least_the_confidence_is_taken(
    confidence: float, low: float
) -> None:
    found = figure().at(confidence)
    assert found is not None
    assert found.low == low
    assert found.confidence >= confidence - 1e-12
    assert found.value == 2.0
    light = Figure.of(figure()).at(confidence)
    assert light == Figure.of(found)


def test_beyond_its_last_interval_a_figure_says_nothing() -> None:
    assert figure().at(0.9991) is None
    assert figure(wider=()).at(0.951) is None


def test_what_is_exact_holds_at_any_confidence() -> None:
    assert counted(3.0, "bytes").at(0.999999) == counted(3.0, "bytes")


@pytest.mark.parametrize(
    ("rungs", "words"),
    [
        ([(0.95, 0.9, 3.1)], "not rising"),
        ([(0.999, 0.9, 3.1), (0.99, 0.9, 3.1)], "not rising"),
        ([(0.99, 1.1, 3.1)], "does not hold the one before"),
        ([(0.99, 0.9, 3.1), (0.999, 0.9, 3.0)], "does not hold the one before"),
        ([(1.0, 0.9, 3.1)], "less than 1"),
    ],
)
def test_intervals_that_do_not_hold_each_other_are_refused(
    rungs: list[tuple[float, float, float]], words: str
) -> None:
    document = figure().model_dump(mode="json") | {
        "wider": [{"confidence": c, "low": low, "high": high} for c, low, high in rungs]
    }
    with pytest.raises(InputError, match=words):
        Quantity.read(document, file="report.json")


def test_the_ladder_is_climbed_as_far_as_the_method_reaches() -> None:
    found = wider(1.0, 2.0, 0.991, lambda at: None if at > 0.999 else (1.0 - at, 2.0 + at))
    assert [one.confidence for one in found] == [0.995, 0.998, 0.999]
    assert tuple(sorted(LADDER)) == LADDER


def test_rounding_never_narrows_an_interval() -> None:
    found = wider(1.0, 2.0, 0.95, lambda _: (1.0 + 1e-16, 2.0 - 1e-16))
    assert {(one.low, one.high) for one in found} == {(1.0, 2.0)}


def test_what_was_judged_is_a_figure_of_a_report_again() -> None:
    assert quantity_of(Figure.of(figure())) == figure()
    assert quantity_of(replace(Figure.of(figure()), high=float("nan"))) is None
