"""Pruning again what was pruned: layers are cut, weights are loaded after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from edgedistill.errors import Fault, InputError
from edgedistill.models.signature import example_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.models.signature import Signature

History = tuple[tuple[str, bool, tuple[int, ...]], ...]
"""Each cut: the layer's name, whether output channels went (else input), and which."""

_HEAD_COUNTS = ("num_attention_heads", "num_heads", "n_heads")
_QUERIES = ("query", "q_proj", "q_lin", "q")
_FUSED = "qkv"
"""One layer that gives queries, keys and values."""


def replay(
    module: torch.nn.Module, signature: Signature, history: History, *, file: Path | None = None
) -> None:
    """Cuts the channels again that a history names, in a network that is freshly built.

    Args:
        module: The network; it is changed.
        signature: What it takes, for tracing.
        history: The cuts, in the order in which they were made.
        file: Where the history stands, for the error.

    Raises:
        InputError: If the history does not fit the network.
    """
    if not history:
        return
    known = {name for name, _ in module.named_modules()}
    unknown = sorted({name for name, _, _ in history} - known)
    if unknown:
        raise _misfit(file, f"there is no layer {', '.join(unknown)}")
    import torch_pruning

    trained = {name: value.requires_grad for name, value in module.named_parameters()}
    module.requires_grad_(requires_grad=True)  # tracing follows gradients
    graph = torch_pruning.DependencyGraph()
    try:
        with torch.enable_grad():
            graph.build_dependency(
                module,
                example_inputs=example_inputs(module, signature),
                output_transform=lambda answer: getattr(answer, "logits", answer),
                verbose=False,
            )
            graph.load_pruning_history(
                [[name, outputs, list(indices)] for name, outputs, indices in history]
            )
    except (AttributeError, AssertionError, LookupError, RuntimeError, ValueError) as error:
        raise _misfit(file, f"{type(error).__name__}: {error}") from error
    for name, value in module.named_parameters():
        value.requires_grad_(trained[name])


def set_attention_heads(module: torch.nn.Module, heads: Mapping[str, int]) -> None:
    """Sets the head counts that attention modules keep for themselves after heads were pruned.

    Args:
        module: The network; it is changed.
        heads: Module name to the heads left in it.

    Raises:
        InputError: If there is no such module, or it keeps no head count.
    """
    for name, count in heads.items():
        try:
            attention = module.get_submodule(name)
        except AttributeError as error:
            raise _misfit(None, f"there is no module {name}") from error
        keys = [key for key in _HEAD_COUNTS if hasattr(attention, key)]
        if not keys:
            raise _misfit(None, f"{name} keeps no head count under {', '.join(_HEAD_COUNTS)}")
        for key in keys:
            setattr(attention, key, count)
        _set_sizes(attention, count)


def _set_sizes(attention: torch.nn.Module, heads: int) -> None:
    """The sizes that follow from the head count, where the module keeps them."""
    shares = {**dict.fromkeys(_QUERIES, 1), _FUSED: 3}
    widths = (
        layer.out_features // share
        for key, share in shares.items()
        if isinstance(layer := getattr(attention, key, None), torch.nn.Linear)
    )
    width = next(widths, None)
    if width is None:
        return
    for key, size in (
        ("all_head_size", width),
        ("attention_head_size", width // heads),
        ("head_dim", width // heads),
    ):
        if hasattr(attention, key):
            setattr(attention, key, size)


def _misfit(file: Path | None, reason: str) -> InputError:
    return InputError(
        Fault(
            file=file,
            field="history",
            problem=f"the pruning history does not fit the network ({reason})",
            remedy="Use the source the network was pruned from, or remove the folder and run again",
        )
    )
