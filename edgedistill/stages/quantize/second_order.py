"""Real weights to integers by second moments of their inputs, for all outputs at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
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
    order = np.argsort(-np.diagonal(seen.given, axis1=1, axis2=2), axis=1, kind="stable")
    columns = order[:, None, :]
    inverse = _damped_inverse(_sorted_both(seen.given, order))
    left = np.take_along_axis(weight, columns, 2)
    left += np.take_along_axis(seen.lost, columns, 2) @ inverse
    sorted_grid = Grid(
        np.take_along_axis(grid.scale, columns, 2),
        np.take_along_axis(grid.zero_point, columns, 2),
        grid.low,
        grid.high,
    )
    found = _in_turn(left, np.linalg.cholesky(inverse).transpose(0, 2, 1), sorted_grid)
    return np.take_along_axis(found, np.argsort(order, axis=1)[:, None, :], 2)


def _in_turn(left: np.ndarray, factor: np.ndarray, grid: Grid) -> np.ndarray:
    """GPTQ, algorithm 1; `left` is used up.

    Args:
        left: What is to be rounded.
        factor: The upper Cholesky factor of the inverse second moments.
        grid: What integers stand for.
    """
    width = left.shape[2]
    found = np.empty_like(left)
    for start in range(0, width, _BLOCK):
        stop = min(width, start + _BLOCK)
        errors = np.empty((*left.shape[:2], stop - start))
        for column in range(start, stop):
            here = np.s_[:, :, column : column + 1]
            one = Grid(grid.scale[here], grid.zero_point[here], grid.low, grid.high)
            found[here] = one.nearest(left[here])
            error = (left[here] - one.reals(found[here])) / factor[:, column, None, None, column]
            left[:, :, column + 1 : stop] -= error * factor[:, column, None, column + 1 : stop]
            errors[:, :, column - start] = error[:, :, 0]
        left[:, :, stop:] -= errors @ factor[:, start:stop, stop:]
    return found


def _damped_inverse(given: np.ndarray) -> np.ndarray:
    width = given.shape[1]
    size = np.trace(given, axis1=1, axis2=2)[:, None, None] / width
    # inputs that never vary say nothing; any size keeps their weights as they are
    size = np.where(size > 0, size, 1.0)
    inverse = np.linalg.inv(given + _DAMPING * size * np.eye(width))
    return (inverse + inverse.transpose(0, 2, 1)) / 2


def _sorted_both(given: np.ndarray, order: np.ndarray) -> np.ndarray:
    columns = np.take_along_axis(given, order[:, None, :], 2)
    return np.take_along_axis(columns, order[:, :, None], 1)
