from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill.core.labels import UNLABELLED
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation, Data, Splits
from edgedistill.core.stage import StageContext
from edgedistill.data import live_source, open_dataset, open_source
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Prepare

INPUTS = np.arange(300.0).reshape(100, 3)
LABELS = np.repeat(np.arange(4), 25)


def test_splits_are_disjoint_and_calibration_is_of_train(prepare: Prepare) -> None:
    splits = Splits(validation=0.2, test=0.1, calibration=16)
    dataset, facts = prepare(live_source(train=(INPUTS, LABELS), splits=splits))
    assert dataset.test is not None
    rows = {
        name: {float(row[0]) for row in split.inputs["input"]}
        for name, split in (
            ("train", dataset.train),
            ("validation", dataset.validation),
            ("test", dataset.test),
            ("calibration", dataset.calibration),
        )
    }
    assert {name: len(values) for name, values in rows.items()} == {
        "train": 70,
        "validation": 20,
        "test": 10,
        "calibration": 16,
    }
    assert rows["train"] | rows["validation"] | rows["test"] == set(INPUTS[:, 0])
    assert rows["calibration"] < rows["train"]
    assert set(facts["splits"]["calibration"]["per_class"].values()) == {4}


def test_hidden_labels_are_hidden_in_train_only(prepare: Prepare) -> None:
    splits = Splits(labelled=0.1, calibration=20)
    dataset, facts = prepare(live_source(train=(INPUTS, LABELS), splits=splits))
    assert dataset.test is not None
    assert facts["splits"]["train"]["labelled"] == (dataset.train.labels != UNLABELLED).sum() == 8
    assert len(dataset.train) == 80
    assert (dataset.validation.labels != UNLABELLED).all()
    assert (dataset.test.labels != UNLABELLED).all()
    assert set(facts["splits"]["train"]["per_class"].values()) == {2}


def test_too_few_samples_to_calibrate_are_all_used_and_noted(prepare: Prepare) -> None:
    dataset, facts = prepare(
        live_source(train=(INPUTS, LABELS), splits=Splits(test=0, validation=0.2, calibration=500))
    )
    assert len(dataset.calibration) == 80
    assert facts["notes"] == ["calibration asks for 500 samples, but train has 80: all 80 are used"]


def test_a_class_that_validation_lacks_is_noted(prepare: Prepare) -> None:
    source = live_source(train=(INPUTS, LABELS), validation=(INPUTS[:30], LABELS[:30]))
    _, facts = prepare(source)
    assert any("2 of 4 classes have no sample in the validation" in note for note in facts["notes"])


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"validation": 0.001}, "data.splits.validation: leaves the validation split empty"),
        ({"test": 0.004}, "data.splits.test: leaves the test split empty"),
        ({"validation": 0.9}, "leaves a class without a sample to train on"),
        ({"by": "group"}, "data.splits.by: needs groups, but the source names none for train"),
    ],
)
def test_splits_that_cannot_be(prepare: Prepare, splits: dict[str, object], message: str) -> None:
    source = live_source(train=(INPUTS, LABELS), splits=Splits.model_validate(splits))
    with pytest.raises(InputError, match=message):
        prepare(source)


def test_one_group_cannot_be_in_two_splits(prepare: Prepare) -> None:
    groups = np.array(["ann", "bob", "cat", "dan", "eve"] * 20)
    splits = Splits(by="group", test=0.2)
    shared = live_source(
        train=(INPUTS, LABELS, groups), validation=(INPUTS, LABELS, groups), splits=splits
    )
    with pytest.raises(InputError, match="this group is both in train and in validation") as caught:
        prepare(shared)
    assert [fault.given for fault in caught.value.faults] == ["ann", "bob", "cat", "dan", "eve"]
    lonely = live_source(train=(INPUTS, LABELS, np.array(["ann"] * 100)), splits=splits)
    with pytest.raises(InputError, match="leaves the test split empty"):
        prepare(lonely, "lonely")


