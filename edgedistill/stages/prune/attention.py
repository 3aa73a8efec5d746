"""Multi-head attention: where it is in a network, and how many heads it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROJECTIONS = (
    ("query", "key", "value"),
    ("q_proj", "k_proj", "v_proj"),
    ("q_lin", "k_lin", "v_lin"),
    ("qkv",),
)
_THIRDS_FIRST = (2, 0, 3, 1, 4)
"""How one fused projection, seen as [batch, tokens, 3, heads, width of a head], is turned so that
queries, keys and values come first and can be told apart."""
_HEAD_COUNTS = ("num_attention_heads", "num_heads", "n_heads")
_FIXED_WIDTHS = ("embed_dim", "dim")
"""Attributes that some modules use for the width of all heads and for the residual stream's at
once: they cannot follow when heads go."""


@dataclass(frozen=True)
class Attention:
    """A module that projects to queries, keys and values and splits them into heads.

    Attributes:
        name: The module's dotted name.
        projections: Dotted names of the three linear layers, or of the one that is all three.
        heads: How many heads it has.
    """

    name: str
    projections: tuple[str, ...]
    heads: int

    def members(self, channels: int) -> tuple[tuple[int, ...], ...]:
        """For each head the channels of a projection that are its own.

        Args:
            channels: How many the projection has: those of the queries (keys, values alike), or
                those of all three one after the other where it is fused.
        """
        thirds = 3 if len(self.projections) == 1 else 1
        width = channels // thirds // self.heads
        return tuple(
            tuple(
                channel
                for third in range(thirds)
                for start in [(third * self.heads + head) * width]
                for channel in range(start, start + width)
            )
            for head in range(self.heads)
        )


def find_attention(graph: Any) -> tuple[Attention, ...]:
    """All attention modules whose heads can be removed one by one.

    They hold three linear layers of equal width under the names that transformers models use, or
    a fused one called `qkv`, and say how many heads they have. Others (grouped queries, a fused
    projection that is split in another order) are not among them.

    Args:
        graph: torch-pruning's dependency graph of the network.
    """
    found = (_attention(name, layer) for name, layer in graph.model.named_modules())
    return tuple(
        attention
        for attention in found
        if attention and (len(attention.projections) > 1 or _is_thirds(graph, attention))
    )


def _attention(name: str, module: nn.Module) -> Attention | None:
    children = dict(module.named_children())
    names = next((known for known in _PROJECTIONS if all(part in children for part in known)), None)
    if names is None:
        return None
    layers = [children[part] for part in names]
    widths = {layer.out_features for layer in layers if isinstance(layer, nn.Linear)}
    counts = [getattr(module, key) for key in _HEAD_COUNTS if hasattr(module, key)]
    if not all(isinstance(layer, nn.Linear) for layer in layers) or len(widths) != 1 or not counts:
        return None
    width, heads = widths.pop() // (3 if len(layers) == 1 else 1), int(counts[0])
    if heads < 1 or width % heads or any(hasattr(module, key) for key in _FIXED_WIDTHS):
        return None
    prefix = f"{name}." if name else ""
    return Attention(name, tuple(prefix + part for part in names), heads)


def _is_thirds(graph: Any, attention: Attention) -> bool:
    """Whether the fused projection gives all queries, then all keys, then all values.

    Read from the operations that follow it. Of the ways in which networks take it apart this is
    the one (timm's) whose channels torch-pruning follows into the next layer.
    """
    node = graph.module2node.get(graph.model.get_submodule(attention.projections[0]))
    operations = [] if node is None else [step.grad_fn for step in _chain(node)]
    turned = [step for step in operations if step.name() == "PermuteBackward0"]
    return (
        len(turned) == 1
        and tuple(turned[0]._saved_dims) == _THIRDS_FIRST
        and operations[-1].name() == "UnbindBackward0"
        and operations[-1]._saved_dim == 0
    )


def _chain(node: Any) -> Iterator[Any]:
    """The nodes that follow one, as long as each has one follower that only reshapes or parts."""
    while len(node.outputs) == 1:
        node = node.outputs[0]
        kind = node.grad_fn.name()
        if not kind.startswith(("View", "UnsafeView", "Reshape", "Permute", "Unbind")):
            return
        yield node
        if kind == "UnbindBackward0":
            return
