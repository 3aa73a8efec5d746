from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.quantized import ModelInput
from edgedistill.data.brought import bring_arrays, bring_pictures, has_class_folders
from edgedistill.data.unlabelled import find_samples
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.data.brought import Brought

TAKES = (ModelInput(name="x", dtype="float32", shape=(None, 4)),)
LOOK = Preprocessing(kind="image", color="grey", resize=(4, 4), layout="nchw")
ROWS = np.arange(24, dtype=np.float32).reshape(6, 4)


def arrays(path: Path, *, labelled: bool = True, **members: Any) -> Brought:
    np.savez(path, **members)
    return bring_arrays(find_samples(path), TAKES, labelled=labelled)


def values(brought: Brought) -> np.ndarray:
    chunks = brought.samples.chunks(brought.taken, threads=1)
    return np.concatenate([chunk["x"] for chunk in chunks])


def test_labels_and_groups_stand_beside_what_the_model_takes(tmp_path: Path) -> None:
    found = arrays(tmp_path / "a.npz", rows=ROWS, labels=[0, 1, -1, 1, 0, 1], groups=list("abcabc"))
    drawn = found.draw(None, 0)
    assert drawn.taken.tolist() == [0, 1, 3, 4, 5]  # an unknown label counts for nothing
    assert found.unlabelled == 1
    assert drawn.taken_labels is not None
    assert drawn.taken_groups is not None
    assert drawn.taken_labels.tolist() == [0, 1, 1, 0, 1]
    assert drawn.taken_groups.tolist() == list("ababc")
    np.testing.assert_array_equal(values(drawn), ROWS[[0, 1, 3, 4, 5]])


def test_several_files_are_one_set_and_one_file_may_hold_one_sample(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=ROWS[:2], labels=[1, 0])
    np.savez(tmp_path / "b.npz", x=ROWS[2], labels=1)
    found = bring_arrays(find_samples(tmp_path), TAKES, labelled=True)
    assert found.labels is not None
    assert found.labels.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(values(found), ROWS[:3])


def test_without_labels_or_where_they_are_left_alone_there_are_none(tmp_path: Path) -> None:
    assert arrays(tmp_path / "a.npz", x=ROWS).labels is None
    left = arrays(tmp_path / "b.npz", labelled=False, x=ROWS, labels=[0] * 6, groups=[1] * 6)
    assert left.labels is None
    assert left.groups is None


def test_an_input_called_labels_is_an_input(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", labels=ROWS)
    takes = (ModelInput(name="labels", dtype="float32", shape=(None, 4)),)
    found = bring_arrays(find_samples(tmp_path), takes, labelled=True)
    assert (found.labels, len(found.samples)) == (None, 6)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1], "is not one whole number a sample"),
        ([0.5] * 6, "is not one whole number a sample"),
        (["a"] * 6, "is not one whole number a sample"),
        ([0, 1, -2, 1, 0, 1], "numbers no class"),
        ([-1] * 6, "holds no sample to compare with"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        arrays(tmp_path / "a.npz", x=ROWS, labels=labels).draw(None, 0)


def test_labels_in_some_files_only_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=ROWS, labels=[0] * 6)
    np.savez(tmp_path / "b.npz", x=ROWS)
    with pytest.raises(InputError, match=r"b\.npz.*labels.*is missing, and other files have it"):
        bring_arrays(find_samples(tmp_path), TAKES, labelled=True)


def test_pickled_labels_are_never_loaded(tmp_path: Path) -> None:
    labels = np.array([{}] * 6, dtype=object)
    with pytest.raises(InputError, match="pickled object array, which is never loaded"):
        arrays(tmp_path / "a.npz", x=ROWS, labels=labels)


def test_a_draw_follows_from_its_seed_and_the_hash_from_what_was_drawn(tmp_path: Path) -> None:
    found = arrays(tmp_path / "a.npz", x=ROWS, labels=[0, 1] * 3)
    first, again, other = (found.draw(3, seed) for seed in (1, 1, 2))
    assert first.taken.tolist() == again.taken.tolist() != other.taken.tolist()
    assert first.sha256() == again.sha256() != other.sha256()
    assert len(first.taken) == 3


def pictures(folder: Path, *places: str) -> Path:
    for number, place in enumerate(places):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((5, 5), number, np.uint8)).save(path)
    return folder


def test_a_folder_for_each_class_is_a_label(tmp_path: Path) -> None:
    folder = pictures(tmp_path, "dog/1.png", "cat/1.png", "dog/2.png")
    found = find_samples(folder)
    assert has_class_folders(found)
    brought = bring_pictures(found, LOOK, labelled=True)
    assert brought.class_names == ("cat", "dog")
    assert brought.labels is not None
    assert brought.labels.tolist() == [0, 1, 1]
    assert [file.name for file in brought.files] == ["1.png", "1.png", "2.png"]
    assert bring_pictures(found, LOOK, labelled=False).labels is None


@pytest.mark.parametrize("places", [("1.png", "2.png"), ("a/1.png", "2.png"), ("a/1.png",)])
def test_other_folders_have_no_labels(tmp_path: Path, places: tuple[str, ...]) -> None:
    assert not has_class_folders(find_samples(pictures(tmp_path, *places)))


def test_a_folder_of_splits_asks_for_one(tmp_path: Path) -> None:
    folder = pictures(tmp_path, "train/cat/1.png", "test/dog/1.png")
    with pytest.raises(InputError, match="holds splits, and the models are compared on one"):
        has_class_folders(find_samples(folder))
