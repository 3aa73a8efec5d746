from __future__ import annotations

import itertools
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.app.race import Offer, Race, preference
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.report import Latency, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgedistill.core.profile import Precision

MEASURED, ESTIMATED = Evidence.MEASURED_ON_DEVICE, Evidence.ESTIMATED


def _figure(value: float, half: float = 0.0, evidence: Evidence = MEASURED) -> Quantity:
    return Quantity(
        value=value,
        low=value - half,
        high=value + half,
        confidence=0.95,
        evidence=evidence,
        samples=100,
        method="test",
    )


def _offer(name: str, median_ms: float | None, evidence: Evidence = MEASURED) -> Offer:
    precision: Precision = (
        "int8" if name.startswith("int8") else "fp16" if name == "fp16" else "fp32"
    )
    latency = (
        None
        if median_ms is None
        else Latency(p50_ms=_figure(median_ms, evidence=evidence), stable=True)
    )
    row = Row(
        step="pruned" if precision == "fp32" else precision,
        precision=precision,
        model_sha256="0" * 64,
        accuracy=_figure(0.9),
        test_accuracy=None,
        accuracy_drop=None,
        agreement=None,
        worst_class=None,
        worst_group=None,
        latency=latency,
        size_mb=counted(1.0, "test"),
        macs=counted(1.0, "test"),
        parameters=counted(1.0, "test"),
    )
    return Offer(name, row)


def _ratios(medians: Mapping[str, float], half: float) -> Callable[[str, str], Quantity | None]:
    return lambda one, other: _figure(medians[other] / medians[one], half)


def _race(default: Precision, half: float = 0.05, **medians: float) -> Race:
    named = {name.replace("_", "-"): value for name, value in medians.items()}
    offers = [_offer(name, median) for name, median in named.items()]
    return Race(preference(offers, default), _ratios(named, half))


@pytest.mark.parametrize(
    ("default", "order"),
    [
        ("int8", ["int8-U8S8", "int8-U8U8", "int8-dynamic", "fp16", "fp32"]),
        ("fp32", ["fp32", "fp16", "int8-U8S8", "int8-U8U8", "int8-dynamic"]),
    ],
)
def test_the_order_of_preference_leads_away_from_the_default(
    default: Precision, order: list[str]
) -> None:
    names = ["fp32", "int8-U8S8", "int8-U8U8", "int8-dynamic", "fp16"]
    offers = [_offer(name, 1.0) for name in names]
    assert [one.name for one in preference(offers, default)] == order


def test_the_fastest_wins_whatever_the_default() -> None:
    for default, fastest in itertools.product(("int8", "fp32"), ("fp32", "int8_a", "int8_b")):
        medians = {"fp32": 2.0, "int8_a": 2.0, "int8_b": 2.0} | {fastest: 1.0}
        race = _race(default, **medians)
        assert (race.winner.name, race.decided) == (fastest.replace("_", "-"), True)


def test_among_those_that_cannot_be_told_apart_the_preferred_wins_undecided() -> None:
    race = _race("int8", fp32=2.0, int8_a=1.02, int8_b=1.0)
    assert race.fastest.name == "int8-b"
    assert (race.winner.name, race.decided) == ("int8-a", False)
    race = _race("fp32", fp32=1.02, int8_a=3.0, int8_b=1.0)
    assert (race.winner.name, race.decided) == ("fp32", False)
    race = _race("fp32", fp32=3.0, int8_a=1.02, int8_b=1.0)
    assert (race.winner.name, race.decided) == ("int8-a", False)


def test_a_preferred_candidate_without_latency_wins_undecided() -> None:
    offers = [_offer("fp32", 1.0), _offer("int8-a", None)]
    race = Race(preference(offers, "int8"), lambda _one, _other: None)
    assert (race.winner.name, race.decided, race.timed) == ("int8-a", False, ())


def test_another_candidate_without_latency_never_wins() -> None:
    offers = [_offer("fp32", 2.0), _offer("int8-a", 1.0), _offer("fp16", None)]
    race = Race(preference(offers, "int8"), _ratios({"fp32": 2.0, "int8-a": 1.0}, 0.05))
    assert (race.winner.name, race.decided) == ("int8-a", True)


def test_estimates_compare_precisions_and_not_schemes() -> None:
    medians = {"fp32": 2.0, "int8-a": 1.0, "int8-b": 0.9}
    offers = [_offer(name, median, ESTIMATED) for name, median in medians.items()]
    race = Race(preference(offers, "int8"), _ratios(medians, 0.05))
    assert [one.name for one in race.timed] == ["int8-a", "fp32"]
    assert (race.winner.name, race.decided) == ("int8-a", True)


def test_a_ratio_that_the_rounds_do_not_give_tells_nothing_apart() -> None:
    offers = [_offer("fp32", 1.0), _offer("int8-a", 2.0)]
    race = Race(preference(offers, "int8"), lambda _one, _other: None)
    assert race.fastest.name == "fp32"
    assert (race.winner.name, race.decided) == ("int8-a", False)


@given(
    medians=st.lists(st.floats(0.1, 10.0), min_size=2, max_size=6),
    half=st.floats(0.0, 0.5),
    default=st.sampled_from(["int8", "fp32"]),
)
def test_a_decided_race_is_won_by_the_least_median(
    medians: list[float], half: float, default: Precision
) -> None:
    names = ["fp32", *(f"int8_{place}" for place in range(1, len(medians)))]
    race = _race(default, half, **dict(zip(names, medians, strict=True)))
    own = race.winner.row.latency
    assert own is not None
    if race.decided:
        assert own.p50_ms.value == min(medians)
    else:
        assert race.winner is race.close[0]
        assert own.p50_ms.value <= min(medians) * (1 + half) * (1 + 1e-9)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_sharing_the_confidence_keeps_wrong_decisions_rare(k: int) -> None:
    """A simulation: the first of k candidates is faster than the rest by next to nothing."""
    random = np.random.default_rng(0)
    z = NormalDist().inv_cdf(1 - 0.05 / (k - 1) / 2)
    paces = random.normal(size=(20_000, k))
    ahead = (paces.max(axis=1, keepdims=True) - paces) / np.sqrt(2)  # in standard deviations
    told_from_all = np.sort(ahead, axis=1)[:, 1] > z
    assert (told_from_all & (paces.argmax(axis=1) != 0)).mean() <= 0.05
