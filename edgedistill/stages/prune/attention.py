"""Multi-head attention: where it is in a network, and how many heads it has."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

_PROJECTIONS = (
    ("query", "key", "value"),
    ("q_proj", "k_proj", "v_proj"),
    ("q_lin", "k_lin", "v_lin"),
)
_HEAD_COUNTS = ("num_attention_heads", "num_heads", "n_heads")
_FIXED_WIDTHS = ("embed_dim", "dim")
"""Attributes that some modules use for the width of all heads and for the residual stream's at
once: they cannot follow when heads go."""


@dataclass(frozen=True)
class Attention:
    """A module that projects to queries, keys and values and splits them into heads.

    Attributes:
        name: The module's dotted name.
        projections: Dotted names of the three linear layers.
        heads: How many heads it has.
    """

    name: str
    projections: tuple[str, ...]
    heads: int


def find_attention(module: nn.Module) -> tuple[Attention, ...]:
    """All attention modules whose heads can be removed one by one.

    They hold three linear layers of equal width under the names that transformers models use,
    and say how many heads they have. Others (grouped queries, one fused projection) are not
    among them.
    """
    found = (_attention(name, layer) for name, layer in module.named_modules())
    return tuple(attention for attention in found if attention is not None)


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
    width, heads = widths.pop(), int(counts[0])
    if heads < 1 or width % heads or any(hasattr(module, key) for key in _FIXED_WIDTHS):
        return None
    prefix = f"{name}." if name else ""
    return Attention(name, tuple(prefix + part for part in names), heads)
