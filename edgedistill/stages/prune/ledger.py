"""All prices that were asked for in one search, on disk as soon as they are known."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from edgedistill.core.strict import Strict, plain
from edgedistill.errors import InputError
from edgedistill.stages.prune.pricing import Price, Prices
from edgedistill.store import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.stage import StageContext
    from edgedistill.models.network import Network
    from edgedistill.stages.prune.pricing import Pricing
    from edgedistill.stages.prune.search import Widths
    from edgedistill.stages.prune.survey import Survey

RECORD = "prices.json"
BATCH = 8
"""So many networks are priced side by side."""


class Batch(Strict):
    """Networks that were priced side by side."""

    widths: tuple[Annotated[tuple[int, ...], Field(strict=False)], ...] = Field(strict=False)
    """Units left in each lever, of each network."""
    prices: Prices


@dataclass(frozen=True)
class Desk:
    """Where prices are asked for.

    Attributes:
        found: The levers of the unpruned network.
        unpruned: That network.
        pricing: Who knows the prices.
        context: Of the step; in its checkpoint folder lies what a killed step had asked.
    """

    found: Survey
    unpruned: Network
    pricing: Pricing
    context: StageContext

    def network(self, widths: Widths) -> Network:
        """The network at these widths, not recovered."""
        cuts = self.found.cuts(widths)
        return replace(
            self.unpruned,
            module=self.found.network(widths),
            history=(*self.unpruned.history, *cuts.history),
            attention_heads={**self.unpruned.attention_heads, **cuts.attention_heads},
        )

    @property
    def work(self) -> Path:
        """Where batches are kept while the step is at work."""
        return self.context.checkpoint or self.context.folder


@dataclass
class Ledger:
    """The prices, and the one place where new ones are asked for."""

    desk: Desk
    batches: list[Batch] = field(default_factory=list)
    """All there are, those of earlier steps first."""
    _own: int = 0
    """How many batches this step has asked for."""

    def ask(self, networks: Sequence[Widths]) -> None:
        """Has networks priced, side by side in batches."""
        for start in range(0, len(networks), BATCH):
            self._batch(networks[start : start + BATCH])

    @property
    def unpruned(self) -> Quantity:
        """What the unpruned network costs: the batch in the middle, so that none leads astray."""
        seen = sorted((batch.prices.unpruned for batch in self.batches), key=lambda one: one.value)
        return seen[(len(seen) - 1) // 2]

    @property
    def known(self) -> dict[Widths, list[Price]]:
        """All prices of each network."""
        found: dict[Widths, list[Price]] = {}
        for batch in self.batches:
            for widths, price in zip(batch.widths, batch.prices.networks, strict=True):
                found.setdefault(widths, []).append(price)
        return found

    @property
    def shares(self) -> dict[Widths, float]:
        """The share of the unpruned cost that each network comes to: its middle price."""
        return {
            widths: median(price.share for price in prices) for widths, prices in self.known.items()
        }

    def keep(self) -> None:
        """Puts what this step asked for into its folder, which lasts."""
        if self.desk.work == self.desk.context.folder:
            return
        for number in range(1, self._own + 1):
            source = self.desk.work / _name(number)
            shutil.copytree(source, self.desk.context.folder / source.name)

    def _batch(self, networks: Sequence[Widths]) -> None:
        self._own += 1
        folder = self.desk.work / _name(self._own)
        batch = _read(folder, networks)
        if batch is None:
            if folder.exists():
                shutil.rmtree(folder)  # of a step that was killed at it
            folder.mkdir()
            desk = self.desk
            cut = [desk.network(widths) for widths in networks]
            prices = desk.pricing.prices(desk.unpruned, cut, folder, desk.context)
            batch = Batch(widths=tuple(networks), prices=prices)
            text = json.dumps(plain(batch), indent=1, sort_keys=True, allow_nan=False)
            write_file(folder / RECORD, (text + "\n").encode())
        self.batches.append(batch)


def read_batches(folder: Path) -> list[Batch]:
    """The batches that a finished step keeps, in order.

    Raises:
        InputError: If one is damaged.
    """
    return [
        Batch.read(json.loads(path.read_text(encoding="utf-8")), file=path)
        for path in sorted(folder.glob(f"batch-*/{RECORD}"))
    ]


def _read(folder: Path, networks: Sequence[Widths]) -> Batch | None:
    """What a killed step had asked already; None where it is not this, or not whole."""
    path = folder / RECORD
    try:
        batch = Batch.read(json.loads(path.read_text(encoding="utf-8")), file=path)
    except (OSError, ValueError, InputError):
        return None  # it is asked for anew
    return batch if batch.widths == tuple(networks) else None


def _name(number: int) -> str:
    return f"batch-{number:03}"
