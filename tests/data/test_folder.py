from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Data, Splits
from edgedistill.core.stage import StageContext
from edgedistill.data import open_source
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Prepare

RGB = Preprocessing(kind="image", color="rgb", scale=1 / 255, layout="nchw")
SPLITS = Splits(validation=0.25, test=0.25, calibration=4)


def config(folder: str = "colours", preprocessing: Preprocessing | None = RGB) -> Data:
    return Data(source=f"image-folder:{folder}", preprocessing=preprocessing, splits=SPLITS)


def test_one_folder_per_class(
    tmp_path: Path, pictures: Callable[..., Path], prepare: Prepare
) -> None:
    folder = pictures()
    dataset, facts = prepare(open_source(config(), base=tmp_path))
    assert dataset.class_names == ("blue", "red")
    assert dataset.source == "image-folder:colours"
    assert dataset.input_shapes == {"input": (3, 10, 12)}
    assert dataset.test is not None
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (12, 6, 6)
    assert facts["splits"]["train"]["per_class"] == {"blue": 6, "red": 6}
    originals = {
        label: [np.asarray(Image.open(file)) for file in sorted((folder / label).iterdir())]
        for label in dataset.class_names
    }
    found = 0
    for split in (dataset.train, dataset.validation, dataset.test):
        for raw, label in zip(split.inputs["input"], split.labels, strict=True):
            name = dataset.class_names[label]
            found += sum(np.array_equal(raw, original) for original in originals[name])
    assert found == 24


def test_splits_of_the_folder_stay_whole(
    tmp_path: Path, pictures: Callable[..., Path], prepare: Prepare
) -> None:
    pictures("set/train")
    pictures("set/val", count=3)
    pictures("set/test", count=2)
    dataset, facts = prepare(open_source(config("set"), base=tmp_path))
    assert dataset.test is not None
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (24, 6, 4)
    assert facts["brought_by_source"] == ["train", "validation", "test"]


def test_hidden_files_and_files_beside_the_classes_are_ignored(
    tmp_path: Path, pictures: Callable[..., Path], prepare: Prepare
) -> None:
    folder = pictures()
    (folder / "LICENSE.txt").write_text("MIT")
    (folder / ".cache").mkdir()
    (folder / "red" / ".DS_Store").write_bytes(b"\0")
    dataset, _ = prepare(open_source(config(), base=tmp_path))
    assert dataset.class_names == ("blue", "red")


def test_everything_out_of_place_is_named_at_once(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    folder = pictures()
    (folder / "red" / "notes.txt").write_text("x")
    (folder / "red" / "more").mkdir()
    (folder / "green").mkdir()
    (folder / "loose.png").write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        open_source(config(), base=tmp_path)
    problems = {fault.file: fault.problem for fault in caught.value.faults}
    assert problems == {
        folder / "red" / "notes.txt": "is not a picture",
        folder / "red" / "more": "is a folder inside a class",
        folder / "green": "is a class without a picture",
        folder / "loose.png": "is a picture without a class",
    }


def test_a_split_that_does_not_belong_is_named(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    pictures("set/train")
    pictures("set/tset")
    pictures("set/val")
    pictures("set/validation")
    with pytest.raises(InputError, match=r"(?s)tset: is not a split.*is a second validation"):
        open_source(config("set"), base=tmp_path)


def test_a_class_that_train_does_not_have_is_named(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    pictures("set/train")
    test = pictures("set/test")
    (test / "red").rename(test / "rad")
    with pytest.raises(InputError, match=r"is a class that train does not have \(given: rad\)"):
        open_source(config("set"), base=tmp_path)


def test_a_folder_without_train_says_so(tmp_path: Path, pictures: Callable[..., Path]) -> None:
    pictures("set/test")
    pictures("set/val")
    with pytest.raises(InputError, match="has no train split"):
        open_source(config("set"), base=tmp_path)


def test_pictures_that_are_none_are_all_named(
    tmp_path: Path, pictures: Callable[..., Path], prepare: Prepare
) -> None:
    folder = pictures()
    (folder / "red" / "00.png").write_bytes(b"no picture")
    whole = (folder / "blue" / "05.png").read_bytes()
    (folder / "blue" / "05.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="is not a picture that can be decoded") as caught:
        prepare(open_source(config(), base=tmp_path))
    assert {fault.file for fault in caught.value.faults} == {
        folder / "red" / "00.png",
        folder / "blue" / "05.png",
    }


def test_pictures_of_several_sizes_need_a_resize(
    tmp_path: Path, pictures: Callable[..., Path], prepare: Prepare
) -> None:
    folder = pictures()
    Image.new("RGB", (30, 20)).save(folder / "red" / "odd.jpg")
    with pytest.raises(InputError, match=r"odd.jpg: is not 10 x 12 pixels .*given: 20 x 30"):
        prepare(open_source(config(), base=tmp_path))
    resized = config(preprocessing=RGB.model_copy(update={"resize": (8, 8)}))
    dataset, _ = prepare(open_source(resized, base=tmp_path), "resized")
    assert dataset.input_shapes == {"input": (3, 8, 8)}


def test_the_fingerprint_follows_content_place_and_declaration(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    folder = pictures()
    before = open_source(config(), base=tmp_path).fingerprint()
    assert open_source(config(), base=tmp_path).fingerprint() == before
    other = config(preprocessing=RGB.model_copy(update={"scale": 0.5}))
    assert open_source(other, base=tmp_path).fingerprint() != before
    (folder / "red" / "00.png").rename(folder / "blue" / "99.png")
    moved = open_source(config(), base=tmp_path).fingerprint()
    assert moved != before
    Image.new("RGB", (12, 10)).save(folder / "blue" / "99.png")
    assert open_source(config(), base=tmp_path).fingerprint() not in (before, moved)


def test_memory_stays_flat(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for label in ("blue", "red"):
        (tmp_path / "large" / label).mkdir(parents=True)
        for index in range(20):
            pixels = np.repeat(generator.integers(0, 256, (1, 600, 3), dtype=np.uint8), 600, axis=0)
            Image.fromarray(pixels).save(tmp_path / "large" / label / f"{index}.bmp")
    source = open_source(config("large"), base=tmp_path)
    folder = tmp_path / "prepared"
    folder.mkdir()
    tracemalloc.start()
    source.run(StageContext(folder=folder))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    written_bytes = sum(file.stat().st_size for file in folder.glob("*.input.npy"))
    assert written_bytes > 40 * 600 * 600 * 3
    assert peak_bytes < 0.4 * written_bytes


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"colours: data.source: does not exist"):
        open_source(config(), base=tmp_path)
