"""Several processes, on one machine or many, that run the stages of one run together.

Started by `torchrun` or `accelerate launch`, which say by the environment how many there are. All
must see the run folder at the same place.
"""

from __future__ import annotations

import datetime
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from edgedistill.core.stage import Alone, Company
from edgedistill.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_PATIENCE = datetime.timedelta(days=7)
"""How long one process waits for another: a device may measure for hours."""


def company_of_launch() -> Company:
    """Those that were started together; this process alone where nothing says otherwise.

    A GPU is used where there is one, also by a process that is alone.

    Raises:
        MissingExtraError: If there are several, or a GPU, and accelerate is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 and not torch.cuda.is_available():
        return Alone()
    try:
        from accelerate import Accelerator, InitProcessGroupKwargs
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            extra="accelerate", package="accelerate", needed_for="several processes or a GPU"
        ) from error
    gpu = torch.cuda.is_available()
    if gpu:  # before CUDA starts: without it cuBLAS has no deterministic products
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    half = gpu and torch.cuda.is_bf16_supported()
    accelerator = Accelerator(
        cpu=not gpu,
        mixed_precision="bf16" if half else "no",
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )
    return Accelerated(accelerator)


class Accelerated:
    """A company that accelerate holds together."""

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator
        self.rank: int = accelerator.process_index
        self.size: int = accelerator.num_processes
        self.device = str(accelerator.device)

    def wait(self) -> None:
        """Goes on when all have come here."""
        self._accelerator.wait_for_everyone()

    def gather(self, tensor: Tensor) -> Tensor:
        """The tensors `[n, ...]` of all, in the order of the ranks; no gradient flows."""
        if self.size == 1:
            return tensor
        gathered: Tensor = self._accelerator.gather(tensor.contiguous())
        return gathered

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all; a gradient flows through it to all where the tensor has one."""
        if self.size == 1:
            return tensor
        if tensor.requires_grad:
            flowing: Tensor = _Sum.apply(tensor, self)  # type: ignore[no-untyped-call]
            return flowing
        added: Tensor = self._accelerator.reduce(tensor, reduction="sum")
        return added

    def share(self, value: Any) -> Any:
        """The value of the first of them, given to all."""
        if self.size == 1:
            return value
        from accelerate.utils import broadcast_object_list

        box = [value if self.rank == 0 else None]
        broadcast_object_list(box, from_process=0)
        return box[0]

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """bfloat16 where the GPU computes in it, else the precision of the weights."""
        with self._accelerator.autocast():
            yield

    def part(self) -> None:
        """Ends the company; what a process still does it does alone."""
        self._accelerator.end_training()


class _Sum(torch.autograd.Function):
    """A sum over processes: what each of them gets, each of them had a part in.

    torch's own keeps the process group alive in the graph, and a process that ends with such a
    graph aborts.
    """

    @staticmethod
    def forward(context: Any, tensor: Tensor, company: Accelerated) -> Tensor:
        """The sum of the tensors of all."""
        context.company = company
        return company.sum(tensor.detach())

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The sum of the gradients of all."""
        return context.company.sum(gradient.detach().contiguous()), None
