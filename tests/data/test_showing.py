from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from edgedistill.core.damage import Picture, Signal, Sound, Text
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Columns, Data, Splits
from edgedistill.data import Source, live_source, open_source
from edgedistill.data.showing import show_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Protocol

    from edgedistill.data import Dataset

    class Prepare(Protocol):
        def __call__(
            self, source: Source, name: str = "prepared"
        ) -> tuple[Dataset, Mapping[str, Any]]: ...


SPLITS = Splits(validation=0.25, test=0.0, calibration=4)
GENERATOR = np.random.default_rng(7)
LABELS = np.arange(16) % 2


def pixels_of(content: object) -> np.ndarray:
    """The pixels of a thumbnail, decoded by Pillow."""
    assert isinstance(content, Picture)
    image = Image.open(io.BytesIO(base64.b64decode(content.png_base64, validate=True)))
    assert image.format == "PNG"
    assert image.size == (content.width, content.height)
    return np.asarray(image)


def live(prepare: Prepare, inputs: Any, **more: Any) -> Dataset:
    return prepare(live_source(train=(inputs, LABELS), splits=SPLITS, **more))[0]


@pytest.mark.parametrize("color", ["rgb", "bgr", "grey"])
def test_a_small_picture_of_a_folder_is_shown_pixel_by_pixel(
    pictures: Callable[..., Path], prepare: Prepare, color: Any
) -> None:
    folder = pictures()
    declared = Preprocessing(kind="image", color=color, scale=1 / 255, layout="nchw")
    config = Data(source=f"image-folder:{folder}", preprocessing=declared, splits=SPLITS)
    dataset, _ = prepare(open_source(config, base=folder))

    mode = "L" if color == "grey" else "RGB"
    on_disk = [np.asarray(Image.open(file).convert(mode)) for file in folder.glob("*/*.png")]
    for index in range(len(dataset.validation)):
        shown = pixels_of(show_sample(dataset, "validation", index))
        assert any(np.array_equal(shown, pixels) for pixels in on_disk)


def test_a_large_picture_is_made_small_and_keeps_its_shape_and_brightness(
    pictures: Callable[..., Path], prepare: Prepare
) -> None:
    folder = pictures(size=(120, 300), count=3)
    declared = Preprocessing(
        kind="image", color="rgb", scale=1 / 255, mean=(0.5,), std=(0.2,), layout="nhwc"
    )
    config = Data(
        source=f"image-folder:{folder}", preprocessing=declared, splits=Splits(calibration=1)
    )
    dataset, _ = prepare(open_source(config, base=folder))

    content = show_sample(dataset, "train", 0)
    shown = pixels_of(content)
    assert shown.shape == (38, 96, 3)
    raw = dataset.train.inputs["input"][0]
    assert np.allclose(shown.mean(axis=(0, 1)), raw.mean(axis=(0, 1)), atol=1)
    assert show_sample(dataset, "train", 0) == content


def test_a_white_of_sixteen_is_white(prepare: Prepare, tmp_path: Path) -> None:
    dataset, _ = prepare(open_source(Data(source="sklearn:digits"), base=tmp_path))
    shown = pixels_of(show_sample(dataset, "test", 3))
    assert dataset.test is not None
    raw = dataset.test.inputs["input"][3, ..., 0].astype(float)
    assert np.abs(shown - raw * 255 / 16).max() < 1


@pytest.mark.parametrize(
    ("scale", "most", "dtype"),
    [(1 / 127.5, 255, np.uint8), (1.0, 255, np.uint8), (1.0, 1, np.float32)],
)
def test_white_is_told_from_the_values_where_the_scale_does_not_say_it(
    prepare: Prepare, scale: float, most: int, dtype: Any
) -> None:
    inputs = (GENERATOR.random((16, 9, 9, 3)) * most).astype(dtype)
    inputs[:, 0, 0] = most
    declared = Preprocessing(kind="image", color="rgb", scale=scale, layout="nchw")
    dataset = live(prepare, inputs, preprocessing=declared)
    shown = pixels_of(show_sample(dataset, "validation", 1))
    assert np.abs(shown - dataset.validation.inputs["input"][1] * (255 / most)).max() <= 0.51


def test_pixels_below_zero_are_stretched(prepare: Prepare) -> None:
    inputs = np.linspace(-1, 1, 16 * 9 * 9, dtype=np.float32).reshape(16, 9, 9, 1)
    declared = Preprocessing(kind="image", color="grey", layout="nchw")
    dataset = live(prepare, inputs, preprocessing=declared)
    shown = pixels_of(show_sample(dataset, "train", 0)).astype(int)
    raw = dataset.train.inputs["input"][0, ..., 0]
    assert np.corrcoef(shown.ravel(), raw.ravel())[0, 1] > 0.99


