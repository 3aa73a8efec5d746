"""Energy of one inference: what the device draws in a power mode, times how long it takes.

Energy is power times time. Neither is measured here together with the other: the power is the
profile's figure for a device under load, whatever the load is, and the latency may be measured or
estimated. So the result is an estimate even where the latency was measured, and its interval says
what the two together leave open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from edgedistill.core.hardware import PowerMode
    from edgedistill.core.profile import TargetProfile

ENDS_OF_ONE_FIGURE = {"measured": (0.9, 1.1), "budget": (0.3, 1.0), "typical": (0.5, 2.0)}
"""By basis: factors that turn a power figure that came alone into a low and a high end.

They are conventions, not fits: no published set of power readings under inference stands behind
them. A meter of a board is read to about a tenth. The maker's limit is what a mode never exceeds
for long, and a load of one network may stay far below. An order of magnitude is a factor of two.
Where the profile gives two ends, they are taken as they are, but for the low end of a limit."""

_POWER_IS = {
    "measured": "measured with a meter, under some load, not this network's",
    "budget": "the maker's limit of the mode, which a load need not reach",
    "typical": "an order of magnitude from published descriptions, not a measurement",
}
_COVERS = {
    "board": "the whole board",
    "module": "the module without its carrier board",
    "chip": "the chip alone, without memory and board",
}


def power_mode(profile: TargetProfile, name: str | None = None) -> PowerMode | None:
    """The power mode of that name, the profile's own where none is given; None where it has none.

    Raises:
        InputError: If there are modes, but none of that name.
    """
    if name is None:
        name = profile.default_power_mode
    for mode in profile.power_modes:
        if mode.name == name:
            return mode
    if name is None:
        return None
    known = ", ".join(mode.name for mode in profile.power_modes)
    raise InputError(
        Fault(
            field="power_mode",
            given=name,
            problem=f"'{profile.name}' has no such power mode",
            remedy=f"Choose one of: {known}" if known else "Leave it out: no figure is published",
        )
    )


def energy_per_inference(latency_ms: Quantity, mode: PowerMode) -> Quantity:
    """Millijoules of one inference: power under load times latency.

    The interval reaches from the product of the two low ends to the product of the two high ends,
    and the value is its geometric middle scaled to the latency's value: power in the middle of its
    ends by ratio, times the latency. The confidence is that of the latency's interval. It holds on
    the condition that the power under this load lies between the two ends, which nobody measured.
    There is no interval at a higher confidence: that of the power has none to raise.

    Args:
        latency_ms: Of one inference, milliseconds.
        mode: The device's power mode.

    >>> from edgedistill.core.evidence import counted
    >>> from edgedistill.core.hardware import PowerMode
    >>> mode = PowerMode(name="15W", low_w=4.0, high_w=9.0, basis="typical", covers="board",
    ...                  source="none")
    >>> energy = energy_per_inference(counted(10.0, "ten"), mode)
    >>> energy.low, energy.value, energy.high
    (40.0, 60.0, 90.0)
    """
    low_w, high_w = power_ends_w(mode)
    middle_w = (low_w * high_w) ** 0.5
    return Quantity(
        value=middle_w * latency_ms.value,  # watts times milliseconds are millijoules
        low=low_w * latency_ms.low,
        high=high_w * latency_ms.high,
        confidence=latency_ms.confidence,
        evidence=Evidence.ESTIMATED,
        samples=latency_ms.samples,
        method=_method(mode, low_w, high_w, latency_ms),
    )


def power_ends_w(mode: PowerMode) -> tuple[float, float]:
    """Between which powers in watts the device is taken to be while it computes.

    >>> from edgedistill.core.hardware import PowerMode
    >>> power_ends_w(PowerMode(name="MAXN", low_w=10.0, high_w=10.0, basis="budget",
    ...                        covers="module", source="none"))
    (3.0, 10.0)
    """
    low, high = ENDS_OF_ONE_FIGURE[mode.basis]
    if mode.low_w == mode.high_w:
        return low * mode.low_w, high * mode.high_w
    if mode.basis == "budget":
        return low * mode.low_w, mode.high_w
    return mode.low_w, mode.high_w


def _method(mode: PowerMode, low_w: float, high_w: float, latency_ms: Quantity) -> str:
    return (
        f"power under load times latency, not a measurement of energy: {low_w:g} to {high_w:g} W "
        f"of {_COVERS[mode.covers]} in power mode {mode.name} (figure given: {_figure(mode)}; it "
        f"is {_POWER_IS[mode.basis]}{_assumed(mode, low_w, high_w)}; source: "
        f"{mode.source.rstrip('.')}) times a latency that is "
        f"{latency_ms.evidence.value}; the interval multiplies low with low and high with high, "
        f"and its {latency_ms.confidence:.0%} are the latency's: they hold if the power is "
        "between its ends"
    )


def _assumed(mode: PowerMode, low_w: float, high_w: float) -> str:
    """Says which ends no source gives."""
    ends = []
    if low_w != mode.low_w:
        ends.append(f"{low_w:g} W")
    if high_w != mode.high_w:
        ends.append(f"{high_w:g} W")
    return f"; {' and '.join(ends)} assumed here, by convention" if ends else ""


def _figure(mode: PowerMode) -> str:
    if mode.low_w == mode.high_w:
        return f"{mode.low_w:g} W"
    return f"{mode.low_w:g} to {mode.high_w:g} W"
