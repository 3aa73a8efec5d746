"""A training half done on disk: a killed one goes on after its last whole epoch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import safetensors
import torch
from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of

from edgedistill.store import file_sha256, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

_RECORD = "epoch.json"


@dataclass(frozen=True)
class Reached:
    """How far a training has come."""

    epochs: int
    """Whole epochs taken."""
    accuracy_before: float
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that the rest of a training depends on, as safetensors.

    Random numbers are no part of it: each epoch draws from a generator of its own.
    """

    folder: Path
    modules: dict[str, nn.Module]
    """What learns, by name."""
    optimizer: torch.optim.Optimizer

    def write(self, reached: Reached) -> None:
        """Writes the state after an epoch; the one before stays until this one is whole."""
        path = write_file(self.folder / _name(reached.epochs), bytes_of(self._tensors()))
        record = {**asdict(reached), "sha256": file_sha256(path)}
        write_file(self.folder / _RECORD, json.dumps(record, allow_nan=False).encode())
        for old in self.folder.glob("epoch-*.safetensors"):
            if old != path:
                old.unlink()

    def restore(self) -> Reached | None:
        """Sets modules and optimizer to what was written; None if nothing whole is there."""
        found = self._read()
        if found is None:
            return None
        reached, tensors = found
        for name, module in self.modules.items():
            module.load_state_dict(_below(tensors, f"module.{name}."))
        for place, parameter in enumerate(self._parameters()):
            for key, value in _below(tensors, f"optimizer.{place}.").items():
                self.optimizer.state[parameter][key] = _like(value, parameter)
        return reached

    def _read(self) -> tuple[Reached, dict[str, Tensor]] | None:
        """What is on disk. A kill may leave a part of it, a disk may lose some: then nothing."""
        try:
            record: dict[str, Any] = json.loads((self.folder / _RECORD).read_text("utf-8"))
            path = self.folder / _name(record["epochs"])
            if file_sha256(path) != record.pop("sha256"):
                return None
            tensors = tensors_of(path.read_bytes())
        except (OSError, ValueError, KeyError, safetensors.SafetensorError):
            return None  # the training begins anew, which gives the same
        losses, accuracies = tuple(record["losses"]), tuple(record["accuracies"])
        return Reached(record["epochs"], record["accuracy_before"], losses, accuracies), tensors

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {
            f"module.{name}.{key}": value
            for name, module in self.modules.items()
            for key, value in module.state_dict().items()
        }
        for place, parameter in enumerate(self._parameters()):
            for key, value in self.optimizer.state[parameter].items():
                if torch.is_tensor(value):
                    tensors[f"optimizer.{place}.{key}"] = value
        return {name: _plain(value) for name, value in tensors.items()}

    def _parameters(self) -> list[Tensor]:
        return [each for group in self.optimizer.param_groups for each in group["params"]]


def _name(epochs: int) -> str:
    return f"epoch-{epochs:05}.safetensors"


def _plain(value: Tensor) -> Tensor:
    """A copy of its own on the processor, contiguous: what safetensors can write."""
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """The value as the optimizer keeps it beside a parameter: strides decide the last bit."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