def test_a_text_is_shown_as_it_came_and_cut(
    text_folder: Callable[..., Path], prepare: Prepare
) -> None:
    folder = text_folder(60)
    long = "rain " * 200
    lines = ["category,text", "food,<script>alert(1)</script>", f"food,{long}"]
    (folder / "data" / "test.csv").write_text("\n".join([*lines, ""]))
    declared = Preprocessing(kind="text", tokenizer="tokenizer.json", max_tokens=8)
    config = Data(source="csv:data", columns=Columns(label="category"), preprocessing=declared)
    dataset, _ = prepare(open_source(config, base=folder))

    assert show_sample(dataset, "test", 0) == Text(text="<script>alert(1)</script>", cut=False)
    assert show_sample(dataset, "test", 1) == Text(text=long[:400], cut=True)


def test_features_are_one_curve(prepare: Prepare) -> None:
    inputs = GENERATOR.normal(size=(16, 5)).astype(np.float32)
    dataset = live(prepare, inputs)
    content = show_sample(dataset, "train", 2)
    assert isinstance(content, Signal)
    assert len(content.channels) == 1
    assert np.allclose(content.channels[0], dataset.train.inputs["input"][2], rtol=1e-4)
    assert not content.thinned


@pytest.mark.parametrize("transposed", [False, True])
def test_a_sensors_channels_are_its_shorter_axis(prepare: Prepare, transposed: bool) -> None:
    inputs = GENERATOR.normal(size=(16, 128, 3)).astype(np.float32)
    dataset = live(prepare, np.moveaxis(inputs, -1, 1) if transposed else inputs)
    content = show_sample(dataset, "train", 0)
    assert isinstance(content, Signal)
    raw = dataset.train.inputs["input"][0]
    assert np.allclose(content.channels, raw if transposed else raw.T, rtol=1e-4)


def test_a_mean_for_each_channel_says_which_axis_they_are(prepare: Prepare, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "sensors.npz",
        inputs=GENERATOR.normal(size=(16, 2, 4)).astype(np.float32),
        labels=LABELS,
    )
    declared = Preprocessing(kind="array", mean=(0.0, 1.0, 2.0, 3.0))
    config = Data(source="npz:sensors.npz", preprocessing=declared, splits=SPLITS)
    dataset, _ = prepare(open_source(config, base=tmp_path))
    content = show_sample(dataset, "calibration", 0)
    assert isinstance(content, Signal)
    raw = next(iter(dataset.calibration.inputs.values()))[0]
    assert np.allclose(content.channels, raw.T, rtol=1e-4)


def test_a_long_signal_is_thinned_and_keeps_its_peaks(prepare: Prepare) -> None:
    inputs = np.zeros((16, 16000, 10), np.float32)
    inputs[:, 4711, 2] = 9.0
    inputs[:, 4712, 2] = -9.0
    content = show_sample(live(prepare, inputs), "train", 0)
    assert isinstance(content, Signal)
    assert content.thinned
    assert len(content.channels) == 8
    assert all(len(channel) <= 256 for channel in content.channels)
    peaks = [value for value in content.channels[2] if value]
    assert peaks == [9.0, -9.0]
    assert not any(content.channels[3])


@pytest.mark.parametrize("shape", [(3, 20, 30), (20, 30, 3), (20, 30), (1, 20, 30)])
def test_a_grid_of_numbers_is_shown_as_a_picture_from_least_to_greatest(
    prepare: Prepare, shape: tuple[int, ...]
) -> None:
    inputs = GENERATOR.normal(size=(16, *shape)).astype(np.float32)
    dataset = live(prepare, inputs)
    shown = pixels_of(show_sample(dataset, "train", 0))
    assert shown.shape[:2] == (20, 30)
    assert (shown.min(), shown.max()) == (0, 255)


def test_of_several_inputs_the_picture_is_shown(prepare: Prepare) -> None:
    inputs = {
        "age": GENERATOR.normal(size=(16, 2)).astype(np.float32),
        "scan": GENERATOR.normal(size=(16, 12, 12)).astype(np.float32),
    }
    assert pixels_of(show_sample(live(prepare, inputs), "train", 0)).shape == (12, 12)


def test_no_other_sample_and_no_other_split_is_shown(prepare: Prepare) -> None:
    dataset = live(prepare, GENERATOR.normal(size=(16, 5)).astype(np.float32))
    with pytest.raises(IndexError, match="there is no sample -1: validation has"):
        show_sample(dataset, "validation", -1)
    with pytest.raises(IndexError, match="there is no sample 4"):
        show_sample(dataset, "validation", 4)
    with pytest.raises(ValueError, match="has no split 'test'"):
        show_sample(dataset, "test", 0)


def test_a_shown_signal_is_read_back_as_it_was_written(prepare: Prepare) -> None:
    dataset = live(prepare, GENERATOR.normal(size=(16, 5)).astype(np.float32))
    content = show_sample(dataset, "train", 2)
    assert isinstance(content, Signal)
    assert Signal.read(json.loads(content.model_dump_json()), file="a report") == content


def test_a_waveform_is_heard_where_a_rate_says_that_it_is_one(prepare: Prepare) -> None:
    inputs = np.sin(GENERATOR.normal(size=(16, 1, 800))).astype(np.float32)
    dataset = live(prepare, inputs)
    content = show_sample(dataset, "train", 0, sample_rate_hz=8000)
    assert isinstance(content, Sound)
    assert content.seconds == 0.1
    assert isinstance(show_sample(dataset, "train", 0), Signal)
