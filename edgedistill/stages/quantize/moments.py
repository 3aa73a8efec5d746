"""How the inputs of a heavy operator vary together, and what a change of its weights costs by that.

With x the inputs of the rounded operator, l what the float operator's inputs are beyond them, W the
float weights of an output and V others, the output is off by W l + (W - V) x. Its mean square needs
the second moments of x and of x with W l, and nothing else of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.blas import ssyrk

from edgedistill.stages.quantize.patches import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import onnx

_FEWEST_ROWS = 2048
_MOST_ROWS = 8192
_ROWS_PER_INPUT = 8

_ROWS_AT_ONCE = 1024
"""Rows that are multiplied at once. Those of one sample are few, and a product of few rows waits
for memory: it changes the speed, and the last digits of sums in single precision."""

_AT_ONCE = 256
"""Inputs that are added up and mirrored at once; it changes the speed only."""

_ROUNDING = 1e-5
"""Share of the uncentred moments below which centred ones are rounding of single precision: inputs
that never vary would else have moments of no sign, which nothing can be solved with."""


@dataclass(frozen=True)
class Inputs:
    """What an operator gets on some samples.

    Attributes:
        node: The operator.
        kernel: Size of the kernel of a convolution; empty otherwise.
        real: Its first input in the float graph, by sample.
        rounded: Its first input in the QDQ graph, by sample.
        seed: Of the choice of rows.
    """

    node: onnx.NodeProto
    kernel: Sequence[int]
    real: Sequence[np.ndarray]
    rounded: Sequence[np.ndarray]
    seed: int

    def rows(self, inputs: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Some rows of each sample, more where there are more inputs.

        Args:
            inputs: Of one output.

        Yields:
            Of a few samples at once: what is given, and what the float operator is given beyond
            it, both `[groups, rows, inputs]`.
        """
        blocks: list[tuple[np.ndarray, np.ndarray]] = []
        for block in self._by_sample(inputs):
            blocks.append(block)
            if sum(given.shape[1] for given, _ in blocks) >= _ROWS_AT_ONCE:
                yield _joined(blocks)
                blocks = []
        if blocks:
            yield _joined(blocks)

    def _by_sample(self, inputs: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        wanted = min(_MOST_ROWS, max(_FEWEST_ROWS, _ROWS_PER_INPUT * inputs))
        generator = np.random.default_rng(self.seed)
        for real, rounded in zip(self.real, self.rounded, strict=True):
            there = row_count(self.node, rounded)
            chosen = np.sort(generator.random(min(there, -(-wanted // len(self.real)))))
            given = rows(self.node, rounded, self.kernel, chosen)
            yield given, rows(self.node, real, self.kernel, chosen) - given

    def split(self) -> tuple[Inputs, Inputs]:
        """Three quarters of the samples to learn from, and the rest to judge by.

        Of fewer than four samples all do both, with other rows.
        """
        places = range(len(self.real))
        few = len(places) < 4
        learned = [place for place in places if few or place % 4 != 3]
        judged = [place for place in places if few or place % 4 == 3]
        return self._some(learned, self.seed), self._some(judged, self.seed + 1)

    def _some(self, places: Sequence[int], seed: int) -> Inputs:
        real, rounded = ([part[i] for i in places] for part in (self.real, self.rounded))
        return Inputs(self.node, self.kernel, real, rounded, seed)


@dataclass(frozen=True)
class Moments:
    """Second moments over the rows of some samples.

    Attributes:
        given: Of the inputs x, `[groups, inputs, inputs]`.
        lost: Of W l with x, `[groups, outputs, inputs]`.
    """

    given: np.ndarray
    lost: np.ndarray


def moments(inputs: Inputs, weight: np.ndarray, *, centred: bool) -> Moments:
    """Takes the moments.

    Args:
        inputs: What the operator gets.
        weight: Of the float operator, `[groups, outputs, inputs]`.
        centred: About the means, where a bias makes up for the means; else about 0.
    """
    groups, outputs, width = weight.shape
    given, scratch = (np.zeros((groups, width, width), kind) for kind in (np.float64, np.float32))
    lost = np.zeros((groups, outputs, width))
    given_sum, lost_sum = np.zeros((groups, 1, width)), np.zeros((groups, outputs, 1))
    transposed, count = weight.transpose(0, 2, 1).astype(np.float32), 0
    for some, beyond in inputs.rows(width):
        missing = (beyond @ transposed).transpose(0, 2, 1)
        _add_squares(given, some, scratch)
        lost += missing @ some
        given_sum += some.sum(1, keepdims=True)
        lost_sum += missing.sum(2, keepdims=True)
        count += some.shape[1]
    _mirror(given)
    if centred:
        rounding = _ROUNDING * np.trace(given, axis1=1, axis2=2)[:, None] / width
        given -= given_sum.transpose(0, 2, 1) @ (given_sum / count)
        given[:, range(width), range(width)] += rounding
        lost -= lost_sum @ given_sum / count
    given /= count
    return Moments(given, lost / count)


def _joined(blocks: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    given, beyond = (np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True))
    return given, beyond


def _add_squares(total: np.ndarray, some: np.ndarray, scratch: np.ndarray) -> None:
    """Adds the products of all inputs with each other, summed over rows, below the diagonals.

    A product of matrices that knows its symmetry takes half the work; numpy's copies one half to
    the other each time, which takes longer than the product itself.

    Args:
        total: `[groups, inputs, inputs]`; what lies above the diagonals means nothing.
        some: `[groups, rows, inputs]`, single precision.
        scratch: Zeros as `total` at first, in single precision; it saves making them anew.
    """
    width = total.shape[1]
    if width <= _AT_ONCE:  # little to copy, and often many groups
        total += some.transpose(0, 2, 1) @ some
        return
    for found, own, room in zip(total, some, scratch, strict=True):
        # BLAS's columns are our rows: its upper triangle is our lower one
        squares = ssyrk(1.0, own.T, c=room.T, overwrite_c=1).T
        for start in range(0, width, _AT_ONCE):
            stop = min(width, start + _AT_ONCE)
            found[start:stop, :stop] += squares[start:stop, :stop]


def _mirror(squares: np.ndarray) -> None:
    """Copies what lies below the diagonals to above them, block by block."""
    width = squares.shape[1]
    for start in range(0, width, _AT_ONCE):
        stop = min(width, start + _AT_ONCE)
        own = squares[:, start:stop, start:stop]
        own[:] = np.tril(own) + np.tril(own, -1).transpose(0, 2, 1)
        squares[:, start:stop, stop:] = squares[:, stop:, start:stop].transpose(0, 2, 1)


def mean_squared_errors(
    inputs: Inputs, weight: np.ndarray, changed: Sequence[np.ndarray], *, centred: bool
) -> list[float]:
    """How far the operator's output is off with each of some weights, over the rows and outputs.

    Args:
        inputs: What the operator gets.
        weight: Of the float operator, `[groups, outputs, inputs]`.
        changed: What may stand for it.
        centred: Whether a bias makes up for the mean of each output.
    """
    theirs, *ours = (part.transpose(0, 2, 1).astype(np.float32) for part in (weight, *changed))
    changes = [theirs - own for own in ours]
    errors: list[list[np.ndarray]] = [[] for _ in ours]
    for some, beyond in inputs.rows(weight.shape[2]):
        missing = beyond @ theirs
        for found, change in zip(errors, changes, strict=True):
            found.append(missing + some @ change)
    return [_mean_square(np.concatenate(each, axis=1), centred=centred) for each in errors]


def _mean_square(error: np.ndarray, *, centred: bool) -> float:
    if centred:
        error -= error.mean(axis=1, keepdims=True)
    return float(np.mean(np.square(error, dtype=np.float64)))


def row_count(node: onnx.NodeProto, given: np.ndarray) -> int:
    """How many rows at most are taken from one sample: for a product each row, else no limit."""
    return _MOST_ROWS if node.op_type == "Conv" else given.size // given.shape[-1]
