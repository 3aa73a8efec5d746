"""The samples a network is shown so that its channels can be judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgedistill.core.labels import UNLABELLED
from edgedistill.models.signature import logits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from edgedistill.data.dataset import Split
    from edgedistill.models.signature import Signature

BATCH = 32


@dataclass(frozen=True)
class Samples:
    """Some samples of a split, always the same ones.

    Attributes:
        split: Whose samples they are; view 0 of each.
        count: How many, evenly spaced over the split; all where it has fewer.
        signature: What the network takes.
    """

    split: Split
    count: int
    signature: Signature

    def batches(self, size: int = BATCH) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        """Network inputs [batch, ...] and labels [batch], UNLABELLED where they may not be used."""
        whole = len(self.split)
        chosen = np.unique(np.linspace(0, whole - 1, min(self.count, whole)).round().astype(int))
        for start in range(0, len(chosen), size):
            indices = chosen[start : start + size]
            yield (
                {name: self._tensor(name, raw) for name, raw in self.split.batch(indices).items()},
                torch.from_numpy(np.asarray(self.split.labels[indices])),
            )

    def _tensor(self, name: str, values: np.ndarray) -> torch.Tensor:
        dtype = self.signature.dtypes.get(name, "float32")
        return torch.from_numpy(values).to(getattr(torch, dtype))


def total_loss(
    module: nn.Module, inputs: dict[str, torch.Tensor], labels: torch.Tensor
) -> torch.Tensor:
    """Cross entropy summed over a batch; what has no label is held against the own answer.

    Args:
        module: The network in eval mode.
        inputs: [batch, ...] each.
        labels: int64 [batch], UNLABELLED where none may be used.
    """
    answers = logits(module, inputs)
    targets = torch.where(labels == UNLABELLED, answers.detach().argmax(dim=1), labels)
    return torch.nn.functional.cross_entropy(answers, targets, reduction="sum")