def test_groups_may_not_take_a_class_out_of_train(prepare: Prepare) -> None:
    splits = Splits(by="group", test=0, validation=0.25)
    source = live_source(train=(INPUTS, LABELS, LABELS), splits=splits)
    with pytest.raises(InputError, match="1 of 4 classes have no sample in the train split"):
        prepare(source)


def test_the_prepared_folder_is_the_same_bytes_wherever_it_is_made(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    contents = []
    for place in ("here", "there"):
        pictures(f"{place}/colours")
        data = Data(
            source="image-folder:colours",
            preprocessing=Preprocessing(kind="image", color="bgr", layout="nhwc", resize=(6, 6)),
            splits=Splits(validation=0.2, test=0.2, calibration=4),
            augmentation=Augmentation(views=2, horizontal_flip=True),
        )
        source = open_source(data, base=tmp_path / place)
        folder = tmp_path / f"prepared-{place}"
        folder.mkdir()
        source.run(StageContext(folder=folder, seed=len(contents), threads=1 + len(contents)))
        contents.append({file.name: file.read_bytes() for file in sorted(folder.iterdir())})
    assert contents[0] == contents[1]
    assert not any(str(tmp_path).encode() in content for content in contents[0].values())
    assert open_dataset(folder).sha256 == source.fingerprint()


def test_what_is_opened_stays_on_disk(prepare: Prepare) -> None:
    dataset, _ = prepare(live_source(train=(INPUTS, LABELS)))
    assert isinstance(dataset.train.inputs["input"], np.memmap)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "dataset.json").unlink(), "is not there or no JSON"),
        (lambda folder: (folder / "dataset.json").write_text("{"), "is not there or no JSON"),
        (lambda folder: (folder / "dataset.json").write_text("{}"), "name: is missing"),
        (
            lambda folder: (folder / "train.input.npy").write_bytes(
                (folder / "train.input.npy").read_bytes()[:-8]
            ),
            "train.input.npy: cannot be read",
        ),
        (lambda folder: (folder / "train.labels.npy").unlink(), "train.labels.npy: cannot be read"),
        (
            lambda folder: np.save(folder / "train.labels.npy", np.zeros(3)),
            "does not hold the 80 samples",
        ),
    ],
)
def test_a_damaged_folder_is_named(
    tmp_path: Path, prepare: Prepare, damage: Callable[[Path], None], message: str
) -> None:
    prepare(live_source(train=(INPUTS, LABELS)))
    damage(tmp_path / "prepared")
    with pytest.raises(InputError, match=message):
        open_dataset(tmp_path / "prepared")


def test_a_batch_is_the_same_alone_and_in_company(prepare: Prepare) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    dataset, _ = prepare(
        live_source(
            train=(pixels, np.arange(60) % 3),
            preprocessing=Preprocessing(
                kind="image", color="rgb", layout="nchw", scale=1 / 255, mean=(0.4,), std=(0.2,)
            ),
            augmentation=Augmentation(views=4, shift_pixels=1, horizontal_flip=True, erase=0.5),
        )
    )
    everything = np.arange(len(dataset.train))
    for view in range(4):
        whole = dataset.train.batch(everything, view=view)["input"]
        assert whole.dtype == np.float32
        assert whole.flags.c_contiguous
        alone = [dataset.train.batch(np.array([index]), view=view)["input"] for index in (7, 3)]
        np.testing.assert_array_equal(np.concatenate(alone), whole[[7, 3]])
        if view:
            assert not np.array_equal(whole, dataset.train.batch(everything)["input"])
    in_order = [batch["input"] for _, batch in dataset.train.batches(17)]
    np.testing.assert_array_equal(
        np.concatenate(in_order), dataset.train.batch(everything)["input"]
    )
    with pytest.raises(IndexError, match="there is no view 4: the split has 4"):
        dataset.train.batch(everything, view=4)
    with pytest.raises(IndexError, match="there is no view 1"):
        dataset.validation.batch(np.array([0]), view=1)
