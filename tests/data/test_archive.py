from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation, Data, Splits
from edgedistill.data import open_source
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Prepare

ARRAY = Preprocessing(kind="array", scale=2.0, mean=(1.0,), std=(0.5,))
SPLITS = Splits(validation=0.2, test=0.2, calibration=5)
INPUTS = np.random.default_rng(0).normal(size=(40, 6))
LABELS = np.arange(40) % 4


def config(**changes: object) -> Data:
    return Data.model_validate(
        {"source": "npz:set.npz", "preprocessing": ARRAY, "splits": SPLITS, **changes}
    )


def test_inputs_and_labels(tmp_path: Path, prepare: Prepare) -> None:
    np.savez(tmp_path / "set.npz", inputs=INPUTS, labels=LABELS, class_names=list("abcd"))
    dataset, facts = prepare(open_source(config(), base=tmp_path))
    assert dataset.class_names == ("a", "b", "c", "d")
    assert dataset.source == "npz:set.npz"
    assert facts["splits"]["validation"]["per_class"] == {"a": 2, "b": 2, "c": 2, "d": 2}
    batch = dataset.train.batch(np.array([0]))["input"][0]
    source = int(np.flatnonzero(np.isclose(INPUTS[:, 0], dataset.train.inputs["input"][0, 0]))[0])
    np.testing.assert_allclose(batch, (INPUTS[source] * 2 - 1) / 0.5, rtol=1e-5, atol=1e-5)


def test_splits_of_the_file_and_groups(tmp_path: Path, prepare: Prepare) -> None:
    np.savez(
        tmp_path / "set.npz",
        train_inputs=INPUTS,
        train_labels=LABELS,
        train_groups=np.arange(40) % 3,
        validation_inputs=INPUTS[:8],
        validation_labels=LABELS[:8],
        validation_groups=np.array(["x", "y"] * 4),
    )
    dataset, facts = prepare(open_source(config(), base=tmp_path))
    assert len(dataset.validation) == 8
    assert dataset.validation.groups is not None
    assert dataset.validation.groups.tolist() == ["x", "y"] * 4
    assert facts["splits"]["validation"]["per_group"] == {"x": 4, "y": 4}
    assert set(facts["splits"]["train"]["per_group"]) == {"0", "1", "2"}
    assert facts["brought_by_source"] == ["validation"]


def test_pictures_without_channels_get_one(tmp_path: Path, prepare: Prepare) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 5, 7), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", inputs=pixels, labels=LABELS)
    grey = Preprocessing(kind="image", color="grey", layout="nchw")
    augmentation = Augmentation(views=2, shift_pixels=1)
    source = open_source(config(preprocessing=grey, augmentation=augmentation), base=tmp_path)
    dataset, _ = prepare(source)
    assert dataset.train.inputs["input"].shape[1:] == (5, 7, 1)
    assert dataset.train.inputs["input"].dtype == np.uint8
    assert dataset.input_shapes == {"input": (1, 5, 7)}
    assert (dataset.train.views, dataset.validation.views, dataset.calibration.views) == (2, 1, 1)


def test_a_pickled_array_is_refused(tmp_path: Path, prepare: Prepare) -> None:
    objects = np.array([{"x": 1}] * 40, dtype=object)
    np.savez(tmp_path / "set.npz", inputs=objects, labels=LABELS)
    with pytest.raises(InputError, match=r"inputs: is a pickled object array, .* never loaded"):
        prepare(open_source(config(), base=tmp_path))


