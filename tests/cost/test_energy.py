from __future__ import annotations

from itertools import product

import pytest

from edgedistill.catalog import profiles
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.hardware import PowerMode
from edgedistill.cost.energy import (
    energy_per_inference,
    power_ends_w,
    power_mode,
)
from edgedistill.errors import InputError

LATENCY = Quantity(
    value=20.0,
    low=15.0,
    high=30.0,
    confidence=0.9,
    evidence=Evidence.ESTIMATED,
    samples=14,
    method="made up",
)


def mode(low_w: float, high_w: float, **changes: str) -> PowerMode:
    given = {"name": "15W", "basis": "typical", "covers": "board", "source": "a data sheet"}
    return PowerMode(low_w=low_w, high_w=high_w, **(given | changes))


def test_one_watt_for_one_millisecond_is_one_millijoule() -> None:
    found = energy_per_inference(counted(1.0, "one"), mode(1.0, 1.0, basis="measured"))
    assert found.value == pytest.approx(1.0, rel=0.01)


def test_the_interval_is_every_power_in_range_times_every_latency_in_range() -> None:
    found = energy_per_inference(LATENCY, mode(2.0, 8.0))
    corners = [power * time for power, time in product((2.0, 4.0, 8.0), (15.0, 20.0, 30.0))]
    assert (found.low, found.high) == (min(corners), max(corners))
    assert found.value == 4.0 * 20.0


def test_energy_is_an_estimate_even_of_a_measured_latency_and_keeps_its_confidence() -> None:
    measured = LATENCY.model_copy(
        update={"evidence": Evidence.MEASURED_ON_DEVICE, "confidence": 0.95}
    )
    found = energy_per_inference(measured, mode(2.0, 8.0))
    assert found.evidence is Evidence.ESTIMATED
    assert (found.confidence, found.samples) == (0.95, 14)


@pytest.mark.parametrize("basis", ["measured", "budget", "typical"])
def test_a_single_power_figure_never_gives_a_single_energy(basis: str) -> None:
    found = energy_per_inference(counted(10.0, "ten"), mode(5.0, 5.0, basis=basis))
    assert found.low < found.value < found.high or basis == "budget"
    assert found.low < found.value <= found.high


def test_a_load_never_takes_more_than_the_modes_limit() -> None:
    assert power_ends_w(mode(10.0, 10.0, basis="budget"))[1] == 10.0
    assert power_ends_w(mode(10.0, 15.0, basis="budget"))[1] == 15.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"basis": "budget"}, "the maker's limit of the mode, which a load need not reach"),
        ({"basis": "typical"}, "an order of magnitude"),
        ({"covers": "module"}, "the module without its carrier board"),
        ({"name": "MAXN"}, "power mode MAXN"),
        ({"source": "a meter."}, "source: a meter)"),
    ],
)
def test_the_method_says_whose_power_it_is_and_how_it_is_known(
    changes: dict[str, str], words: str
) -> None:
    method = energy_per_inference(LATENCY, mode(2.0, 8.0, **changes)).method
    assert words in method
    assert "not a measurement of energy" in method
    assert "2 to 8 W" in method


def test_the_method_marks_the_ends_that_no_source_gives() -> None:
    def method(low_w: float, high_w: float, basis: str) -> str:
        return energy_per_inference(LATENCY, mode(low_w, high_w, basis=basis)).method

    assert "3 W assumed here, by convention" in method(10.0, 10.0, "budget")
    assert "4.5 W and 5.5 W assumed here" in method(5.0, 5.0, "measured")
    assert "assumed" not in method(2.0, 8.0, "typical")


def test_the_profiles_own_mode_is_taken_unless_another_is_named() -> None:
    nano = profiles.load("jetson-nano")
    assert power_mode(nano) == power_mode(nano, "MAXN")
    assert power_mode(nano, "5W") != power_mode(nano)


def test_an_unknown_mode_is_refused_with_those_there_are() -> None:
    nano = profiles.load("jetson-nano")
    with pytest.raises(InputError, match=r"no such power mode.*30W.*Choose one of: 5W, MAXN"):
        power_mode(nano, "30W")


def test_a_profile_without_power_figures_has_no_mode_and_knows_none() -> None:
    nano = profiles.load("jetson-nano")
    bare = nano.model_copy(update={"power_modes": (), "default_power_mode": None})
    assert power_mode(bare) is None
    with pytest.raises(InputError, match="Leave it out"):
        power_mode(bare, "15W")
