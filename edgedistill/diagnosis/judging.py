"""From what operators cost to how much a finding about them matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.findings import Severity

if TYPE_CHECKING:
    from edgedistill.core.findings import Cost


def by_cost(cost: Cost | None, *, high: float = 2.0, medium: float = 0.05) -> Severity:
    """The severity of a finding by the share of the network that its operators take.

    Args:
        cost: What they cost; unknown counts as medium.
        high: From this share on it is high; never where it is above 1.
        medium: From this share on it is medium; below it is low.
    """
    if cost is None:
        return Severity.MEDIUM
    if cost.share_fraction >= high:
        return Severity.HIGH
    return Severity.MEDIUM if cost.share_fraction >= medium else Severity.LOW
