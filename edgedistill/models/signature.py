"""What a network takes and gives, and how it is called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Signature:
    """What a network takes and gives.

    Attributes:
        inputs: Name to shape without the batch axis, in the positional order of `forward()`.
        classes: How many classes it tells apart: it gives logits [batch, classes].
        dtypes: Name to the input's type; float32 where a name is absent.
    """

    inputs: Mapping[str, tuple[int, ...]]
    classes: int
    dtypes: Mapping[str, str] = field(default_factory=dict)

    def zeros(self, batch: int = 1) -> dict[str, torch.Tensor]:
        """Inputs of zeros [batch, ...], for tracing and checking."""
        return {
            name: torch.zeros(batch, *shape, dtype=getattr(torch, self.dtypes.get(name, "float32")))
            for name, shape in self.inputs.items()
        }


def logits(module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Calls the network with its inputs by position and gives its logits [batch, classes].

    Where the network answers with a mapping-like output that has `.logits` (transformers do),
    those are taken.
    """
    answer = module(*inputs.values())
    taken: torch.Tensor = getattr(answer, "logits", answer)
    return taken
