"""Which samples go where. Pure functions of labels, groups and a seed."""

from __future__ import annotations

import numpy as np

from edgedistill.core.labels import UNLABELLED
from edgedistill.data.draws import order

TEST, VALIDATION, CALIBRATION, LABELLED = 1, 2, 3, 4
"""What a choice is for: choices for different ends are independent under one seed."""


def stratified(
    strata: np.ndarray, count: int, *, seed: int, purpose: int, at_least: int = 0, leave: int = 0
) -> np.ndarray:
    """Chooses samples so that each stratum has its share (largest remainders first).

    Args:
        strata: The stratum (for instance the class) of each sample, `[n]`.
        count: How many to choose in all.
        seed: Chooses another set of the same sizes.
        purpose: What the choice is for.
        at_least: Choose at least so many of each stratum, even beyond `count`.
        leave: Leave at least so many of each stratum, even below `count`.

    Returns:
        Indices of the chosen samples, rising.
    """
    _, members, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    quotas = _quotas(sizes, count, at_least, leave, order(len(sizes), seed, purpose))
    shuffled = order(len(strata), seed, purpose, 1)
    by_stratum = shuffled[np.argsort(members[shuffled], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    chosen = [
        by_stratum[start : start + quota] for start, quota in zip(starts, quotas, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _quotas(
    sizes: np.ndarray, count: int, at_least: int, leave: int, ties: np.ndarray
) -> np.ndarray:
    most = np.maximum(sizes - leave, 0)
    exact = count * sizes / sizes.sum()
    quotas = np.clip(np.floor(exact).astype(np.int64), np.minimum(at_least, most), most)
    rank = np.lexsort((ties, np.floor(exact) - exact))
    while quotas.sum() < count and (quotas < most).any():
        for stratum in rank:
            if quotas.sum() < count and quotas[stratum] < most[stratum]:
                quotas[stratum] += 1
    return np.asarray(quotas)


def whole_groups(groups: np.ndarray, count: int, *, seed: int, purpose: int) -> np.ndarray:
    """Chooses whole groups so that together they hold about `count` samples.

    Groups are taken in a random order as long as each brings the sum nearer to `count`; where
    none does, the smallest is taken. At least one group is left.

    Args:
        groups: The group of each sample, `[n]`.
        count: How many samples to choose, about.
        seed: Chooses other groups.
        purpose: What the choice is for.

    Returns:
        Indices of the chosen samples, rising; none where there is only one group.
    """
    names, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    chosen = np.zeros(len(names), dtype=bool)
    for group in order(len(names), seed, purpose):
        held = sizes[chosen].sum()
        nearer = abs(held + sizes[group] - count) < abs(held - count)
        if nearer and chosen.sum() + 1 < len(names):
            chosen[group] = True
    if not chosen.any() and len(names) > 1:
        chosen[sizes.argmin()] = True
    return np.flatnonzero(chosen[members])


def hide_labels(labels: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Keeps a share of the labels, class by class and at least one per class.

    Args:
        labels: The right classes, `[n]`.
        share: Which part of them may be used, above 0 and up to 1.
        seed: Chooses others.

    Returns:
        A copy with UNLABELLED in place of the others.
    """
    count = round(share * len(labels))
    kept = stratified(labels, count, seed=seed, purpose=LABELLED, at_least=1)
    hidden = np.full_like(labels, UNLABELLED)
    hidden[kept] = labels[kept]
    return hidden
