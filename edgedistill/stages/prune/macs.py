"""Counting a network's multiply-accumulates and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from edgedistill.models.signature import logits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn


def count_macs(module: nn.Module, inputs: Mapping[str, torch.Tensor]) -> int:
    """Multiply-accumulates of one forward pass: convolutions, linear layers, matrix products.

    The same count as on the exported graph's Conv, Gemm and MatMul operators: additions of a
    bias, normalization and activations are left out, and the two products inside attention are
    counted (the fused attention kernel hides them, so the plain one is asked for).

    Args:
        module: The network; it is called as it is, without gradients.
        inputs: One sample, [1, ...] each.
    """
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        logits(module, inputs)
    return int(counter.get_total_flops()) // 2


def count_parameters(module: nn.Module) -> int:
    """Numbers the network learned (running statistics are not among them)."""
    return sum(parameter.numel() for parameter in module.parameters())
