from __future__ import annotations

import numpy as np
import pytest
import torch

from edgedistill.stages.distill.schedule import Order, Pace, one_cycle


@pytest.mark.parametrize("total", [10, 37, 500])
def test_one_cycle_is_torchs_one_cycle(total: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.3, total_steps=total, cycle_momentum=False
    )
    for step in range(total):
        assert one_cycle(step, total, 0.3) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        if step + 1 < total:
            scheduler.step()


@pytest.mark.parametrize("total", [1, 2, 3, 4])
def test_one_cycle_of_a_few_steps_is_positive_and_below_the_peak(total: int) -> None:
    rates = [one_cycle(step, total, 0.5) for step in range(total)]
    assert all(0 < rate <= 0.5 for rate in rates)
    assert max(rates) > 0.1


def order(total: int = 50, batch_size: int = 8, views: int = 3, seed: int = 0) -> Order:
    return Order(np.arange(100, 100 + total), batch_size, views, seed)


def test_an_epoch_shows_each_sample_at_most_once_in_batches_of_one_size() -> None:
    batches = list(order().epoch(4))
    shown = np.concatenate([indices for indices, _ in batches])
    assert len(batches) == order().steps == 6
    assert {len(indices) for indices, _ in batches} == {8}
    assert len(np.unique(shown)) == len(shown) == 48
    assert shown.min() >= 100
    assert shown.max() < 150


def test_the_samples_left_over_are_others_in_the_next_epoch() -> None:
    left = [
        set(range(100, 150)) - set(np.concatenate([i for i, _ in order().epoch(epoch)]).tolist())
        for epoch in range(30)
    ]
    assert len(set().union(*left)) > 25


def test_fewer_samples_than_a_batch_make_one_batch() -> None:
    small = order(total=5)
    assert (small.steps, small.size) == (1, 5)


def test_a_sample_shows_every_view_before_it_repeats_one() -> None:
    plan = order(total=48)
    seen: dict[int, list[int]] = {sample: [] for sample in plan.samples.tolist()}
    for epoch in range(6):
        for indices, views in plan.epoch(epoch):
            for sample, view in zip(indices.tolist(), views.tolist(), strict=True):
                seen[sample].append(view)
    assert all(set(views[:3]) == set(views[3:]) == {0, 1, 2} for views in seen.values())
    assert len({tuple(views) for views in seen.values()}) == 3


def test_order_is_a_function_of_seed_and_epoch() -> None:
    def flat(plan: Order, epoch: int) -> list[int]:
        return [int(i) for indices, views in plan.epoch(epoch) for i in (*indices, *views)]

    assert flat(order(), 3) == flat(order(), 3)
    assert flat(order(), 3) != flat(order(), 4)
    assert flat(order(), 3) != flat(order(seed=1), 3)


def paced(total: int = 60, start: float = 0.25, full_after: float = 4.0, views: int = 3) -> Order:
    hardest_first = np.arange(total)[::-1].astype(np.float32)
    pace = Pace(hardest_first, start=start, full_after=full_after)
    return Order(np.arange(100, 100 + total), 10, views, seed=0, pace=pace)


def shown_in(plan: Order, epoch: int) -> np.ndarray:
    return np.concatenate([indices for indices, _ in plan.epoch(epoch)])


def test_the_easiest_come_first_and_all_come_in_the_end() -> None:
    plan = paced()
    assert set(shown_in(plan, 0)) == set(range(145, 160))  # the easiest quarter
    assert len(set(shown_in(plan, 2)) - set(range(122, 160))) == 0  # 0.625 of them
    assert set(shown_in(plan, 4)) == set(shown_in(plan, 9)) == set(range(100, 160))


def test_a_curriculum_changes_neither_the_number_of_batches_nor_their_size() -> None:
    plan = paced()
    for epoch in range(6):
        assert [len(indices) for indices, _ in plan.epoch(epoch)] == [10] * 6


def test_a_sample_that_comes_again_in_an_epoch_comes_in_its_next_view() -> None:
    plan = paced(views=4)
    seen: dict[int, list[int]] = {}
    for indices, views in plan.epoch(0):
        for sample, view in zip(indices.tolist(), views.tolist(), strict=True):
            seen.setdefault(sample, []).append(view)
    assert all(sorted(views) == [0, 1, 2, 3] for views in seen.values())


def test_equally_difficult_samples_come_in_the_order_of_their_places() -> None:
    pace = Pace(np.zeros(10, np.float32), start=0.3, full_after=5)
    assert pace.easiest(0, at_least=1).tolist() == [0, 1, 2]


def test_an_epoch_takes_from_at_least_one_batch_of_samples() -> None:
    pace = Pace(np.arange(20, dtype=np.float32), start=0.05, full_after=5)
    assert len(pace.easiest(0, at_least=8)) == 8


def test_without_a_time_to_grow_all_samples_take_part_at_once() -> None:
    assert set(shown_in(paced(full_after=0.0), 0)) == set(range(100, 160))
