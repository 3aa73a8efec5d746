"""Two steps before the cut: what narrowing each part saves, and which widths reach the goal.

They ask for prices, which may be measured, so they are steps of their own: what they found is
stored, and the cut is a pure function of it.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from pydantic import Field

from edgedistill.core.pruned import Pruned
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import Strict, plain
from edgedistill.stages.prune.account import Tried, account
from edgedistill.stages.prune.accuracy import validation_accuracy
from edgedistill.stages.prune.cuts import Cuts
from edgedistill.stages.prune.ledger import Desk, Ledger, read_batches
from edgedistill.stages.prune.macs import count_macs, count_parameters
from edgedistill.stages.prune.priced import STEPS, PricedSearch
from edgedistill.stages.prune.samples import Samples
from edgedistill.stages.prune.survey import require_cuttable, survey
from edgedistill.stages.prune.table import GRIDS, narrowest_on, probes
from edgedistill.stages.prune.unreachable import unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.pruning import Prune
    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset
    from edgedistill.models.network import Network
    from edgedistill.stages.prune.pricing import Price, Pricing
    from edgedistill.stages.prune.search import Widths
    from edgedistill.stages.prune.survey import Survey

FOUND = "widths.json"
_LOOKED_AT = 1024
"""So many validation samples at most tell how accurate a candidate is before recovery."""


class Cut(Strict):
    """One cut of a pruning history."""

    layer: str
    outputs: bool
    """Whether output channels go, else input channels."""
    channels: tuple[int, ...] = Field(strict=False)


class Searched(Strict):
    """What a search found, complete: the cut needs nothing else."""

    account: Pruned
    history: tuple[Cut, ...] = Field(strict=False)
    attention_heads: dict[str, int]
    untouched: dict[str, str]
    """Layers that keep their width, and why."""

    @property
    def cuts(self) -> Cuts:
        """What goes."""
        history = tuple((cut.layer, cut.outputs, cut.channels) for cut in self.history)
        return Cuts(history, dict(self.attention_heads))


def read_searched(folder: Path) -> Searched:
    """What `WidthSearch` wrote.

    Raises:
        InputError: If it is not whole.
    """
    path = folder / FOUND
    return Searched.read(json.loads(path.read_text(encoding="utf-8")), file=path)


@dataclass(frozen=True)
class LeverPricing:
    """Has networks priced in which one part is narrowed: the table, for any number as the goal.

    Attributes:
        network: What is to be pruned.
        dataset: On whose training samples importance is told where it asks for samples: what
            cannot be scored cannot be narrowed.
        config: The goal's kind and the limits.
        pricing: Who knows the prices.
    """

    network: Network
    dataset: Dataset
    config: Prune
    pricing: Pricing

    def run(self, context: StageContext) -> StageResult:
        """Writes one folder a batch of networks.

        Raises:
            InputError: If a layer to keep does not exist, or there is no way to tell a price.
        """
        torch.set_num_threads(context.threads)
        found = _surveyed(self.network, self.dataset, self.config)
        require_cuttable(found)
        wanted = probes(found.levers, found.limits, networks=self.config.priced_networks)
        ledger = Ledger(Desk(found, self.network, self.pricing, context))
        asked = list(dict.fromkeys((*_narrowest(found), *wanted)))
        ledger.ask(asked)
        ledger.keep()
        return StageResult(facts={"networks": len(asked), "unpruned": plain(ledger.unpruned)})


@dataclass(frozen=True)
class WidthSearch:
    """Searches the widths whose price is what was asked.

    Attributes:
        network: What is to be pruned.
        dataset: Whose validation split tells how accurate candidates are before recovery, and on
            whose training samples importance is told where it asks for samples.
        config: The goal and the limits.
        pricing: Who knows the prices.
        table: The folder that `LeverPricing` filled.
    """

    network: Network
    dataset: Dataset
    config: Prune
    pricing: Pricing
    table: Path

    def run(self, context: StageContext) -> StageResult:
        """Writes `widths.json` and one folder a batch of networks.

        Raises:
            InputError: If the goal cannot be reached; it names the nearest that can.
        """
        torch.set_num_threads(context.threads)
        found = _surveyed(self.network, self.dataset, self.config)
        desk = Desk(found, self.network, self.pricing, context)
        ledger = Ledger(desk, read_batches(self.table))
        table = len(ledger.batches)
        with context.progress.track("Searching widths", STEPS) as advance:
            search = PricedSearch(ledger, self.config.asked, advance)
            chosen = search.run()
            if chosen is None and self.config.round_to is None:
                ledger.desk = replace(desk, found=found.below_step())
                self._price_below_step(ledger)
                chosen = search.run()
        if chosen is None:
            raise unreachable(
                ledger.desk.found,
                self.config,
                lambda surveys: _reach(desk, surveys),
                unpruned=ledger.unpruned.value,
            )
        ledger.keep()
        looked_at = {widths for batch in ledger.batches[table:] for widths in batch.widths}
        searched = self._searched(search, chosen, looked_at | {chosen})
        text = json.dumps(plain(searched), indent=1, sort_keys=True, allow_nan=False)
        (context.folder / FOUND).write_text(text + "\n", encoding="utf-8")
        return StageResult(
            facts={
                "asked": self.config.asked,
                "reached": searched.account.reached,
                "cost": plain(searched.account.taken.cost),
                "unpruned": plain(searched.account.unpruned),
                "networks": len(searched.account.candidates),
            }
        )

    def _price_below_step(self, ledger: Ledger) -> None:
        """What the table lacks: networks whose parts are narrower than the smallest multiple."""
        known, found = ledger.shares, ledger.desk.found
        wanted = probes(found.levers, found.limits, networks=self.config.priced_networks)
        asked = dict.fromkeys((*_narrowest(found), *wanted))
        ledger.ask([widths for widths in asked if widths not in known])

    def _searched(self, search: PricedSearch, chosen: Widths, looked_at: set[Widths]) -> Searched:
        ledger, found = search.ledger, search.ledger.desk.found
        unpruned = ledger.unpruned
        known = ledger.known
        tried = {
            widths: self._tried(found, widths, known[widths], unpruned, look=widths in looked_at)
            for widths in known
        }
        if chosen not in tried:  # the unpruned network itself
            whole = _Counts.of(found.module, found)
            accuracy = validation_accuracy(
                found.module, found.signature, self.dataset, samples=_LOOKED_AT
            )
            form = ledger.batches[0].prices.form
            tried[chosen] = Tried(unpruned, form, whole.macs, whole.parameters, accuracy)
        cuts = found.cuts(chosen)
        return Searched(
            account=account(
                found,
                self.config,
                tried,
                chosen=chosen,
                unpruned=unpruned,
                margin=search.margin,
            ),
            history=tuple(
                Cut(layer=layer, outputs=outputs, channels=channels)
                for layer, outputs, channels in cuts.history
            ),
            attention_heads=cuts.attention_heads,
            untouched={item.layer: item.reason for item in found.untouched},
        )

    def _tried(
        self,
        found: Survey,
        widths: Widths,
        prices: Sequence[Price],
        unpruned: Quantity,
        *,
        look: bool,
    ) -> Tried:
        module = found.network(widths).eval()
        counts = _Counts.of(module, found)
        accuracy = None
        if look:
            accuracy = validation_accuracy(
                module, found.signature, self.dataset, samples=_LOOKED_AT
            )
        form = prices[-1].form
        return Tried(_cost(prices, unpruned), form, counts.macs, counts.parameters, accuracy)


@dataclass(frozen=True)
class _Counts:
    macs: int
    parameters: int

    @classmethod
    def of(cls, module: nn.Module, found: Survey) -> _Counts:
        return cls(count_macs(module, found.signature.zeros()), count_parameters(module))


def _cost(prices: Sequence[Price], unpruned: Quantity) -> Quantity:
    """The middle of all prices of a network, in the goal's unit."""
    ranked = sorted(prices, key=lambda price: price.share)
    middle = len(ranked) // 2
    around = (ranked[middle], ranked[-1 - middle])  # one and the same where their number is odd
    value = math.fsum(price.share for price in around) / 2
    low = min(value, *(price.low for price in around))
    high = max(value, *(price.high for price in around))
    scale = unpruned.value
    return unpruned.model_copy(
        update={"value": value * scale, "low": low * scale, "high": high * scale}
    )


def _surveyed(network: Network, dataset: Dataset, config: Prune) -> Survey:
    """The levers of a network, of a copy in eval mode whose parameters all want a gradient."""
    module = copy.deepcopy(network.module).eval().requires_grad_(requires_grad=True)
    samples = Samples(dataset.train, config.importance_samples, network.signature)
    return survey(module, network.signature, config, samples)


def _narrowest(found: Survey) -> tuple[Widths, ...]:
    """The smallest network on each grid: kernels may run the coarser one quicker."""
    return tuple(narrowest_on(found.levers, found.limits, every) for every in GRIDS)


def _reach(desk: Desk, surveys: Sequence[Survey]) -> list[float]:
    """The least price of the narrowest networks of each survey."""
    folder = desk.context.folder / "reach"
    folder.mkdir()
    narrow = [
        Desk(one, desk.unpruned, desk.pricing, desk.context).network(widths)
        for one in surveys
        for widths in _narrowest(one)
    ]
    prices = desk.pricing.prices(desk.unpruned, narrow, folder, desk.context)
    shares = [price.share for price in prices.networks]
    return [min(shares[at : at + len(GRIDS)]) for at in range(0, len(shares), len(GRIDS))]