def test_unknown_and_missing_arrays_are_named_at_once(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", inputs=INPUTS, lables=LABELS, test_inputs=INPUTS)
    with pytest.raises(InputError) as caught:
        open_source(config(), base=tmp_path)
    message = str(caught.value)
    assert "lables: is no known array. Did you mean 'labels'?" in message
    assert "labels: is missing" in message
    assert "test_labels: is missing" in message


def test_train_samples_given_twice_are_refused(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "set.npz",
        inputs=INPUTS,
        labels=LABELS,
        train_inputs=INPUTS,
        train_labels=LABELS,
    )
    with pytest.raises(InputError, match="holds train samples twice"):
        open_source(config(), base=tmp_path)


@pytest.mark.parametrize("content", [b"", b"no zip file", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"set.npz: is damaged or not an .npz file"):
        open_source(config(), base=tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"set.npz: data.source: does not exist"):
        open_source(config(), base=tmp_path)


def test_labels_and_inputs_that_are_wrong_are_all_named(tmp_path: Path, prepare: Prepare) -> None:
    inputs = INPUTS.copy()
    inputs[[3, 9], 1] = np.nan, np.inf
    labels = LABELS.copy()
    labels[5], labels[6] = -2, 4
    np.savez(
        tmp_path / "set.npz",
        inputs=inputs,
        labels=labels,
        groups=np.arange(39),
        class_names=list("abcd"),
    )
    with pytest.raises(InputError) as caught:
        prepare(open_source(config(), base=tmp_path))
    message = str(caught.value)
    assert "in 2 samples (given: the first is sample 3)" in message
    assert "labels: lie outside the range of the classes (given: -2 at sample 5, 2 such" in message
    assert "groups: have the shape [39], but there are 40 samples" in message


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS.astype(np.float64), "labels: are not whole numbers .*float64"),
        (np.array(["a", "b"] * 20), "labels: are not whole numbers"),
        (LABELS[:39], "labels: are 39, but there are 40 samples"),
        (LABELS[:, None], r"labels: are not one per sample .*\[40, 1\]"),
        (LABELS * 2, "3 of 7 classes have no sample in the train split .*1, 3, 5"),
        (LABELS * 10**9, "do not number at least two classes from 0 without gaps"),
        (np.zeros(40, dtype=int), "do not number at least two classes"),
    ],
)
def test_labels_that_are_wrong(
    tmp_path: Path, prepare: Prepare, labels: np.ndarray, message: str
) -> None:
    np.savez(tmp_path / "set.npz", inputs=INPUTS, labels=labels)
    with pytest.raises(InputError, match=message):
        prepare(open_source(config(), base=tmp_path))


@pytest.mark.parametrize(
    ("preprocessing", "shape", "message"),
    [
        ({"mean": [1.0, 2.0], "std": [1.0, 1.0]}, (40, 6), "mean: has 2 values, but .* 6 channels"),
        ({"kind": "image", "color": "rgb", "layout": "nchw"}, (40, 6), "are not pictures"),
        ({"kind": "image", "color": "rgb", "layout": "nchw"}, (40, 3, 5, 5), "are not pictures"),
        (
            {"kind": "image", "color": "grey", "layout": "nchw", "center_crop": [9, 9]},
            (40, 5, 5),
            "each is 5 x 5 pixels, smaller than the crop",
        ),
        (
            {"kind": "image", "color": "grey", "layout": "nchw", "resize": [9, 9]},
            (40, 5, 5),
            "cannot be resized or converted .*float64",
        ),
    ],
)
def test_a_declaration_that_does_not_fit_the_arrays(
    tmp_path: Path,
    prepare: Prepare,
    preprocessing: dict[str, object],
    shape: tuple[int, ...],
    message: str,
) -> None:
    np.savez(tmp_path / "set.npz", inputs=np.zeros(shape), labels=LABELS)
    with pytest.raises(InputError, match=message):
        prepare(open_source(config(preprocessing=preprocessing), base=tmp_path))


def test_splits_of_unlike_samples_are_refused(tmp_path: Path, prepare: Prepare) -> None:
    np.savez(
        tmp_path / "set.npz",
        inputs=(INPUTS * 10).astype(np.uint8),
        labels=LABELS,
        test_inputs=INPUTS,
        test_labels=LABELS,
    )
    message = r"test samples: differ from the train samples, which are \[6\] uint8 .*float32"
    with pytest.raises(InputError, match=message):
        prepare(open_source(config(), base=tmp_path))
