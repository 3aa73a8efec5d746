from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from edgedistill.models import Signature, logits


class _Difference(nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=left - right)


def test_inputs_go_in_by_position_and_logits_are_taken_from_a_structured_answer() -> None:
    inputs = {"b": torch.tensor([[3.0]]), "a": torch.tensor([[1.0]])}
    assert logits(_Difference(), inputs).item() == 2.0


def test_zeros_have_the_batch_axis_and_the_declared_types() -> None:
    signature = Signature({"ids": (7,), "x": (2, 3)}, 2, {"ids": "int64"})
    zeros = signature.zeros(batch=4)
    assert {name: (value.shape, value.dtype) for name, value in zeros.items()} == {
        "ids": ((4, 7), torch.int64),
        "x": ((4, 2, 3), torch.float32),
    }
