"""What a network takes and gives, and how it is called."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Signature:
    """What a network takes and gives.

    Attributes:
        inputs: Name to shape without the batch axis; in the positional order of `forward()` where
            its parameters have other names.
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


def takes_names(module: torch.nn.Module, names: Iterable[str]) -> bool:
    """Whether inputs go to the network by name: there are several and `forward()` has them all.

    A single input goes by position, whatever it is called.
    """
    wanted = tuple(names)
    if len(wanted) < 2:
        return False
    parameters = inspect.signature(module.forward).parameters
    return all(
        name in parameters and parameters[name].kind is parameters[name].POSITIONAL_OR_KEYWORD
        for name in wanted
    )


def logits(module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Calls the network with its inputs and gives its logits [batch, classes].

    Several inputs go by name where `forward()` has parameters of all their names (those of
    transformers do, in an order of their own), else by position.

    Where the network answers with a mapping-like output that has `.logits` (transformers do),
    those are taken.
    """
    answer = module(**inputs) if takes_names(module, inputs) else module(*inputs.values())
    taken: torch.Tensor = getattr(answer, "logits", answer)
    return taken


class Positional(torch.nn.Module):
    """A network as one that takes its inputs as a tuple and answers with its logits."""

    def __init__(self, network: torch.nn.Module, inputs: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.inputs = inputs

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Inputs [batch, ...] in the signature's order to logits [batch, classes]."""
        return logits(self.network, dict(zip(self.inputs, inputs, strict=True)))


def example_inputs(
    module: torch.nn.Module, signature: Signature
) -> dict[str, torch.Tensor] | tuple[torch.Tensor, ...]:
    """One sample of zeros as a tracer hands it to the network: by name, or by position."""
    zeros = signature.zeros()
    return zeros if takes_names(module, zeros) else tuple(zeros.values())
