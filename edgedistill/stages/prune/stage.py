"""Pruning whole channels until a network costs what was asked, and proving it."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgedistill.core.stage import StageContext, StageResult
from edgedistill.core.strict import plain
from edgedistill.errors import PromiseError
from edgedistill.models.network import Network, load, save
from edgedistill.models.signature import logits
from edgedistill.stages.prune.accuracy import BATCH, validation_accuracy, validation_inputs
from edgedistill.stages.prune.cuts import cut, layer_widths
from edgedistill.stages.prune.macs import count_macs, count_parameters
from edgedistill.stages.prune.plan import plan
from edgedistill.stages.prune.samples import Samples
from edgedistill.stages.prune.widths import read_searched

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from edgedistill.core.pruned import Pruned
    from edgedistill.core.pruning import Prune
    from edgedistill.data.dataset import Dataset
    from edgedistill.models.sources import Live
    from edgedistill.stages.prune.cuts import Cuts

_REMEDY = "This is a fault in edgedistill or in how the network is built; please report it"


@dataclass(frozen=True)
class _Found:
    """What to cut, what stays untouched and why, and how that was found."""

    cuts: Cuts
    untouched: dict[str, str]
    account: Pruned


@dataclass(frozen=True)
class Pruning:
    """Removes whole channels and attention heads until the cost is what was asked.

    Attributes:
        network: What is pruned; it stays as it is.
        dataset: Whose validation split tells the accuracy before and after.
        config: How much is pruned, and what is kept.
        base: The folder relative paths of the network's source are resolved against.
        live: Modules handed in, where the source is `live:`.
        searched: The folder of a `WidthSearch`, where the goal's cost had to be asked for.
    """

    network: Network
    dataset: Dataset
    config: Prune
    base: Path
    live: Live | None = None
    searched: Path | None = None

    def run(self, context: StageContext) -> StageResult:
        """Prunes, writes the network, and proves the promise on what was written.

        Raises:
            InputError: If a layer to keep does not exist, or the ratio cannot be reached.
            PromiseError: If the written network is not the pruned one, has more MACs than
                allowed, or answers with NaN.
        """
        torch.set_num_threads(context.threads)
        signature = self.network.signature
        before = copy.deepcopy(self.network.module).eval().requires_grad_(requires_grad=True)
        accuracy_before = validation_accuracy(before, signature, self.dataset)
        found = self._found(before, context)
        pruned = cut(before, signature, found.cuts)
        save(self._described(pruned, found.cuts), context.folder)
        written = load(
            context.folder, model=self.network.model, base=self.base, live=self.live
        ).module
        self._prove_equal(pruned, written)
        macs_before = count_macs(before, signature.zeros())
        macs_after = count_macs(written, signature.zeros())
        self._prove_narrow(written, found.account)
        return StageResult(
            facts={
                "macs_before": macs_before,
                "macs_after": macs_after,
                "macs_ratio": macs_after / macs_before,
                "parameters_before": count_parameters(before),
                "parameters_after": count_parameters(written),
                "accuracy_before": accuracy_before,
                "accuracy_after": validation_accuracy(written, signature, self.dataset),
                "widths": _widths(before, written),
                "attention_heads": dict(found.cuts.attention_heads),
                "untouched": found.untouched,
                "history_length": len(self.network.history) + len(found.cuts.history),
                "search": plain(found.account),
            }
        )

    def _found(self, module: nn.Module, context: StageContext) -> _Found:
        """What to cut: as it was searched before, or searched now where it is only counted."""
        if self.searched is not None:
            searched = read_searched(self.searched)
            return _Found(searched.cuts, searched.untouched, searched.account)
        signature = self.network.signature
        samples = Samples(self.dataset.train, self.config.importance_samples, signature)
        planned = plan(module, signature, self.config, context.progress, samples=samples)
        untouched = {item.layer: item.reason for item in planned.untouched}
        return _Found(planned.cuts, untouched, planned.account)

    def _described(self, pruned: nn.Module, cuts: Cuts) -> Network:
        """The pruned network with everything that was ever cut from it."""
        return dataclasses.replace(
            self.network,
            module=pruned,
            history=(*self.network.history, *cuts.history),
            attention_heads={**self.network.attention_heads, **cuts.attention_heads},
        )

    def _prove_equal(self, pruned: nn.Module, written: nn.Module) -> None:
        """The network made again from its source must answer bit for bit as the pruned one."""
        indices = np.arange(min(BATCH, len(self.dataset.validation)))
        sample = validation_inputs(self.network.signature, self.dataset, indices)
        with torch.no_grad():
            expected, found = logits(pruned, sample), logits(written, sample)
        shape = (len(expected), self.network.signature.classes)
        if tuple(found.shape) != shape or not torch.equal(expected, found):
            raise PromiseError(
                stage="prune",
                promised=f"a network that is made again bit for bit, answering {shape}",
                found=f"answers of shape {tuple(found.shape)} that differ",
                remedy=_REMEDY,
            )

    def _prove_narrow(self, written: nn.Module, account: Pruned) -> None:
        """The written network must count what the search counted, and no more than was asked."""
        taken = account.taken
        macs = count_macs(written, self.network.signature.zeros())
        found = {"MACs": macs, "parameters": count_parameters(written)}
        limit = found.get(account.unit, 0) <= account.limit
        if not limit or found != {"MACs": taken.macs, "parameters": taken.parameters}:
            raise PromiseError(
                stage="prune",
                promised=f"{taken.macs} MACs and {taken.parameters} parameters, and at most "
                f"{account.limit:g} {account.unit}",
                found=f"{found['MACs']} MACs and {found['parameters']} parameters in the network "
                "that was written",
                remedy=_REMEDY,
            )


def _widths(before: nn.Module, after: nn.Module) -> dict[str, list[int]]:
    """Output channels of each layer before and after."""
    after_widths = layer_widths(after)
    return {name: [width, after_widths[name]] for name, width in layer_widths(before).items()}
