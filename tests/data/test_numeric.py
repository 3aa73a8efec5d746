from __future__ import annotations

import numpy as np

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.data.numeric import arrange, normalize, shape_faults

RGB = Preprocessing(
    kind="image",
    color="rgb",
    scale=1 / 255,
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.3, 0.4),
    layout="nchw",
)


def test_normalize_is_the_declared_formula_per_channel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    expected = np.empty((2, 4, 5, 3))
    for place, pixel in np.ndenumerate(pixels):
        channel = place[-1]
        expected[place] = (pixel / 255 - RGB.mean[channel]) / RGB.std[channel]
    normalized = normalize(pixels, RGB)
    assert normalized.dtype == np.float32
    np.testing.assert_allclose(normalized, expected, atol=1e-6)


def test_arrange_puts_channels_where_the_layout_says() -> None:
    numbers = np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3)
    arranged = arrange(numbers, RGB)
    assert arranged.shape == (1, 3, 2, 4)
    assert arranged.flags.c_contiguous
    assert arranged[0, 2, 1, 3] == numbers[0, 1, 3, 2]
    last = RGB.model_copy(update={"layout": "nhwc"})
    assert np.array_equal(arrange(numbers, last), numbers)


def test_inputs_of_the_callers_own_code_stay_as_they_are() -> None:
    values = np.array([[1.5, -2.0]], dtype=np.float32)
    assert np.array_equal(normalize(values, Preprocessing(kind="caller", scale=3.0)), values)


def test_normalize_leaves_the_raw_values_alone() -> None:
    values = np.ones((1, 3), dtype=np.float32)
    normalize(values, Preprocessing(scale=2.0))
    assert np.array_equal(values, np.ones((1, 3), dtype=np.float32))


def test_a_declaration_that_does_not_fit_names_every_key() -> None:
    faults = shape_faults((7,), RGB.model_copy(update={"kind": "array"}), augmented=True)
    assert [fault.field for fault in faults] == [
        "data.preprocessing.mean",
        "data.preprocessing.std",
        "data.preprocessing.layout",
        "data.augmentation",
    ]
