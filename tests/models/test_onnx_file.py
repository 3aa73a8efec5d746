from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from edgedistill.errors import InputError
from edgedistill.models import Signature, onnx_file
from edgedistill.models.onnx_graph import construct

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEIGHT = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)


@pytest.fixture
def linear(onnx_classifier: Callable[..., Path], tmp_path: Path) -> Path:
    return onnx_classifier(tmp_path / "linear.onnx", WEIGHT, (1, 8, 8))


def _outside(path: Path, location: str, **more: int) -> Path:
    """The file with its weight said to lie elsewhere."""
    model = onnx.load(path)
    set_external_data(model.graph.initializer[0], location, **more)
    model.graph.initializer[0].ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    return path


def test_a_file_that_keeps_its_weights_is_read_as_it_is(linear: Path) -> None:
    model, content = onnx_file.read(linear, field="teacher")
    assert content == linear.read_bytes()
    assert onnx_file.count_weights(model) == 64 * 4 + 4
    assert onnx_file.files(linear, field="teacher") == (linear,)


def test_weights_beside_the_file_are_pulled_in(linear: Path) -> None:
    beside = linear.with_name("weights.bin")
    beside.write_bytes(b"\0" * 8 + WEIGHT.tobytes())
    _outside(linear, "weights.bin", offset=8, length=WEIGHT.nbytes)

    model, content = onnx_file.read(linear, field="teacher")

    again = onnx.load_model_from_string(content)
    for found in (model, again):
        np.testing.assert_array_equal(numpy_helper.to_array(found.graph.initializer[0]), WEIGHT)
    assert onnx_file.files(linear, field="teacher") == (linear, beside)


@pytest.mark.parametrize(
    "location",
    ["../../etc/passwd", "/etc/passwd", "link.bin", "absent.bin", "", ".", "*/_ORT_MEM_ADDR_/*"],
)
def test_weights_outside_of_the_folder_are_refused(linear: Path, location: str) -> None:
    (linear.parent / "link.bin").symlink_to("/etc/passwd")
    _outside(linear, location)
    for use in (onnx_file.read, onnx_file.files):
        with pytest.raises(InputError, match="keeps the weights of weight outside of its folder"):
            use(linear, field="teacher")


@pytest.mark.parametrize("more", [{"length": 2**20}, {"offset": 2**20}, {"offset": -1}])
def test_weights_that_are_cut_short_are_told(linear: Path, more: dict[str, int]) -> None:
    linear.with_name("weights.bin").write_bytes(WEIGHT.tobytes())
    _outside(linear, "weights.bin", **more)
    with pytest.raises(InputError, match="its weights cannot be read"):
        onnx_file.read(linear, field="teacher")


def test_weights_that_claim_more_than_a_file_can_hold_are_not_read(linear: Path) -> None:
    with linear.with_name("weights.bin").open("wb") as sparse:
        sparse.truncate(2**31)
    _outside(linear, "weights.bin")
    with pytest.raises(InputError, match=r"larger with its weights than an ONNX file can be"):
        onnx_file.read(linear, field="teacher")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(InputError, match=r"teacher\.source: the file does not exist"):
            onnx_file.read(path, field="teacher")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_told(linear: Path, share: float) -> None:
    content = linear.read_bytes()
    linear.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="It may be truncated or damaged"):
        onnx_file.read(linear, field="teacher")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_bytes_of_anything_are_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "random.onnx"
    path.write_bytes(content)
    for use in (onnx_file.read, onnx_file.files):
        with pytest.raises(InputError):
            use(path, field="teacher")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0), value=st.integers(0, 255))
def test_a_changed_byte_is_told_or_does_no_harm(linear: Path, place: int, value: int) -> None:
    content = bytearray(linear.read_bytes())
    weight = content.index(WEIGHT.tobytes())
    place %= len(content) - WEIGHT.nbytes
    content[place if place < weight else place + WEIGHT.nbytes] = value
    damaged = linear.with_name("damaged.onnx")
    damaged.write_bytes(bytes(content))
    signature = Signature({"input": (1, 8, 8)}, 4)
    with suppress(InputError):
        construct(damaged, signature, field="teacher")(*signature.zeros(2).values())


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_nan_in_a_weight_is_told_with_its_name(linear: Path, kind: type) -> None:
    model = onnx.load(linear)
    broken = np.full((2, 2), np.nan, kind)
    model.graph.initializer.append(numpy_helper.from_array(broken, "spoiled"))
    onnx.save(model, linear)
    with pytest.raises(InputError, match="holds NaN in spoiled"):
        onnx_file.read(linear, field="teacher")


def test_infinity_in_a_constant_is_a_mask(linear: Path) -> None:
    model = onnx.load(linear)
    model.graph.initializer.append(numpy_helper.from_array(np.float32([-np.inf, 0]), "mask"))
    onnx.save(model, linear)
    onnx_file.read(linear, field="teacher")


def test_a_weight_that_holds_less_than_it_says_is_told(linear: Path) -> None:
    model = onnx.load(linear)
    model.graph.initializer[0].dims[0] = 65
    linear.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="It may be truncated or damaged"):
        onnx_file.read(linear, field="teacher")


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("RandomNormalLike", ["flat"], ["noise"]),
        helper.make_node("Dropout", ["flat", "", "weight"], ["dropped"]),
    ],
    ids=lambda node: node.op_type,
)
def test_a_graph_in_training_mode_is_refused(linear: Path, node: onnx.NodeProto) -> None:
    model = onnx.load(linear)
    model.graph.node.append(node)
    model.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    model.graph.node[-1].input[:] = [
        "yes" if name == "weight" else name for name in model.graph.node[-1].input
    ]
    onnx.save(model, linear)
    with pytest.raises(InputError, match="behaves as in training"):
        onnx_file.read(linear, field="teacher")
