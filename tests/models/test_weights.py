from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import safetensors.torch
import torch
from torch import nn

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.errors import InputError, PromiseError
from edgedistill.models import weights

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = Preprocessing()


def test_written_tensors_come_back_with_their_preprocessing(tmp_path: Path) -> None:
    scaled = Preprocessing(scale=0.5)
    state = {"b": torch.arange(3.0), "a": torch.ones(2, 2).T, "n": torch.tensor(7)}
    weights.write(state, tmp_path / "w.safetensors", preprocessing=scaled)
    tensors, declared = weights.read(tmp_path / "w.safetensors", field="student.weights")
    assert declared == scaled
    assert all(torch.equal(tensors[name], value) for name, value in state.items())


def test_tensors_that_share_memory_are_each_written(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    weights.write({"a": shared, "b": shared}, tmp_path / "w.safetensors", preprocessing=PLAIN)
    tensors, _ = weights.read(tmp_path / "w.safetensors", field="weights")
    assert torch.equal(tensors["a"], tensors["b"])


@pytest.mark.parametrize("name", ["w.bin", "w.pt", "w.pth", "w.pkl"])
def test_a_pickle_is_refused_unread_with_the_way_to_convert_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(InputError, match=r"student\.weights: is a pickle.*save_file"):
        weights.read(tmp_path / name, field="student.weights")


def test_a_missing_file_and_another_format_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"w\.safetensors: weights: the file does not exist"):
        weights.read(tmp_path / "w.safetensors", field="weights")
    with pytest.raises(InputError, match=r"w\.npz: weights: is not a \.safetensors file"):
        weights.read(tmp_path / "w.npz", field="weights")


@pytest.mark.parametrize("kept", [0, 4, 40, 200])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "w.safetensors"
    weights.write({"a": torch.ones(64)}, path, preprocessing=PLAIN)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="is damaged or not a safetensors file"):
        weights.read(path, field="weights")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_go_neither_in_nor_out(tmp_path: Path, value: float) -> None:
    path = tmp_path / "w.safetensors"
    state = {"layer.weight": torch.tensor([1.0, value])}
    with pytest.raises(PromiseError, match=r"layer\.weight"):
        weights.write(state, path, preprocessing=PLAIN)
    assert not path.exists()
    safetensors.torch.save_file(state, path)
    with pytest.raises(InputError, match=r"NaN or infinity in layer\.weight"):
        weights.read(path, field="weights")


def test_all_keys_that_do_not_fit_are_in_one_error(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    tensors = {
        "0.weight": torch.zeros(3, 2),
        "0.bias": torch.zeros(5),
        "1.weight": torch.zeros(4, 3, dtype=torch.int64),
        "head": torch.zeros(1),
    }
    with pytest.raises(InputError) as caught:
        weights.load_into(module, tensors, file=tmp_path, field="teacher.weights")
    message = str(caught.value)
    assert "missing: 1.bias" in message
    assert "unexpected: head" in message
    assert "misshaped: 0.bias [5] where the network has [3]" in message
    assert "of another type: 1.weight torch.int64" in message
    assert len(caught.value.faults) == 1


def test_weights_of_another_preprocessing_are_refused(tmp_path: Path) -> None:
    theirs, ours = Preprocessing(mean=(0.5,)), Preprocessing(mean=(0.0,))
    with pytest.raises(InputError, match=r"mean \[0\.5\] where the data has \[0\.0\]"):
        weights.require_preprocessing(theirs, ours, file=tmp_path, field="student.weights")
    weights.require_preprocessing(ours, ours, file=tmp_path, field="student.weights")
    weights.require_preprocessing(None, ours, file=tmp_path, field="student.weights")


def test_a_declaration_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    metadata = {"edgedistill.preprocessing": '{"scale": NaN}'}
    safetensors.torch.save_file({"a": torch.ones(1)}, path, metadata)
    with pytest.raises(InputError, match="cannot be read"):
        weights.read(path, field="weights")
