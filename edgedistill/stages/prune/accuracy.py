"""How accurate a network is in torch, on the validation split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgedistill.models.signature import logits
from edgedistill.tasks.evaluation import evaluate

if TYPE_CHECKING:
    from torch import nn

    from edgedistill.data.dataset import Dataset
    from edgedistill.models.signature import Signature

BATCH = 256


def validation_accuracy(
    module: nn.Module, signature: Signature, dataset: Dataset, *, samples: int | None = None
) -> float:
    """Accuracy on the validation split.

    Args:
        module: The network, in eval mode.
        signature: What it takes.
        dataset: The data.
        samples: Looks at the first so many only; None for all.

    Raises:
        PromiseError: If an answer is NaN.
    """
    split = dataset.validation
    count = len(split) if samples is None else min(samples, len(split))
    answers: list[np.ndarray[Any, Any]] = []
    with torch.no_grad():
        for start in range(0, count, BATCH):
            indices = np.arange(start, min(start + BATCH, count))
            answers.append(logits(module, validation_inputs(signature, dataset, indices)).numpy())
    groups = None if split.groups is None else split.groups[:count]
    found = evaluate(np.concatenate(answers), split.labels[:count], groups, dataset.class_names)
    return found.accuracy


def validation_inputs(
    signature: Signature, dataset: Dataset, indices: np.ndarray[Any, Any]
) -> dict[str, torch.Tensor]:
    """Some validation samples as the network takes them."""
    return {
        name: torch.from_numpy(values).to(getattr(torch, signature.dtypes.get(name, "float32")))
        for name, values in dataset.validation.batch(indices).items()
    }
