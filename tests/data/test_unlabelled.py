from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.quantized import ModelInput
from edgedistill.core.stage import StageContext
from edgedistill.data.ready import ReadyData, open_ready
from edgedistill.data.unlabelled import Unlabelled, draw, find_samples
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = Preprocessing(
    kind="image",
    color="rgb",
    resize=(6, 8),
    scale=1 / 255,
    mean=(0.5, 0.4, 0.3),
    std=(0.2,),
    layout="nchw",
)
PICTURE = (ModelInput(name="image", dtype="float32", shape=(None, 3, 6, 8)),)
VECTOR = (ModelInput(name="x", dtype="float32", shape=(None, 4)),)


def pictures(folder: Path, count: int, **options: str) -> Path:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for place in range(count):
        pixels = generator.integers(0, 256, (10 + place, 12, 3), np.uint8)
        Image.fromarray(pixels).convert(options.get("mode", "RGB")).save(
            folder / f"{place:03}.{options.get('ending', 'png')}"
        )
    return folder


def drawn(
    path: Path,
    inputs: tuple[ModelInput, ...] = VECTOR,
    *,
    pixels: Preprocessing | None = None,
    calibration: int = 256,
) -> Unlabelled:
    return draw(
        find_samples(path), inputs, preprocessing=pixels, calibration=calibration, judging=9, seed=0
    )


def prepared(unlabelled: Unlabelled, folder: Path) -> ReadyData:
    folder.mkdir()
    unlabelled.run(StageContext(folder=folder))
    return open_ready(folder)


def test_pictures_become_inputs_as_declared(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 5)
    ready = prepared(drawn(folder, PICTURE, pixels=PIXELS), tmp_path / "ready")
    assert (len(ready.calibration), len(ready.judging)) == (2, 3)
    given = ready.judging.batch(np.array([1]))["image"]
    source = drawn(folder, PICTURE, pixels=PIXELS)
    with Image.open(source.found.files[source.judging[1]]) as image:
        resized = np.asarray(image.resize((8, 6), Image.Resampling.BILINEAR), np.float64)
    expected = ((resized / 255 - [0.5, 0.4, 0.3]) / 0.2).transpose(2, 0, 1)
    assert given.dtype == np.float32
    assert given.shape == (1, 3, 6, 8)
    assert np.abs(given[0] - expected).max() < 1e-5


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK", "LA"])
def test_pictures_of_any_mode_are_read(tmp_path: Path, mode: str) -> None:
    ending = "tiff" if mode == "CMYK" else "png"
    folder = pictures(tmp_path / "pictures", 2, mode=mode, ending=ending)
    ready = prepared(drawn(folder, PICTURE, pixels=PIXELS), tmp_path / "ready")
    assert ready.calibration.batch(np.array([0]))["image"].shape == (1, 3, 6, 8)


def test_no_sample_both_calibrates_and_judges(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(80, dtype=np.float32).reshape(20, 4))
    for calibration in (1, 5, 12, 256):
        source = drawn(tmp_path / "x.npy", calibration=calibration)
        used = [*source.calibration, *source.judging]
        assert len(set(used)) == len(used)
        assert len(source.calibration) == min(calibration, 5 if calibration < 6 else 10)


def test_a_single_sample_calibrates_and_none_judges(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(4, np.float32))
    ready = prepared(drawn(tmp_path / "x.npy"), tmp_path / "ready")
    assert (len(ready.calibration), len(ready.judging)) == (1, 0)
    assert ready.calibration.batch(np.array([0]))["x"].shape == (1, 4)


def test_pictures_with_the_same_bytes_count_once(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 3)
    for copy in range(4):
        (folder / f"copy-{copy}.png").write_bytes((folder / "000.png").read_bytes())
    source = drawn(folder, PICTURE, pixels=PIXELS)
    assert len(source.calibration) + len(source.judging) == 3


