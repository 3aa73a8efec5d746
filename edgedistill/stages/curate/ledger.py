"""Who lost what: each cut's takings by class and by group, and how the shares moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.stages.curate.takings import Taking

NOBODY = -1


@dataclass(frozen=True, eq=False)
class Ledger:
    """The takings of all cuts from `k` classes, or from `k` groups."""

    kind: Literal["class", "group"]
    names: tuple[str, ...]
    member_of: np.ndarray
    """Which of the names each sample belongs to, int64 `[n]`."""
    before: np.ndarray
    """Samples of each, int64 `[k]`."""
    taken: np.ndarray
    """By cut, what it was the first to take of each, int64 `[cuts, k]`."""
    hides: np.ndarray
    """Which cuts take the label only, bool `[cuts]`."""

    @property
    def left(self) -> np.ndarray:
        """Samples of each that are learned with their label, or never had one: int64 `[k]`."""
        return np.asarray(self.before - self.taken.sum(axis=0))

    @property
    def skew(self) -> np.ndarray:
        """Factor by which each one's share in all samples grew or shrank: float64 `[k]`, 1 or more.

        Infinite where nothing is left; 1 where nothing was.
        """
        left, before = self.left, self.before
        ratio = np.ones(len(before))
        some = before > 0
        ratio[some] = left[some] / max(1, left.sum()) * (before.sum() / before[some])
        with np.errstate(divide="ignore"):
            return np.asarray(np.maximum(ratio, 1 / ratio))

    def facts(self) -> dict[str, Any]:
        """By name, plain JSON values."""
        hidden = self.taken[self.hides].sum(axis=0)
        rows = zip(
            self.names, self.before, self.taken.sum(axis=0) - hidden, hidden, self.left, strict=True
        )
        skew = self.skew
        return {
            name: {
                "before": int(before),
                "removed": int(removed),
                "hidden": int(hid),
                "left": int(left),
                "skew": float(skew[place]) if np.isfinite(skew[place]) else None,
            }
            for place, (name, before, removed, hid, left) in enumerate(rows)
        }

    def of(self, counts: np.ndarray) -> dict[str, int]:
        """Counts `[k]` by name, without the noughts."""
        return {self.names[place]: int(counts[place]) for place in np.flatnonzero(counts)}

    def count(self, samples: np.ndarray) -> np.ndarray:
        """How many of the samples are of each, int64 `[k]`."""
        return np.bincount(self.member_of[samples], minlength=len(self.names))


def first_takers(takings: Sequence[Taking], size: int) -> np.ndarray:
    """Which cut is the first to take each sample, int64 `[n]`; NOBODY where it stays untouched."""
    takers = np.full(size, NOBODY, np.int64)
    for place, taking in enumerate(takings):
        fresh = taking.taken[takers[taking.taken] == NOBODY]
        takers[fresh] = place
    return takers


def class_ledger(
    takings: Sequence[Taking], takers: np.ndarray, classes: np.ndarray, names: tuple[str, ...]
) -> Ledger:
    """The ledger by class, `classes` int64 `[n]`."""
    return _ledger("class", takings, takers, member_of=classes, names=names)


def group_ledger(takings: Sequence[Taking], takers: np.ndarray, groups: np.ndarray) -> Ledger:
    """The ledger by group, `groups` text `[n]`."""
    names, member_of = np.unique(np.asarray(groups).astype(np.str_), return_inverse=True)
    return _ledger("group", takings, takers, member_of=member_of, names=tuple(names.tolist()))


def _ledger(
    kind: Literal["class", "group"],
    takings: Sequence[Taking],
    takers: np.ndarray,
    *,
    member_of: np.ndarray,
    names: tuple[str, ...],
) -> Ledger:
    taken = np.zeros((len(takings), len(names)), np.int64)
    for place in range(len(takings)):
        taken[place] = np.bincount(member_of[takers == place], minlength=len(names))
    return Ledger(
        kind=kind,
        names=names,
        member_of=member_of,
        before=np.bincount(member_of, minlength=len(names)),
        taken=taken,
        hides=np.array([taking.hides for taking in takings], dtype=bool),
    )
