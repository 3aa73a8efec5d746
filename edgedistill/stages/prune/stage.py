"""Pruning whole channels to a share of the network's multiply-accumulates."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgedistill.core.stage import StageContext, StageResult
from edgedistill.errors import PromiseError
from edgedistill.models.network import Network, load, save
from edgedistill.models.signature import logits
from edgedistill.stages.prune.cuts import cut, layer_widths
from edgedistill.stages.prune.macs import count_macs, count_parameters
from edgedistill.stages.prune.plan import plan
from edgedistill.tasks.evaluation import evaluate

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from edgedistill.core.recipe import Prune
    from edgedistill.data.dataset import Dataset
    from edgedistill.models.sources import Live
    from edgedistill.stages.prune.cuts import Cuts

BATCH = 256
_REMEDY = "This is a fault in edgedistill or in how the network is built; please report it"


@dataclass(frozen=True)
class Pruning:
    """Removes whole channels and attention heads until the MACs are what was asked.

    Attributes:
        network: What is pruned; it stays as it is.
        dataset: Whose validation split tells the accuracy before and after.
        config: How much is pruned, and what is kept.
        base: The folder relative paths of the network's source are resolved against.
        live: Modules handed in, where the source is `live:`.
    """

    network: Network
    dataset: Dataset
    config: Prune
    base: Path
    live: Live | None = None

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
        accuracy_before = self._accuracy(before)
        planned = plan(before, signature, self.config, context.progress)
        pruned = cut(before, signature, planned.cuts)
        save(self._described(pruned, planned.cuts), context.folder)
        written = load(
            context.folder, model=self.network.model, base=self.base, live=self.live
        ).module
        self._prove_equal(pruned, written)
        macs_before = count_macs(before, signature.zeros())
        macs_after = count_macs(written, signature.zeros())
        self._prove_smaller(macs_before, macs_after)
        return StageResult(
            facts={
                "macs_before": macs_before,
                "macs_after": macs_after,
                "macs_ratio": macs_after / macs_before,
                "parameters_before": count_parameters(before),
                "parameters_after": count_parameters(written),
                "accuracy_before": accuracy_before,
                "accuracy_after": self._accuracy(written),
                "widths": _widths(before, written),
                "attention_heads": dict(planned.cuts.attention_heads),
                "untouched": {item.layer: item.reason for item in planned.untouched},
                "history_length": len(self.network.history) + len(planned.cuts.history),
            }
        )

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
        sample = self._inputs(np.arange(min(BATCH, len(self.dataset.validation))))
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

    def _prove_smaller(self, before: int, after: int) -> None:
        if not after <= self.config.macs_ratio * before:
            raise PromiseError(
                stage="prune",
                promised=f"at most {self.config.macs_ratio:g} of {before} MACs",
                found=f"{after} MACs in the network that was written",
                remedy=_REMEDY,
            )

    def _accuracy(self, module: nn.Module) -> float:
        """Accuracy on the validation split."""
        split = self.dataset.validation
        answers: list[np.ndarray[Any, Any]] = []
        with torch.no_grad():
            for start in range(0, len(split), BATCH):
                indices = np.arange(start, min(start + BATCH, len(split)))
                answers.append(logits(module, self._inputs(indices)).numpy())
        names = self.dataset.class_names
        return evaluate(np.concatenate(answers), split.labels, split.groups, names).accuracy

    def _inputs(self, indices: np.ndarray[Any, Any]) -> dict[str, torch.Tensor]:
        dtypes = self.network.signature.dtypes
        return {
            name: torch.from_numpy(values).to(getattr(torch, dtypes.get(name, "float32")))
            for name, values in self.dataset.validation.batch(indices).items()
        }


def _widths(before: nn.Module, after: nn.Module) -> dict[str, list[int]]:
    """Output channels of each layer before and after."""
    after_widths = layer_widths(after)
    return {name: [width, after_widths[name]] for name, width in layer_widths(before).items()}
