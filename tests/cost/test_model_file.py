from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from edgedistill.cost import count, load_model
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = "g (float[N,7] input) => (float[N,3] out) { out = Gemm (input, w, b) }"


@pytest.fixture
def model(write: Callable[..., Path]) -> Path:
    return write(TEXT, weights={"w": (7, 3), "b": (3,)})


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.onnx: is not a file"):
        load_model(tmp_path / "absent.onnx")
    with pytest.raises(InputError, match="is not a file"):
        load_model(tmp_path)


def test_a_file_truncated_anywhere(model: Path, tmp_path: Path) -> None:
    whole = model.read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.onnx"):
            count(cut)


def test_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "random.onnx"
    for seed in range(50):
        path.write_bytes(np.random.default_rng(seed).bytes(200))
        with pytest.raises(InputError, match=r"random\.onnx"):
            count(path)


def test_damaged_bytes_are_counted_or_refused_and_never_crash(model: Path, tmp_path: Path) -> None:
    whole = model.read_bytes()
    path = tmp_path / "damaged.onnx"
    refused = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            damaged[place] = generator.integers(0, 256)
        path.write_bytes(bytes(damaged))
        try:
            count(path)
        except InputError:
            refused += 1
    assert refused > 0


def test_weights_outside_the_file_are_not_read(model: Path) -> None:
    proto = onnx.load_model(model)
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    model.write_bytes(proto.SerializeToString())
    with pytest.raises(InputError, match="keeps its weights in other files"):
        load_model(model)


def test_a_cyclic_graph(write: Callable[..., Path]) -> None:
    path = write("g (float[N,7] input) => (float[N,7] out) { out = Add (input, out) }")
    with pytest.raises(InputError, match="not a valid ONNX model"):
        load_model(path)
