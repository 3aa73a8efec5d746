from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgedistill.stages.quantize.histograms import BINS, Histogram, count_in_bins

VALUES = arrays.arrays(
    np.float32,
    st.integers(1, 40),
    # no closer to zero than 2^-40: scaled to the widest reach, less would leave float32's range
    elements=st.floats(2.0**-40, 2.0**70, width=32)
    | st.floats(-(2.0**70), -(2.0**-40), width=32)
    | st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 0.5]),
)


def counted(*parts: np.ndarray) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.add(part, float(part.min()), float(part.max()))
    return histogram


def same(one: Histogram, other: Histogram) -> bool:
    return (
        one.exponent == other.exponent
        and (one.low, one.high) == (other.low, other.high)
        and np.array_equal(one.counts, other.counts)
    )


@given(st.lists(VALUES, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_what_comes_bit_by_bit_is_counted_as_what_comes_at_once(parts: list[np.ndarray]) -> None:
    at_once = counted(np.concatenate(parts))
    assert same(counted(*parts), at_once)
    assert same(counted(*reversed(parts)), at_once)


@given(st.lists(VALUES, min_size=1, max_size=4), st.lists(VALUES, max_size=4))
@settings(max_examples=60, deadline=None)
def test_merged_histograms_are_the_histogram_of_all(
    ours: list[np.ndarray], theirs: list[np.ndarray]
) -> None:
    merged, other = counted(*ours), counted(*theirs)
    merged.merge(other)
    assert same(merged, counted(*ours, *theirs))


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_each_value_is_counted_between_the_edges_that_hold_it(values: np.ndarray) -> None:
    histogram = counted(values)
    # numpy's last bin is closed; ours never holds its upper edge
    expected, _ = np.histogram(values.astype(np.float64), histogram.edges)
    assert np.array_equal(histogram.counts, expected)
    assert histogram.total == values.size


def test_more_than_half_of_the_bins_lie_between_the_extremes() -> None:
    for reach in (1.0, 1.001, 1.999, 6.0, 3e-20, 3e38):
        values = np.linspace(-reach, reach, 1000).astype(np.float32)
        assert 2 * reach / counted(values).bin_width >= BINS / 2


def test_many_values_are_counted_in_parts() -> None:
    values = np.random.default_rng(0).standard_normal((3, 70_001)).astype(np.float32)
    histogram = counted(values)
    expected, _ = np.histogram(values.astype(np.float64), histogram.edges)
    assert np.array_equal(histogram.counts, expected)


def test_counts_in_other_bins_are_numpys_but_for_what_an_edge_cuts() -> None:
    values = np.random.default_rng(1).normal(0.3, 1.0, 200_000).astype(np.float32)
    histogram = counted(values)
    edges = np.linspace(-np.abs(values).max(), np.abs(values).max(), 513)
    expected, _ = np.histogram(values, edges)
    found = histogram.counts_between(edges)
    assert found.sum() == values.size
    # at each edge a value may be on the wrong side if it is in the bin that the edge cuts
    cut = histogram.counts.max()
    assert np.abs(np.cumsum(found) - np.cumsum(expected)).max() <= cut


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_the_bins_of_onnxruntime_hold_what_numpy_says(values: np.ndarray) -> None:
    low, high = float(values.min()), float(values.max())
    reach = max(-low, high)
    counts = np.zeros(128, np.int64)
    count_in_bins(values, (low, high), counts)
    assert counts.sum() == values.size
    if reach >= 2.0**-100:
        expected, _ = np.histogram(values.astype(np.float64), 128, range=(-reach, reach))
        # rounding may carry a value over one edge
        assert (
            np.abs(np.cumsum(counts) - np.cumsum(expected)).max()
            <= np.unique(values, return_counts=True)[1].max()
        )
