"""Random numbers that depend on what they are for, not on what was drawn before.

Each number is a hash of its key (SplitMix64: Steele, Lea & Flood 2014, "Fast splittable
pseudorandom number generators", OOPSLA, figure 17), so it is the same in any batch, in any order
and under any version of numpy.
"""

from __future__ import annotations

import numpy as np

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF


def mix(values: np.ndarray) -> np.ndarray:
    """One step of SplitMix64 from each state, uint64 of any shape."""
    state = values + np.uint64(_GOLDEN)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(state ^ (state >> np.uint64(31)))


def keys(indices: np.ndarray, *context: int) -> np.ndarray:
    """One key for each index `[n]`, under a context such as (seed, view): uint64 `[n]`."""
    state = np.zeros(1, dtype=np.uint64)
    for part in context:
        state = mix(state ^ np.array([part & _MASK], dtype=np.uint64))
    return mix(mix(np.asarray(indices).astype(np.uint64)) ^ state)


def uniform(key: np.ndarray, draw: int) -> np.ndarray:
    """The draw-th number in [0, 1) under each key, float64 of the key's shape."""
    offset = np.array([draw * _GOLDEN & _MASK], dtype=np.uint64)
    return (mix(key + offset) >> np.uint64(11)) * 2.0**-53


def order(size: int, *context: int) -> np.ndarray:
    """A permutation of 0 .. size-1 that belongs to the context, int64 `[size]`."""
    return np.argsort(keys(np.arange(size), *context), kind="stable")
