"""Activations in the numbers that the device will have, while a network learns.

On the device what a convolution gives is kept in eight bits, also where nothing but an addition
reads it: a residual stream is rounded at every block. So the operators of a network are followed
as they run, by the rules by which quantizers are placed (`stages/quantize/placement.py`): what an
operator in eight bits gives is rounded where it is read, after the activation that is fused into
it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

from edgedistill.stages.distill.rounded_numbers import round_activations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import Tensor, nn

    from edgedistill.stages.distill.rounded_numbers import Rounding

_CONVOLUTIONS = frozenset(f"conv{kind}{axes}d" for kind in ("", "_transpose") for axes in (1, 2, 3))
_HEAVY = _CONVOLUTIONS | {"linear"}
"""What reads eight bits, and gives them."""

_FUSED = frozenset(
    {"batch_norm", "clamp", "clamp_", "clamp_min", "clip", "contiguous", "dropout", "float"}
    | {"hardtanh", "hardtanh_", "relu", "relu6", "relu_", "to"}
)
"""What the operator before takes up, so that nothing is rounded in between; or does nothing."""

_KEEPS = frozenset(
    {"__getitem__", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "add", "add_", "avg_pool1d"}
    | {"avg_pool2d", "cat", "chunk", "concat", "flatten", "interpolate", "max_pool1d"}
    | {"max_pool2d", "mean", "pad", "permute", "pixel_shuffle", "pixel_unshuffle", "reshape"}
    | {"split", "squeeze", "transpose", "unsqueeze", "view"}
)
"""What runs in eight bits where all it reads comes in eight bits."""

_LOOKS = frozenset({"__get__", "dim", "is_contiguous", "numel", "size", "stride"})
"""What reads no values."""


@contextmanager
def rounded_activations(module: nn.Module, rounding: Rounding) -> Iterator[None]:
    """Inside, each call of the network rounds its activations.

    Args:
        module: The network.
        rounding: How numbers are rounded.
    """
    calls: list[_Rounds] = []

    def enter(*_: Any) -> None:
        calls.append(_Rounds(rounding))
        calls[-1].__enter__()  # type: ignore[no-untyped-call]

    def leave(*_: Any) -> None:
        calls.pop().__exit__(None, None, None)  # type: ignore[no-untyped-call]

    handles = [
        module.register_forward_pre_hook(enter),
        module.register_forward_hook(leave, always_call=True),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Rounds(TorchFunctionMode):
    """Follows one call of a network from operator to operator."""

    def __init__(self, rounding: Rounding) -> None:
        super().__init__()
        self._rounding = rounding
        self._in_int8: Any = WeakTensorKeyDictionary()
        """What operators in few bits gave, not rounded yet. False: it is rounded whoever reads it.
        True: it stays in float for readers in float, as a linear layer gives it at no cost."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if name in _LOOKS:
            return func(*args, **kwargs)
        if name in _HEAVY and args:
            return self._heavy(func, args, kwargs)
        known = [self._in_int8.get(one) for one in _tensors((*args, *kwargs.values()))]
        if known.count(None) == len(known):  # nothing here is in few bits, as among weights
            return func(*args, **kwargs)
        if name in _FUSED:
            return self._known(func(*args, **kwargs), known[:1])
        if name in _KEEPS and None not in known:
            before = args
            args, kwargs = tree_map_only(torch.Tensor, self._round, (args, kwargs))
            if name == "add_":
                args = (before[0].copy_(args[0]), *args[1:])
            return self._known(func(*args, **kwargs), known)
        if not name.endswith("_"):
            args, kwargs = tree_map_only(torch.Tensor, self._round_for_float, (args, kwargs))
        return func(*args, **kwargs)

    def _heavy(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        given: Tensor = func(self._round(args[0]), *args[1:], **kwargs)
        linear = func.__name__ == "linear"
        if not linear or given.ndim == 2:  # of more axes it is a MatMul, which gives float
            self._in_int8[given] = linear
        return given

    def _known(self, given: Any, read: list[bool | None]) -> Any:
        """What an operator gave, known as what it read."""
        if None not in read:
            for tensor in _tensors((given,)):
                self._in_int8[tensor] = all(read)
        return given

    def _round(self, values: Tensor) -> Tensor:
        return round_activations(values, self._rounding)

    def _round_for_float(self, values: Tensor) -> Tensor:
        return self._round(values) if self._in_int8.get(values) is False else values


def _tensors(held: Iterable[Any]) -> list[Tensor]:
    """Those among some arguments, and in lists of them, as of the parts that are concatenated."""
    found: list[Tensor] = []
    for one in held:
        if isinstance(one, torch.Tensor):
            found.append(one)
        elif isinstance(one, (list, tuple)):
            found += [part for part in one if isinstance(part, torch.Tensor)]
    return found
