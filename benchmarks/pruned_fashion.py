"""What the benchmarks of pruning share: small networks on Fashion-MNIST, and short lessons."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from fashion_mnist.prepare import FILES, read_idx
from torch import nn

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.data.dataset import Split
from edgedistill.models.network import create
from edgedistill.models.signature import Signature
from edgedistill.stages.prune.cuts import cut
from edgedistill.stages.prune.plan import plan
from edgedistill.stages.prune.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.pruning import Prune

SIGNATURE = Signature({"input": (1, 28, 28)}, 10)
PREPROCESSING = Preprocessing(scale=1 / 255, mean=(0.286,), std=(0.353,))
BATCH_SIZE = 64


class Attention(nn.Module):
    """Self-attention with one projection to queries, keys and values, as timm has it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.head_dim = width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to the same shape."""
        batch, tokens, _ = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)
        y = nn.functional.scaled_dot_product_attention(queries, keys, values)
        z: torch.Tensor = self.proj(y.transpose(1, 2).reshape(batch, tokens, -1))
        return z


class Encoder(nn.Module):
    """A block of a vision transformer (arXiv 2010.11929)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.widen, self.narrow = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, width] to the same shape."""
        x = x + self.attention(self.norm1(x))
        y: torch.Tensor = x + self.narrow(nn.functional.gelu(self.widen(self.norm2(x))))
        return y


class VisionTransformer(nn.Module):
    """16 patches of 7 by 7 pixels, two blocks."""

    def __init__(self, width: int = 48, heads: int = 6) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 7, stride=7)
        self.positions = nn.Parameter(0.02 * torch.randn(1, 16, width))
        self.blocks = nn.Sequential(Encoder(width, heads), Encoder(width, heads))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, 1, 28, 28] to [batch, 10]."""
        y = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        z: torch.Tensor = self.head(self.norm(self.blocks(y)).mean(1))
        return z


@dataclass(frozen=True)
class Pictures:
    """Some pictures with their labels, raw and as networks take them.

    Attributes:
        split: As stages take them.
        inputs: float32 [n, 1, 28, 28].
        labels: int64 [n].
    """

    split: Split
    inputs: torch.Tensor
    labels: torch.Tensor


def pictures(folder: Path, part: str, *, count: int, seed: int | None = None) -> Pictures:
    """So many pictures of the train or test files; drawn by the seed, or the first ones."""
    raw = read_idx(folder / FILES[f"{part}_inputs"])[:, None]
    labels = read_idx(folder / FILES[f"{part}_labels"]).astype(np.int64)
    order = (
        np.arange(len(raw)) if seed is None else np.random.default_rng(seed).permutation(len(raw))
    )
    chosen = order[:count]
    split = Split({"input": raw[chosen]}, labels[chosen], None, PREPROCESSING, Augmentation())
    inputs = torch.from_numpy(split.batch(np.arange(count))["input"])
    return Pictures(split, inputs, torch.from_numpy(labels[chosen]))


def fresh(source: str, args: dict[str, object], seed: int) -> nn.Module:
    """A network of the zoo, or the vision transformer above, with the seed's weights."""
    if source == "vision-transformer":
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return VisionTransformer(**args)  # type: ignore[arg-type]
    model = Model(source=source, args=args)  # type: ignore[arg-type]
    return create(model, SIGNATURE, base=Path(), seed=seed, preprocessing=PREPROCESSING).module


def teach(
    module: nn.Module,
    lesson: Pictures,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
) -> None:
    """AdamW on a one-cycle schedule; the order of samples follows from the seed.

    Args:
        module: Is changed; in eval mode after.
        lesson: What it learns from.
        steps: Batches of `BATCH_SIZE`.
        learning_rate: The highest.
        seed: Of the order.
        loss: Of answers and the samples' places in the lesson; cross entropy where absent.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    module.train()
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < BATCH_SIZE:
            order = torch.randperm(len(lesson.labels), generator=generator)
        places, order = order[:BATCH_SIZE], order[BATCH_SIZE:]
        answers = module(lesson.inputs[places])
        value = (
            nn.functional.cross_entropy(answers, lesson.labels[places])
            if loss is None
            else loss(answers, places)
        )
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
    module.eval()


def answers(module: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Logits [n, 10] in eval mode, in batches."""
    module.eval()
    with torch.no_grad():
        return torch.cat([module(part) for part in inputs.split(500)])


def accuracy(module: nn.Module, exam: Pictures) -> float:
    """Share of right answers."""
    right = answers(module, exam.inputs).argmax(1) == exam.labels
    return float(right.double().mean())


def pruned(module: nn.Module, config: Prune, lesson: Pictures) -> nn.Module:
    """The network as the prune stage would cut it."""
    whole = copy.deepcopy(module).eval().requires_grad_(requires_grad=True)
    samples = Samples(lesson.split, config.importance_samples, SIGNATURE)
    progress = StageContext(Path()).progress
    planned = plan(whole, SIGNATURE, config, progress, samples=samples)
    return cut(whole, SIGNATURE, planned.cuts)
