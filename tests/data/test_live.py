from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation, Splits
from edgedistill.data import live_source
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from conftest import Prepare

INPUTS = np.random.default_rng(0).normal(size=(60, 2, 3)).astype(np.float32)
LABELS = np.arange(60) % 3


def loader(seed: int, *, shuffle: bool = True) -> DataLoader[Any]:
    return DataLoader(
        TensorDataset(torch.from_numpy(INPUTS), torch.from_numpy(LABELS)),
        batch_size=16,
        shuffle=shuffle,
        generator=torch.Generator().manual_seed(seed),
    )


def test_arrays_are_used_as_they_are(prepare: Prepare) -> None:
    dataset, facts = prepare(
        live_source(train=(INPUTS, LABELS), validation=(INPUTS[:9], LABELS[:9]))
    )
    assert dataset.preprocessing.kind == "caller"
    assert dataset.input_shapes == {"input": (2, 3)}
    assert np.array_equal(dataset.validation.batch(np.arange(9))["input"], INPUTS[:9])
    assert facts["brought_by_source"] == ["validation"]
    assert dataset.class_names == ("0", "1", "2")


def test_a_loader_gives_the_same_data_set_however_it_shuffles() -> None:
    first = live_source(train=loader(0)).fingerprint()
    assert live_source(train=loader(1)).fingerprint() == first
    assert live_source(train=loader(1, shuffle=False)).fingerprint() == first
    one_less = [(INPUTS[:59], LABELS[:59])]
    assert live_source(train=one_less).fingerprint() != first


def test_a_loader_keeps_each_label_with_its_sample(prepare: Prepare) -> None:
    dataset, _ = prepare(live_source(train=loader(5), splits=Splits(test=0.0)))
    assert dataset.test is None
    found = 0
    for split in (dataset.train, dataset.validation):
        for values, label in zip(split.inputs["input"], split.labels, strict=True):
            place = int(np.flatnonzero((values == INPUTS).all(axis=(1, 2)))[0])
            assert LABELS[place] == label
            found += 1
    assert found == 60


def test_single_samples_tensors_and_groups(prepare: Prepare) -> None:
    samples = TensorDataset(torch.from_numpy(INPUTS), torch.from_numpy(LABELS))
    dataset, _ = prepare(live_source(train=samples, class_names=["x", "y", "z"]))
    assert dataset.class_names == ("x", "y", "z")
    tensors = (torch.from_numpy(INPUTS).requires_grad_(), torch.from_numpy(LABELS))
    grouped = (*tensors, ["ann", "bob", "cat", "dan"] * 15)
    splits = Splits(by="group", validation=0.25, test=0.25)
    dataset, facts = prepare(live_source(train=grouped, splits=splits), "grouped")
    groups = [facts["splits"][name]["per_group"] for name in ("train", "validation", "test")]
    assert [len(names) for names in groups] == [2, 1, 1]
    assert set().union(*groups) == {"ann", "bob", "cat", "dan"}


def test_several_inputs(prepare: Prepare) -> None:
    inputs = {"left": INPUTS, "right": INPUTS[:, :, :1] * 2}
    dataset, _ = prepare(live_source(train=(inputs, LABELS)))
    assert dataset.input_shapes == {"left": (2, 3), "right": (2, 1)}
    batch = dataset.train.batch(np.array([4, 1]))
    np.testing.assert_array_equal(batch["right"][:, :, 0], batch["left"][:, :, 0] * 2)


def test_pixels_with_a_declaration_can_be_augmented(prepare: Prepare) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 6, 6, 1), dtype=np.uint8)
    dataset, _ = prepare(
        live_source(
            train=(pixels, LABELS),
            preprocessing=Preprocessing(kind="image", color="grey", layout="nchw", scale=1 / 255),
            augmentation=Augmentation(views=3, shift_pixels=1),
        )
    )
    assert dataset.train.views == 3


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (INPUTS, "train: a ndarray is not a split"),
        ((INPUTS,), r"a tuple of 1 is not \(inputs, labels\)"),
        ([INPUTS, LABELS], r"a ndarray is not \(inputs, labels\)"),
        ({"x": INPUTS, "y": LABELS}, "a dict is not a split"),
        (7, "a int is not a split"),
        (None, "a NoneType is not a split"),
        ([], "the loader gave no batch"),
        ([(INPUTS, LABELS), (INPUTS[:, :1], LABELS)], "must match exactly"),
    ],
)
def test_what_is_no_split_is_refused(train: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        live_source(train=train)


def test_what_does_not_belong_together_is_refused(prepare: Prepare) -> None:
    with pytest.raises(InputError, match=r"train.labels: are 50, but there are 60 samples"):
        prepare(live_source(train=(INPUTS, LABELS[:50])))
    with pytest.raises(InputError, match=r"train.inputs: are not numbers"):
        prepare(live_source(train=(INPUTS.astype(object), LABELS)), "objects")
    with pytest.raises(InputError, match="class_names: are not distinct"):
        prepare(live_source(train=(INPUTS, LABELS), class_names=["a", "a", "b"]), "names")
    with pytest.raises(InputError, match="augmentation: is for pictures"):
        prepare(
            live_source(
                train=(INPUTS, LABELS), augmentation=Augmentation(views=2, horizontal_flip=True)
            ),
            "views",
        )
