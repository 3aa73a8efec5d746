from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxruntime.quantization.calibrate import HistogramCollector

from edgedistill.core.profile import QuantizationScheme
from edgedistill.stages.quantize.clips import (
    Levels,
    bin_edges,
    least_squared_error,
    percentile,
)
from edgedistill.stages.quantize.divergence import least_divergence
from edgedistill.stages.quantize.histograms import Histogram, count_in_bins

EIGHT, MIRRORED, SIXTEEN = Levels(), Levels(255, symmetric=True), Levels(65536)


def draw(kind: str, size: int = 30_000, seed: int = 0) -> np.ndarray:
    """Values as activations have them."""
    generator = np.random.default_rng(seed)
    values: dict[str, Any] = {
        "normal": lambda: generator.normal(0.2, 1.0, size),
        "rectified": lambda: np.maximum(generator.standard_normal(size), 0),
        "clipped": lambda: np.clip(generator.normal(1, 4, size), 0, 6),
        "heavy tails": lambda: generator.standard_t(3, size),
        "outlier above": lambda: np.append(generator.standard_normal(size), 400.0),
        "outlier below": lambda: np.append(np.abs(generator.standard_normal(size)), -90.0),
        "far from zero": lambda: generator.normal(50, 1, size),
        "negative": lambda: -np.abs(generator.standard_normal(size)),
        "few": lambda: generator.standard_normal(7),
        "two values": lambda: np.repeat([0.0, 5.0], size // 2),
    }
    drawn: np.ndarray = values[kind]().astype(np.float32)
    return drawn


KINDS = (
    "normal",
    "rectified",
    "clipped",
    "heavy tails",
    "outlier above",
    "outlier below",
    "far from zero",
    "negative",
    "few",
    "two values",
)


def counted(values: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.add(values, float(values.min()), float(values.max()))
    return histogram


def library(method: str, values: np.ndarray, bins: int, share: float = 99.999) -> Any:
    collector = HistogramCollector(method, False, bins, 128, share, "same")
    with contextlib.redirect_stdout(io.StringIO()):
        collector.collect({"x": values})
        low, high, *_ = collector.compute_collection_result()["x"]
    return low.item(), high.item()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [90.0, 99.9, 99.999, 100.0])
def test_percentile_is_onnxruntimes_within_one_bin(kind: str, share: float) -> None:
    values = draw(kind)
    ours = percentile(counted(values), share, 2048)
    bin_width = 2 * float(np.abs(values).max()) / 2048
    assert ours == pytest.approx(library("percentile", values, 2048, share), abs=1.001 * bin_width)


@given(st.integers(0, 10_000), st.sampled_from(["normal", "heavy tails", "rectified"]))
@settings(max_examples=30, deadline=None)
def test_percentile_is_numpys_within_one_bin(seed: int, kind: str) -> None:
    values = draw(kind, 4000, seed)
    bin_width = 2 * float(np.abs(values).max()) / 2048
    low, high = percentile(counted(values), 97.77, 2048)
    expected = np.percentile(values, [1.115, 98.885], method="inverted_cdf")
    # onnxruntime's takes the lower edge of the bin; ours adds the quarter bin that it may be off
    assert low == pytest.approx(expected[0], abs=1.26 * bin_width)
    assert high == pytest.approx(expected[1], abs=1.26 * bin_width)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bins", [128, 256, 512])
def test_divergence_is_least_where_onnxruntime_finds_it(kind: str, bins: int) -> None:
    values = draw(kind)
    low, high = float(values.min()), float(values.max())
    counts = np.zeros(bins, np.int64)
    count_in_bins(values, (low, high), counts)
    ours = least_divergence(counts, bin_edges(low, high, bins), low, high)
    bin_width = 2 * float(np.abs(values).max()) / bins
    theirs = library("entropy", values, bins)
    assert ours == pytest.approx(theirs, abs=1e-3 * bin_width)


def rounding_error(values: np.ndarray, low: float, high: float, levels: Levels) -> float:
    """Value by value, as QuantizeLinear and DequantizeLinear do it."""
    step = (high - low) / (levels.count - 1)
    zero = round(-low / step)
    rounded = np.clip(np.round(values.astype(np.float64) / step), -zero, levels.count - 1 - zero)
    return float(((rounded * step - values) ** 2).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("levels", [EIGHT, MIRRORED, SIXTEEN, Levels(16)])
def test_no_range_of_a_search_by_hand_rounds_better(kind: str, levels: Levels) -> None:
    values = draw(kind)
    low, high = least_squared_error(counted(values), levels)
    assert low <= 0 <= high
    assert not levels.symmetric or low == -high
    least, greatest = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if levels.symmetric:
        greatest = max(-least, greatest)
        tried = [(-end, end) for end in greatest * np.geomspace(0.004, 1, 40)]
    else:
        shares = np.geomspace(0.004, 1, 14)
        tried = [(least * a, greatest * b) for a in shares for b in shares]
        tried = [pair for pair in tried if pair[0] < pair[1]]
    best = min(rounding_error(values, *pair, levels) for pair in tried)
    # values are known to a bin only, which is much to 65536 levels and to a handful of values
    slack = (2 * float(np.abs(values).max()) / 8192) ** 2 / 3
    assert rounding_error(values, low, high, levels) <= 1.03 * best + slack


def test_what_loses_least_depends_on_the_number_of_levels() -> None:
    histogram = counted(draw("heavy tails"))
    coarse, fine = (least_squared_error(histogram, levels)[1] for levels in (Levels(16), EIGHT))
    assert coarse < 0.7 * fine


def test_the_levels_of_a_scheme() -> None:
    scheme = {"activation": "int8", "reason": "a test"}
    assert Levels.of(QuantizationScheme.model_validate(scheme)) == EIGHT
    mirrored = scheme | {"symmetric_activation": True}
    assert Levels.of(QuantizationScheme.model_validate(mirrored)) == MIRRORED


def test_a_single_value_is_its_own_range_and_no_value_is_zero() -> None:
    same = counted(np.full(5, 3.0, np.float32))
    assert percentile(same, 99.0, 2048) == (3.0, 3.0)
    assert least_squared_error(Histogram(), EIGHT) == (0.0, 0.0)
    assert percentile(Histogram(), 99.0, 2048) == (0.0, 0.0)
    assert least_divergence(np.zeros(128, np.int64), bin_edges(0, 0, 128), 0.0, 0.0) == (0.0, 0.0)
