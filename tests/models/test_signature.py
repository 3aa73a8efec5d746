from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from edgedistill.models import Signature, logits
from edgedistill.models.signature import example_inputs


class _Difference(nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=left - right)


def test_inputs_go_in_by_position_and_logits_are_taken_from_a_structured_answer() -> None:
    inputs = {"b": torch.tensor([[3.0]]), "a": torch.tensor([[1.0]])}
    assert logits(_Difference(), inputs).item() == 2.0


class _Difference3(nn.Module):
    def forward(
        self, left: torch.Tensor, unused: torch.Tensor | None = None, right: int = 0
    ) -> torch.Tensor:
        assert unused is None
        return left - right


def test_several_inputs_go_in_by_name_where_the_network_has_their_names() -> None:
    inputs = {"right": torch.tensor([[3.0]]), "left": torch.tensor([[1.0]])}
    assert logits(_Difference(), inputs).item() == -2.0
    assert logits(_Difference3(), inputs).item() == -2.0
    signature = Signature({"right": (1,), "left": (1,)}, 1)
    assert list(example_inputs(_Difference(), signature)) == ["right", "left"]
    other = Signature({"a": (1,), "left": (1,)}, 1)
    assert isinstance(example_inputs(_Difference(), other), tuple)


def test_zeros_have_the_batch_axis_and_the_declared_types() -> None:
    signature = Signature({"ids": (7,), "x": (2, 3)}, 2, {"ids": "int64"})
    zeros = signature.zeros(batch=4)
    assert {name: (value.shape, value.dtype) for name, value in zeros.items()} == {
        "ids": ((4, 7), torch.int64),
        "x": ((4, 2, 3), torch.float32),
    }
