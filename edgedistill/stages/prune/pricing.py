"""What candidates cost, asked through one door: whoever knows the target answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pydantic import Field

from edgedistill.core.evidence import Quantity
from edgedistill.core.strict import Strict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.core.stage import StageContext
    from edgedistill.models.network import Network


class Price(Strict):
    """What one network costs, beside the unpruned one that was priced with it.

    A share and not a figure: on a machine whose pace drifts, the share stays.
    """

    share: float = Field(gt=0)
    """Of the unpruned network's cost."""
    low: float = Field(ge=0)
    """Lower end of the share's interval."""
    high: float = Field(gt=0)
    """Its upper end."""
    form: str
    """The form in which it is cheapest, for instance fp32 or int8."""


class Prices(Strict):
    """The prices of some networks under equal conditions."""

    unpruned: Quantity
    """Cost of the unpruned network in its cheapest form, in the goal's unit."""
    form: str
    """That form."""
    networks: tuple[Price, ...] = Field(strict=False)
    """In the order in which they were asked for."""


class Pricing(Protocol):
    """Knows what a network costs where it will ship."""

    @property
    def exact(self) -> bool:
        """Whether the same network has the same price each time, as what is counted has."""
        ...

    def prices(
        self, unpruned: Network, networks: Sequence[Network], folder: Path, context: StageContext
    ) -> Prices:
        """The prices of some networks.

        Args:
            unpruned: The network that they were cut from; it is priced with them.
            networks: Pruned networks, not yet recovered: only their shapes count.
            folder: An empty folder of its own; what was measured is kept there.
            context: Seed, threads and progress.

        Raises:
            InputError: If there is no way to tell the price.
        """
        ...
