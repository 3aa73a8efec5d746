"""An ensemble as one ONNX model, also where a member is an ONNX file itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from edgedistill.core.recipe import Export
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model, Teacher
from edgedistill.cost.graph import count
from edgedistill.errors import InputError
from edgedistill.models import weights
from edgedistill.models.network import Network, create
from edgedistill.models.signature import Signature
from edgedistill.stages.export import Exporting, require_preprocessing
from edgedistill.stages.export.joined import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgedistill.data.dataset import Dataset

SIGNATURE = Signature({"input": (1, 8, 8)}, 10)
WEIGHT = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
MACS = 640


@pytest.fixture
def torch_members(digits: Dataset, tmp_path: Path) -> tuple[Model, Model]:
    """Two small networks with weights: 64 to 8 to 10."""
    made = []
    for seed in (1, 2):
        model = Model(source="builtin:mlp", args={"width": 8, "depth": 1})
        network = create(
            model, SIGNATURE, base=Path(), seed=seed, preprocessing=digits.preprocessing
        )
        file = tmp_path / f"{seed}.safetensors"
        weights.write(network.module.state_dict(), file, preprocessing=digits.preprocessing)
        made.append(model.model_copy(update={"weights": str(file)}))
    return made[0], made[1]


@pytest.fixture
def onnx_member(onnx_classifier: Callable[..., Path], tmp_path: Path) -> Callable[..., Model]:
    """A linear classifier as an ONNX file, varied as asked."""

    def make(name: str, **more: Any) -> Model:
        return Model(
            source=f"onnx:{onnx_classifier(tmp_path / name, WEIGHT / 4, (1, 8, 8), **more)}"
        )

    return make


def _export(
    digits: Dataset, folder: Path, members: tuple[Model, ...], **more: Any
) -> tuple[Mapping[str, Any], Path, Network]:
    combine = more.pop("combine", "probabilities")
    network = create(
        Teacher(source="ensemble", members=members, combine=combine),
        SIGNATURE,
        base=Path(),
        seed=0,
        preprocessing=digits.preprocessing,
        field="teacher",
    )
    folder = folder / "step"
    folder.mkdir()
    limits = {"config": Export(), "opset": 20, "max_ir_version": 10} | more
    facts = Exporting(network, digits, **limits).run(StageContext(folder)).facts
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]
    return facts, folder / "model.onnx", network


def _require_equal(file: Path, network: Network, digits: Dataset, size: int = 7) -> None:
    inputs = digits.validation.batch(np.arange(size))["input"]
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": inputs})
    with torch.no_grad():
        expected = network.module(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("combine", ["probabilities", "logits"])
def test_torch_members_are_exported_as_one_module(
    torch_members: tuple[Model, Model], digits: Dataset, tmp_path: Path, combine: str
) -> None:
    facts, file, network = _export(digits, tmp_path, torch_members, combine=combine)
    assert facts["exporter"] == "torch"
    assert facts["parity"]["agreement"] == 1.0
    assert count(file).macs == 2 * (64 * 8 + 8 * 10)
    _require_equal(file, network, digits)


@pytest.mark.parametrize("combine", ["probabilities", "logits"])
def test_an_onnx_member_is_joined_with_torch_members(
    torch_members: tuple[Model, Model],
    onnx_member: Callable[..., Model],
    digits: Dataset,
    tmp_path: Path,
    combine: str,
) -> None:
    first, last = torch_members
    together = (first, onnx_member("t.onnx", ends_in=("Softmax",)), last)
    facts, file, network = _export(digits, tmp_path, together, combine=combine)
    assert facts["exporter"] == "joined"
    assert facts["opset"] == 18  # converted from 13 to the oldest that torch writes
    assert facts["parity"]["max_difference"] < 1e-4
    assert count(file).macs == 2 * (64 * 8 + 8 * 10) + MACS
    require_preprocessing(file, digits.preprocessing)
    _require_equal(file, network, digits)


@pytest.mark.parametrize(("opsets", "written"), [((13, 13), 13), ((11, 15), 15), ((9, 21), 21)])
def test_onnx_members_join_in_the_newest_of_their_opsets(
    onnx_member: Callable[..., Model],
    digits: Dataset,
    tmp_path: Path,
    opsets: tuple[int, int],
    written: int,
) -> None:
    together = tuple(onnx_member(f"{i}.onnx", opset=opset) for i, opset in enumerate(opsets))
    facts, file, network = _export(digits, tmp_path, together)
    assert facts["opset"] == written
    assert facts["within_limits"] == (written <= 20)
    _require_equal(file, network, digits)


def test_a_member_of_opset_22_takes_torch_along(
    torch_members: tuple[Model, Model],
    onnx_member: Callable[..., Model],
    digits: Dataset,
    tmp_path: Path,
) -> None:
    together = (onnx_member("t.onnx", opset=22), torch_members[0])
    facts, file, network = _export(digits, tmp_path, together)
    assert (facts["opset"], facts["within_limits"]) == (22, False)
    _require_equal(file, network, digits)


@pytest.mark.parametrize("shapes", ["static", "dynamic"])
def test_a_member_for_one_sample_makes_the_whole_for_one_sample(
    torch_members: tuple[Model, Model],
    onnx_member: Callable[..., Model],
    digits: Dataset,
    tmp_path: Path,
    shapes: str,
) -> None:
    batch = 1 if shapes == "dynamic" else "batch"
    together = (torch_members[0], onnx_member("t.onnx", batch=batch))
    facts, file, network = _export(digits, tmp_path, together, shapes=shapes)
    assert facts["shapes"] == "static"
    _require_equal(file, network, digits, size=1)


def test_equal_members_give_equal_bytes(
    torch_members: tuple[Model, Model],
    onnx_member: Callable[..., Model],
    digits: Dataset,
    tmp_path: Path,
) -> None:
    together = (torch_members[0], onnx_member("t.onnx"))
    found = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.add(_export(digits, tmp_path / name, together)[0]["sha256"])
    assert len(found) == 1


def _graph(operator: str, *, opset: int, domain: str = "", version: int = 1) -> onnx.ModelProto:
    node = helper.make_node(operator, ["input"], ["logits"], domain=domain)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3])
        for name in ("input", "logits")
    ]
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(domain, version)] if domain else []
    graph = helper.make_graph([node], "one", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def test_a_member_that_cannot_be_converted_is_told_with_its_place() -> None:
    graphs = [_graph("Relu", opset=18), _graph("Gelu", opset=20)]
    with pytest.raises(InputError, match=r"members\.1\.source: cannot be brought to the .* Gelu"):
        joined(graphs, "logits", opset=18)


def test_two_versions_of_a_foreign_domain_cannot_be_joined() -> None:
    graphs = [_graph("Own", opset=18, domain="own", version=version) for version in (1, 2)]
    with pytest.raises(InputError, match=r"members\.1\.source: needs another version of this"):
        joined(graphs, "logits", opset=18)
