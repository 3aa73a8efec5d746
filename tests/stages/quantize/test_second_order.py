from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from edgedistill.stages.quantize.moments import Moments
from edgedistill.stages.quantize.second_order import Grid, round_in_turn


def grid(weight: np.ndarray, step: float, limit: int = 127) -> Grid:
    return Grid(np.full(weight.shape, step), np.zeros(weight.shape), -limit, limit)


def seen(inputs: np.ndarray, weight: np.ndarray, beyond: np.ndarray | None = None) -> Moments:
    """Moments written out: inputs `[groups, rows, inputs]`."""
    beyond = np.zeros_like(inputs) if beyond is None else beyond
    count = inputs.shape[1]
    given = np.einsum("gni,gnj->gij", inputs, inputs) / count
    lost = np.einsum("goi,gni,gnj->goj", weight, beyond, inputs) / count
    return Moments(given, lost)


def loss(weight: np.ndarray, rounded: np.ndarray, inputs: np.ndarray) -> float:
    return float((((weight - rounded) @ inputs.transpose(0, 2, 1)) ** 2).mean())


def by_the_inverse(weight: np.ndarray, moments: Moments, steps: Grid) -> np.ndarray:
    """GPTQ as algorithm 1 of its paper writes it, of one group, input by input."""
    given, lost = moments.given[0], moments.lost[0]
    order = np.argsort(-np.diagonal(given), kind="stable")
    damped = given + 0.01 * np.trace(given) / len(given) * np.eye(len(given))
    inverse = np.linalg.inv(damped[order][:, order])
    factor = np.linalg.cholesky(inverse).T
    left = weight[0][:, order] + lost[:, order] @ inverse
    found = np.empty_like(left)
    for at, place in enumerate(order):
        steps_up = np.rint(left[:, at] / steps.scale[0, :, place])
        found[:, at] = np.clip(steps_up, steps.low, steps.high)
        off = (left[:, at] - found[:, at] * steps.scale[0, :, place]) / factor[at, at]
        left[:, at + 1 :] -= np.outer(off, factor[at, at + 1 :])
    return found[:, np.argsort(order)]


@pytest.mark.parametrize("limit", [127, 6])
def test_integers_are_those_of_the_algorithm_that_inverts_the_moments(limit: int) -> None:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(1, 900, 300)) @ generator.normal(size=(1, 300, 300))
    beyond = 0.1 * generator.normal(size=(1, 900, 300))
    weight = generator.uniform(-1, 1, size=(1, 40, 300))  # wider than two blocks
    scale = np.broadcast_to(generator.uniform(0.05, 0.2, size=(1, 40, 1)), weight.shape)
    steps = Grid(scale, np.zeros(weight.shape), -limit, limit)
    moments = seen(inputs, weight, beyond)
    found = round_in_turn(weight, moments, steps)
    np.testing.assert_array_equal(found[0], by_the_inverse(weight, moments, steps))
    assert (np.abs(found) == limit).any() == (limit == 6)


def test_independent_inputs_are_rounded_to_nearest() -> None:
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(2, 5, 300))
    moments = Moments(
        np.stack([np.diag(generator.uniform(1, 2, 300)) for _ in range(2)]), np.zeros((2, 5, 300))
    )
    steps = grid(weight, 0.05)
    np.testing.assert_array_equal(round_in_turn(weight, moments, steps), steps.nearest(weight))


def test_few_dependent_inputs_are_rounded_as_well_as_by_the_best_of_all_ups_and_downs() -> None:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(40, 300, 7)) @ generator.normal(size=(40, 7, 7))
    weight = generator.uniform(-1, 1, size=(40, 1, 7))
    steps = grid(weight, 0.25)
    floor = np.floor(weight / 0.25)
    choices = [(floor + np.array(ups)) * 0.25 for ups in product((0, 1), repeat=7)]
    best = np.mean(
        [
            min(loss(weight[[group]], choice[[group]], inputs[[group]]) for choice in choices)
            for group in range(40)
        ]
    )
    found = loss(weight, steps.reals(round_in_turn(weight, seen(inputs, weight), steps)), inputs)
    nearest = loss(weight, steps.reals(steps.nearest(weight)), inputs)
    assert found < 1.05 * best < 0.6 * nearest  # it may go further than up or down


def test_many_dependent_inputs_lose_half_as_much_as_rounded_to_nearest() -> None:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(4, 500, 200)) @ generator.normal(size=(4, 200, 200))
    weight = generator.uniform(-1, 1, size=(4, 3, 200))  # wider than a block
    steps = grid(weight, 0.05)
    found = loss(weight, steps.reals(round_in_turn(weight, seen(inputs, weight), steps)), inputs)
    assert found < 0.5 * loss(weight, steps.reals(steps.nearest(weight)), inputs)


def test_what_a_wide_weight_loses_at_the_limit_the_others_make_good() -> None:
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(1, 400, 1))
    inputs = shared + 0.1 * generator.normal(size=(1, 400, 6))
    weight = np.full((1, 1, 6), 0.3)
    weight[..., 0] = 2.0
    steps = grid(weight, 0.1, limit=10)  # the first can only be 1.0
    found = steps.reals(round_in_turn(weight, seen(inputs, weight), steps))
    assert found.max() <= 1.0
    assert found.sum() == pytest.approx(weight.sum(), abs=0.2)


def test_fine_steps_give_the_least_squares_solution() -> None:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(3, 200, 5))
    beyond = 0.3 * generator.normal(size=(3, 200, 5)) + 0.2 * inputs
    weight = generator.normal(size=(3, 4, 5))
    steps = grid(weight, 1e-6, limit=10**8)
    found = steps.reals(round_in_turn(weight, seen(inputs, weight, beyond), steps))
    for group in range(3):
        # the ridge as rows of its own: each input alone, which should give what it gave
        size = np.sqrt(0.01 * np.mean(inputs[group] ** 2) * 200) * np.eye(5)
        rows = np.concatenate([inputs[group], size])
        wanted = np.concatenate([inputs[group] + beyond[group], size]) @ weight[group].T
        solved, *_ = np.linalg.lstsq(rows, wanted, rcond=None)
        np.testing.assert_allclose(found[group], solved.T, atol=1e-4)


def test_inputs_that_never_vary_keep_their_weights() -> None:
    weight = np.random.default_rng(0).normal(size=(1, 3, 4))
    nothing = Moments(np.zeros((1, 4, 4)), np.zeros((1, 3, 4)))
    steps = grid(weight, 0.1)
    np.testing.assert_array_equal(round_in_turn(weight, nothing, steps), steps.nearest(weight))
