"""After which clip an activation's distribution has lost the least information.

Of all clips that are symmetric around zero, the one whose Kullback-Leibler divergence between the
clipped and the quantized distribution is least (S. Migacz, 8-bit inference with TensorRT, GTC 2017,
S7310). Which clip that is may hang on the last bit, so it is computed as onnxruntime does, in all
details: the integers it rounds down to, the smoothing of empty bins, float32, the first of equals.
That takes a while, so only those are computed so that a rough look at all does not rule out.
"""

from __future__ import annotations

import numpy as np

from edgedistill.stages.quantize.clips import inside

_QUANTIZED_BINS = 128
"""What NVIDIA quantizes to: the positive half of eight bits."""
_SMOOTHING = 1e-4
"""What an empty bin counts, taken from the filled ones."""


def least_divergence(
    counts: np.ndarray, edges: np.ndarray, low: float, high: float
) -> tuple[float, float]:
    """The clip after which the values' distribution has lost the least information.

    Args:
        counts: int64 `[bins]`, at least 128.
        edges: `[bins + 1]`, symmetric around zero.
        low: The least value.
        high: The greatest value.
    """
    if low == high:
        return low, high
    edge_pairs, losses = _candidates(counts), _rough_divergences(counts)
    # how far the rough losses may be off: smoothing of the filled bins, and float32
    margin = 0.02 * counts.size / counts.sum() + 2e-5
    near = np.flatnonzero(losses <= losses.min() + 2 * margin)
    below = _summed(counts)
    exact = [
        _divergence(counts[start:stop], int(below[start]), int(below[-1] - below[stop]))
        for start, stop in edge_pairs[near]
    ]
    start, stop = edge_pairs[near[int(np.argmin(exact))]]
    return inside(float(edges[start]), float(edges[stop]), low, high)


def _candidates(counts: np.ndarray) -> np.ndarray:
    """First bin and bin after the last of each clip, `[candidates, 2]`, the narrowest first."""
    bins, middle = counts.size, counts.size // 2
    half = np.arange(_QUANTIZED_BINS // 2, middle + 1)
    return np.stack([middle - half, np.minimum(middle + half + 1, bins)], axis=1)


def _rough_divergences(counts: np.ndarray) -> np.ndarray:
    """`_divergence` of every candidate, but for what smoothing takes from filled bins.

    Of a sum over bins of p log(p / q) the part with p is a difference of cumulated sums, and q is
    the same throughout a quantized bin.
    """
    start, stop = _candidates(counts).T
    merged = (stop - start) // _QUANTIZED_BINS
    below, empty_below = _summed(counts), _summed(counts == 0)
    logs_below = _summed(_times_log(counts))
    cuts = start[:, None] + merged[:, None] * np.arange(_QUANTIZED_BINS + 1)
    whole = cuts[:, -1]  # what is left of it up to stop is not quantized but lost
    left, right = below[start], below[-1] - below[stop]
    first, last = counts[start], counts[stop - 1]
    fills_first, fills_last = (first == 0) & (left > 0), (last == 0) & (right > 0)
    nothing_left = whole == stop

    sums, empty = np.diff(below[cuts], axis=1), np.diff(empty_below[cuts], axis=1)
    mass = sums.astype(np.float64)
    mass[:, 0] += left
    mass[:, -1] += np.where(nothing_left, right, 0)
    empty[:, 0] -= fills_first
    empty[:, -1] -= nothing_left & fills_last
    sums[:, -1] += below[stop] - below[whole]
    filled = merged[:, None] - empty
    means = np.where(filled > 0, sums // np.maximum(filled, 1), 0)
    lost = below[stop] - below[whole] + np.where(nothing_left, 0, right)
    lost_empty = empty_below[stop] - empty_below[whole] - (~nothing_left & fills_last)

    total, kept = float(below[-1]), (means * merged[:, None]).sum(axis=1)
    own = logs_below[stop] - logs_below[start]
    own += _times_log(first + left) - _times_log(first)
    own += _times_log(last + right) - _times_log(last)
    own += (empty.sum(axis=1) + lost_empty) * _SMOOTHING * np.log(_SMOOTHING)
    logs = np.log(np.where(means > 0, means, _SMOOTHING))
    cross = ((mass + _SMOOTHING * empty) * logs).sum(axis=1)
    cross += (lost + _SMOOTHING * lost_empty) * np.log(_SMOOTHING)
    rough: np.ndarray = (own - cross) / total + np.log(np.maximum(kept, 1) / total)
    return np.where(kept > 0, rough, np.inf)


def _summed(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)])


def _times_log(counts: np.ndarray) -> np.ndarray:
    product: np.ndarray = counts * np.log(np.maximum(counts, 1))
    return product


def _divergence(within: np.ndarray, left: int, right: int) -> float:
    """Of the clipped distribution, `[bins]` and what was cut off, from its quantized self."""
    reference = within.copy()
    reference[0] += left
    reference[-1] += right
    merged = within.size // _QUANTIZED_BINS
    whole = merged * _QUANTIZED_BINS
    sums = within[:whole].reshape(_QUANTIZED_BINS, merged).sum(axis=1)
    sums[-1] += within[whole:].sum()
    filled = (reference[:whole] != 0).reshape(_QUANTIZED_BINS, merged).sum(axis=1)
    means = np.where(filled > 0, sums / np.maximum(filled, 1), 0).astype(np.int64)
    quantized = np.zeros(within.size, np.int64)
    quantized[:whole] = np.repeat(means, merged)
    given, kept = _smooth(reference), _smooth(quantized)
    if given is None or kept is None:
        return float("inf")
    given, kept = given / given.sum(), kept / kept.sum()
    return float((given * np.log(given / kept)).sum())


def _smooth(counts: np.ndarray) -> np.ndarray | None:
    """A little of the filled bins' content in each empty bin; None where all are empty."""
    empty = counts == 0
    filled = counts.size - int(empty.sum())
    if not filled:
        return None
    taken = _SMOOTHING * (counts.size - filled) / filled
    smoothed: np.ndarray = counts.astype(np.float32)
    smoothed += np.where(empty, np.float32(_SMOOTHING), np.float32(-taken))
    return smoothed
