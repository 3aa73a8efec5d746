"""Real weights to integers by second moments of their inputs, for all outputs at once.

What GPTQ writes with the inverse of the moments needs their Cholesky factor alone: it is Babai's
nearest plane algorithm, from the last input to the first (Chen et al. 2025, arXiv 2507.18553).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.stages.quantize.moments import Moments

_DAMPING = 0.01
"""Added to the diagonal of the second moments, as a share of its mean; GPTQ's own."""

_BLOCK = 128
"""Inputs whose losses are handed on together; it changes the speed only."""


@dataclass(frozen=True)
class Grid:
    """The reals that integers can stand for, for the weights of an operator.

    All arrays are, or fit, `[groups, outputs, inputs]`.

    Attributes:
        scale: What one step is worth.
        zero_point: The integer that stands for 0.
        low: The least integer.
        high: The greatest integer.
    """

    scale: np.ndarray
    zero_point: np.ndarray
    low: int
    high: int

    def reals(self, integers: np.ndarray) -> np.ndarray:
        """What integers stand for."""
        found: np.ndarray = (integers - self.zero_point) * self.scale
        return found

    def nearest(self, reals: np.ndarray) -> np.ndarray:
        """The integers that stand for what is nearest."""
        steps = np.rint(reals / self.scale) + self.zero_point
        found: np.ndarray = np.clip(steps, self.low, self.high)
        return found


def round_in_turn(weight: np.ndarray, seen: Moments, grid: Grid) -> np.ndarray:
    """Integers that keep the output of the float weights near on the inputs that were seen.

    Args:
        weight: Float weights, `[groups, outputs, inputs]`.
        seen: Moments of the inputs.
        grid: What integers stand for; `scale` and `zero_point` of the weights' shape.

    Returns:
        `[groups, outputs, inputs]`, whole numbers as float64.
    """
    # from the last, which is rounded first, to the first
    order = np.argsort(-np.diagonal(seen.given, axis1=1, axis2=2), axis=1, kind="stable")[:, ::-1]
    factor, solved = _solved(seen, order)
    # an input's weights lie together
    left, scale, zero_point = (
        _inputs_first(np.take_along_axis(array, order[:, None, :], 2))
        for array in (weight, grid.scale, grid.zero_point)
    )
    found = _in_turn(left + solved, factor, Grid(scale, zero_point, grid.low, grid.high))
    return np.take_along_axis(found, np.argsort(order, axis=1)[:, :, None], 1).transpose(0, 2, 1)


def _in_turn(wanted: np.ndarray, factor: np.ndarray, grid: Grid) -> np.ndarray:
    """The nearest plane algorithm.

    With L the factor and e how far off the integers are, the loss is the square of L^T e. Its part
    of an input knows the errors of that input and of those after it alone, so each input in turn
    makes its part as small as an integer can.

    Args:
        wanted: Reals, `[groups, inputs, outputs]`.
        factor: The lower Cholesky factor of the second moments; above its diagonal is anything.
        grid: What integers stand for; its arrays as `wanted`.
    """
    width = wanted.shape[1]
    found, errors = np.empty_like(wanted), np.empty_like(wanted)
    handed_on = np.zeros_like(wanted)
    for stop in range(width, 0, -_BLOCK):
        start = max(0, stop - _BLOCK)
        for at in range(stop - 1, start - 1, -1):
            nearby = factor[:, None, at + 1 : stop, at] @ errors[:, at + 1 : stop]
            passed = (handed_on[:, at] + nearby[:, 0]) / factor[:, at, at, None]
            one = Grid(grid.scale[:, at], grid.zero_point[:, at], grid.low, grid.high)
            found[:, at] = one.nearest(wanted[:, at] + passed)
            errors[:, at] = wanted[:, at] - one.reals(found[:, at])
        below = factor[:, start:stop, :start].transpose(0, 2, 1)
        handed_on[:, :start] += below @ errors[:, start:stop]
    return found


def _solved(seen: Moments, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lower Cholesky factor of the damped moments, and what is lost over the moments.

    Args:
        seen: Moments of the inputs.
        order: Of the inputs, `[groups, inputs]`.

    Returns:
        `[groups, inputs, inputs]`, above whose diagonal is anything, and
        `[groups, inputs, outputs]`.
    """
    size = np.trace(seen.given, axis1=1, axis2=2) / seen.given.shape[1]
    # inputs that never vary say nothing; any size keeps their weights as they are
    damping = _DAMPING * np.where(size > 0, size, 1.0)
    factors, solved = [], []
    for group, places in enumerate(order):
        given = seen.given[group][np.ix_(places, places)]
        given[np.diag_indices_from(given)] += damping[group]
        # LAPACK's columns are our rows: it sees the transpose, and needs no copy of it
        upper, _ = cho_factor(given.T, overwrite_a=True, check_finite=False)
        lost = seen.lost[group][:, places].T
        factors.append(upper.T)
        solved.append(cho_solve((upper, False), lost, overwrite_b=True, check_finite=False))
    return _stacked(factors), _stacked(solved)


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """`[groups, ...]`; of one group a view, for it may be large."""
    return np.stack(arrays) if len(arrays) > 1 else arrays[0][None]


def _inputs_first(weights: np.ndarray) -> np.ndarray:
    """`[groups, outputs, inputs]` as `[groups, inputs, outputs]`."""
    return np.ascontiguousarray(weights.transpose(0, 2, 1))
