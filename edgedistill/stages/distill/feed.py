"""From a split's arrays to what a network is called with, and its answers back."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgedistill import models

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

    from edgedistill.data import Split
    from edgedistill.models import Network, Signature


_VECTOR = 16
"""Single-precision numbers in the widest vector of an x86 processor."""


@dataclass(frozen=True)
class Feed:
    """Calls a network on samples of a split."""

    module: nn.Module
    signature: Signature
    channels_last: bool
    """Pictures lie in memory pixel by pixel; a training step of a CNN then takes 0.7x the time."""
    device: str = "cpu"
    """Where the network computes."""

    def tensors(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Inputs `[batch, ...]` by name as the network takes them, in the order of its call."""
        return {name: self._tensor(name, inputs[name]) for name in self.signature.inputs}

    def logits(self, inputs: Mapping[str, np.ndarray]) -> Tensor:
        """The network's answers `[batch, classes]` on inputs `[batch, ...]` by name."""
        return models.logits(self.module, self.tensors(inputs))

    def answers(
        self, split: Split, *, batch_size: int, view: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The network's answers in evaluation mode, batch by batch, in the order of the samples.

        Yields:
            Which samples, int64 `[batch]`, and their logits, float32 `[batch, classes]`.
        """
        with evaluating(self.module), torch.no_grad():
            for start in range(0, len(split), batch_size):
                indices = np.arange(start, min(start + batch_size, len(split)))
                logits = self.logits(split.batch(indices, view=view))
                yield indices, logits.float().cpu().numpy()

    def _tensor(self, name: str, values: np.ndarray) -> Tensor:
        dtype: torch.dtype = getattr(torch, self.signature.dtypes.get(name, "float32"))
        pixel_by_pixel = self.channels_last and values.ndim == 4
        # Always a copy: memory of torch's own is aligned alike each time, numpy's is not, and the
        # last bit of a matrix product depends on it.
        copied = _copy(torch.from_numpy(values).to(dtype), pixel_by_pixel=pixel_by_pixel)
        return copied.to(self.device)


def feed_of(network: Network, *, device: str = "cpu") -> Feed:
    """The feed of a network, in the memory order that is fastest among those it can take.

    A network that cuts its tensors with `.view` may refuse pictures that lie pixel by pixel; it
    is asked once, on zeros, and gets them plane by plane instead. So does one whose training would
    corrupt memory otherwise.
    """
    module, signature = network.module.to(device), network.signature
    convolutions = [part for part in module.modules() if isinstance(part, torch.nn.Conv2d)]
    pixel_by_pixel = (
        bool(convolutions)
        and not any(map(_corrupts_memory, convolutions))
        and _takes_channels_last(module, signature, device)
    )
    return Feed(module, signature, pixel_by_pixel, device)


def select(split: Split, indices: np.ndarray, views: np.ndarray) -> dict[str, np.ndarray]:
    """Network inputs by name `[batch, ...]` of samples `[batch]`, each in its view `[batch]`."""
    present = np.unique(views)
    if len(present) == 1:
        return split.batch(indices, view=int(present[0]))
    batch: dict[str, np.ndarray] = {}
    for view in present:
        chosen = views == view
        for name, values in split.batch(indices[chosen], view=int(view)).items():
            rows = batch.setdefault(name, np.empty((len(indices), *values.shape[1:]), values.dtype))
            rows[chosen] = values
    return batch


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Puts a network and all its parts into evaluation mode, and each back afterwards."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _copy(tensor: Tensor, *, pixel_by_pixel: bool) -> Tensor:
    """A copy; strides are set afresh, since one channel makes those of a picture ambiguous."""
    order = torch.channels_last if pixel_by_pixel else torch.contiguous_format
    return torch.empty_like(tensor, memory_format=order).copy_(tensor)


def _corrupts_memory(part: nn.Conv2d) -> bool:
    """Whether a convolution's gradient writes past its memory where pictures lie pixel by pixel.

    oneDNN issue 6035: the weights' gradient of a 1x1 convolution with strides and fewer input
    channels than a vector of the processor holds (8 with AVX2, 16 with AVX-512) is wrong or ends
    the process. Seen with torch 2.13.0.
    """
    channels = part.in_channels // part.groups
    return set(part.kernel_size) == {1} and max(part.stride) > 1 and channels < _VECTOR


def _takes_channels_last(module: nn.Module, signature: Signature, device: str) -> bool:
    zeros = {
        name: _copy(tensor, pixel_by_pixel=tensor.ndim == 4).to(device)
        for name, tensor in signature.zeros(batch=2).items()
    }
    with evaluating(module), torch.no_grad():
        try:
            models.logits(module, zeros)
        except RuntimeError:  # what .view raises; any other fault shows in the call that follows
            return False
    return True
