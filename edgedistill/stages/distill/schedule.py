"""How a training moves: the learning rate of each step, the samples of each batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_WARM_UP_SHARE = 0.3
_START_DIVISOR = 25.0
_END_DIVISOR = 25.0 * 1e4

_VIEWS, _ORDER = range(2)


def one_cycle(step: int, total_steps: int, peak: float) -> float:
    """The learning rate of a step: up along a cosine to the peak, then down to nearly nothing.

    Smith & Topin 2018 (arXiv 1708.07120) with cosine arcs and two phases: from peak / 25 up over
    the first 30 % of the steps, then down to peak / 250000.

    >>> [round(one_cycle(step, 10, 1.0), 3) for step in range(10)]
    [0.04, 0.52, 1.0, 0.95, 0.812, 0.611, 0.389, 0.188, 0.05, 0.0]
    """
    top = max(_WARM_UP_SHARE * total_steps - 1, 0.0)
    if step < top:
        return _cosine(peak / _START_DIVISOR, peak, step / top)
    down = total_steps - 1 - top
    return _cosine(peak, peak / _END_DIVISOR, (step - top) / down) if down > 0 else peak


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True, eq=False)
class Pace:
    """Easy samples first: each epoch takes from a share of the easiest, which grows to all.

    Bengio et al. 2009 (Curriculum learning) with the linear pacing of Hacohen & Weinshall 2019
    (arXiv 1904.03626), where a teacher that is trained already tells what is easy.
    """

    difficulty: np.ndarray
    """Of each sample that takes part, float `[n]`; the lowest come first, equals by their place."""
    start: float
    """Share of the samples that the first epoch takes from, above 0."""
    full_after: float
    """Epochs after which all take part."""

    def easiest(self, epoch: int, *, at_least: int) -> np.ndarray:
        """Places of the samples that an epoch takes from, int64 `[m]`, ascending."""
        grown = min(epoch / self.full_after, 1.0) if self.full_after > 0 else 1.0
        share = self.start + (1 - self.start) * grown
        total = len(self.difficulty)
        count = min(max(math.ceil(share * total), at_least), total)
        return np.sort(np.argsort(self.difficulty, kind="stable")[:count])


@dataclass(frozen=True, eq=False)
class Order:
    """In which batches the samples come, and in which of their views.

    A pure function of (seed, epoch): any epoch can be had without those before it. The batches of
    an epoch are of one size; the few samples left over wait for another epoch, so that batch
    normalization never sees a batch of one. Each sample starts at a view of its own and then
    takes the next one each epoch, so it shows all its views before it repeats one. With a pace the
    number of batches stays what it is without; samples come again in the epoch, in their next view,
    as long as there are few.
    """

    samples: np.ndarray
    """Which samples of the split take part, int64 `[n]`, at least one."""
    batch_size: int
    views: int
    seed: int
    pace: Pace | None = None
    """None: every epoch takes from all samples."""

    @property
    def size(self) -> int:
        """Samples in each batch."""
        return min(self.batch_size, len(self.samples))

    @property
    def steps(self) -> int:
        """Batches in each epoch."""
        return len(self.samples) // self.size

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches of an epoch: which samples and which view of each, both `[batch]`."""
        first = np.random.default_rng([self.seed, _VIEWS]).integers(self.views, size=self._total)
        places, turns = self._places(number)
        views = (first[places] + number + turns) % self.views
        for step in range(self.steps):
            batch = slice(step * self.size, (step + 1) * self.size)
            yield self.samples[places[batch]], views[batch]

    def _places(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the samples of an epoch in their order, and how often each came before."""
        draw = np.random.default_rng([self.seed, _ORDER, number])
        if self.pace is None:
            return draw.permutation(self._total), np.zeros(self._total, dtype=np.int64)
        easiest = self.pace.easiest(number, at_least=self.size)
        rounds = -(-self.steps * self.size // len(easiest))
        places = np.concatenate([draw.permutation(easiest) for _ in range(rounds)])
        return places, np.repeat(np.arange(rounds), len(easiest))

    @property
    def _total(self) -> int:
        return len(self.samples)