def test_one_sample_a_file_and_many_in_a_file_are_the_same_samples(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((10, 4)).astype(np.float32)
    for name in ("single", "batch", "ones"):
        (tmp_path / name).mkdir()
    np.save(tmp_path / "batch" / "all.npy", values)
    for place, row in enumerate(values):
        np.save(tmp_path / "single" / f"{place}.npy", row)
        np.save(tmp_path / "ones" / f"{place}.npy", row[None])
    ready = [
        prepared(drawn(tmp_path / name), tmp_path / f"r-{name}")
        for name in ("batch", "single", "ones")
    ]
    first, *others = (one.judging.batch(np.arange(5))["x"] for one in ready)
    assert all(np.array_equal(first, other) for other in others)


def test_arrays_for_several_inputs_keep_their_types(tmp_path: Path) -> None:
    inputs = (
        ModelInput(name="ids", dtype="int64", shape=(None, None)),
        ModelInput(name="a/b", dtype="float32", shape=(None, 2)),
    )
    ids, other = np.arange(18).reshape(6, 3), np.arange(12, dtype=np.float32).reshape(6, 2)
    np.savez(tmp_path / "data.npz", **{"ids": ids, "a/b": other})
    source = drawn(tmp_path / "data.npz", inputs)
    batch = prepared(source, tmp_path / "ready").judging.batch(np.array([0, 2]))
    assert batch["ids"].dtype == np.int64
    assert np.array_equal(batch["ids"], ids[source.judging[[0, 2]]])
    assert np.array_equal(batch["a/b"], other[source.judging[[0, 2]]])


def test_the_same_samples_give_the_same_key_and_bytes(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(80, dtype=np.float32).reshape(20, 4))
    one, two = drawn(tmp_path / "x.npy"), drawn(tmp_path / "x.npy")
    assert one.sha256 == two.sha256
    prepared(one, tmp_path / "one")
    prepared(two, tmp_path / "two")
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    np.save(tmp_path / "x.npy", np.arange(1, 81, dtype=np.float32).reshape(20, 4))
    assert drawn(tmp_path / "x.npy").sha256 != one.sha256


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 4)), r"the model takes float32 .*given: float64 \[5, 4\]"),
        (np.zeros((5, 3), np.float32), r"does not have the shape .* float32 \[batch, 4\]"),
        (np.zeros((0, 4), np.float32), "holds no sample"),
        (np.full((5, 4), np.nan, np.float32), "holds NaN or infinity"),
        (np.zeros((5, 4), ">f4"), "the model takes float32"),
    ],
    ids=["type", "shape", "empty", "nan", "byte order"],
)
def test_arrays_that_the_model_does_not_take(
    tmp_path: Path, array: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match=message):
        prepared(drawn(tmp_path / "x.npy"), tmp_path / "ready")


def test_arrays_that_do_not_belong_together(tmp_path: Path) -> None:
    inputs = tuple(ModelInput(name=name, dtype="float32", shape=(None, 2)) for name in "ab")
    np.savez(tmp_path / "names.npz", a=np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match="the model takes a, b"):
        drawn(tmp_path / "names.npz", inputs)
    arrays = {name: np.zeros((n, 2), np.float32) for name, n in (("a", 3), ("b", 4))}
    np.savez(tmp_path / "long.npz", **arrays)
    with pytest.raises(InputError, match="differ in length"):
        drawn(tmp_path / "long.npz", inputs)


def test_samples_of_different_shapes_are_told(tmp_path: Path) -> None:
    inputs = (ModelInput(name="x", dtype="float32", shape=(None, None)),)
    (tmp_path / "data").mkdir()
    for size in (3, 4):
        np.save(tmp_path / "data" / f"{size}.npy", np.zeros(size, np.float32))
    with pytest.raises(InputError, match=r"4\.npy: x: other samples have the shape \[3\]"):
        drawn(tmp_path / "data", inputs)


def test_folders_without_one_kind_of_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        find_samples(tmp_path / "nowhere")
    folder = pictures(tmp_path / "pictures", 1)
    np.save(folder / "x.npy", np.zeros(3))
    with pytest.raises(InputError, match="1 pictures and 1 files of arrays"):
        find_samples(folder)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.me").write_text("nothing")
    with pytest.raises(InputError, match="holds no sample"):
        find_samples(tmp_path / "notes")


def test_hidden_files_and_files_of_other_kinds_are_left_alone(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures" / "deep", 2).parent
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.png").write_bytes(b"no picture")
    (folder / "labels.csv").write_text("a,b")
    found = find_samples(folder)
    assert (len(found.files), found.others) == (2, 1)


def test_what_is_no_picture_is_named_before_anything_is_prepared(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 2)
    (folder / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"bad\.png: is not a picture"):
        drawn(folder, PICTURE, pixels=PIXELS)


def test_a_picture_that_would_fill_the_memory_is_not_decoded(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("L", (8, 8)).save(folder / "huge.png")
    content = bytearray((folder / "huge.png").read_bytes())
    content[16:24] = struct.pack(">II", 60_000, 2_000)  # width and height in the first chunk
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (folder / "huge.png").write_bytes(content)
    with pytest.raises(InputError, match=r"huge\.png: is larger than 100 megapixels"):
        drawn(folder, PICTURE, pixels=PIXELS)
