from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from edgedistill.core.teacher import Model
from edgedistill.errors import PromiseError
from edgedistill.models import Network
from edgedistill.stages.distill.saving import save_proven

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset


class Secretive(nn.Module):
    """Keeps a tensor where no state dict finds it."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.head = nn.Linear(64, 10)
        self.offset = torch.full((10,), offset)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(pixels.flatten(1)) + self.offset


def test_what_the_file_does_not_hold_is_noticed(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    made = network()
    start = Network(Secretive(0.0), Model(source="live:x"), made.signature, made.preprocessing)
    trained = replace(start, module=Secretive(1.0))
    with pytest.raises(PromiseError, match="register it as a buffer"):
        save_proven(trained, start, digits().validation, folder("one"), stage="train")
    honest = replace(start, module=Secretive(0.0))
    save_proven(honest, start, digits().validation, folder("two"), stage="train")
