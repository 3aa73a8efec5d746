"""How the inputs of a heavy operator vary together, and what a change of its weights costs by that.

With x the inputs of the rounded operator, l what the float operator's inputs are beyond them, W the
float weights of an output and V others, the output is off by W l + (W - V) x. Its mean square needs
the second moments of x and of x with W l, and nothing else of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.stages.quantize.patches import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import onnx

_FEWEST_ROWS = 2048
_MOST_ROWS = 8192
_ROWS_PER_INPUT = 8

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
            By sample: what is given, and what the float operator is given beyond it, both
            `[groups, rows, inputs]`.
        """
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
    given, lost = np.zeros((groups, width, width)), np.zeros((groups, outputs, width))
    given_sum, lost_sum = np.zeros((groups, 1, width)), np.zeros((groups, outputs, 1))
    transposed, count = weight.transpose(0, 2, 1).astype(np.float32), 0
    for some, beyond in inputs.rows(width):
        missing = (beyond @ transposed).transpose(0, 2, 1)
        given += some.transpose(0, 2, 1) @ some
        lost += missing @ some
        given_sum += some.sum(1, keepdims=True)
        lost_sum += missing.sum(2, keepdims=True)
        count += some.shape[1]
    if centred:
        rounding = _ROUNDING * np.trace(given, axis1=1, axis2=2)[:, None, None] / width
        given -= given_sum.transpose(0, 2, 1) @ given_sum / count
        given += rounding * np.eye(width)
        lost -= lost_sum @ given_sum / count
    return Moments(given / count, lost / count)


def mean_squared_error(
    inputs: Inputs, weight: np.ndarray, changed: np.ndarray, *, centred: bool
) -> float:
    """How far the operator's output is off, over the rows and outputs.

    Args:
        inputs: What the operator gets.
        weight: Of the float operator, `[groups, outputs, inputs]`.
        changed: What stands for it.
        centred: Whether a bias makes up for the mean of each output.
    """
    theirs, ours = (part.transpose(0, 2, 1).astype(np.float32) for part in (weight, changed))
    errors = [
        beyond @ theirs + some @ (theirs - ours) for some, beyond in inputs.rows(weight.shape[2])
    ]
    error = np.concatenate(errors, axis=1)
    if centred:
        error -= error.mean(axis=1, keepdims=True)
    return float(np.mean(error.astype(np.float64) ** 2))


def row_count(node: onnx.NodeProto, given: np.ndarray) -> int:
    """How many rows at most are taken from one sample: for a product each row, else no limit."""
    return _MOST_ROWS if node.op_type == "Conv" else given.size // given.shape[-1]
