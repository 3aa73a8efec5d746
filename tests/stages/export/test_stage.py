from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from edgedistill.core.pruning import Prune
from edgedistill.core.recipe import Export
from edgedistill.core.stage import StageContext
from edgedistill.cost.graph import count
from edgedistill.errors import InputError, PromiseError
from edgedistill.models.network import load
from edgedistill.stages.export import CLASS_NAMES_KEY, Exporting, require_preprocessing
from edgedistill.stages.prune import Pruning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from edgedistill.data.dataset import Dataset
    from edgedistill.models.network import Network


def export(
    network: Network, digits: Dataset, folder: Path, **more: Any
) -> tuple[Mapping[str, Any], Path]:
    folder.mkdir(parents=True, exist_ok=True)
    limits = {"config": Export(), "opset": 20, "max_ir_version": 10} | more
    facts = Exporting(network, digits, **limits).run(StageContext(folder)).facts
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]
    return facts, folder / "model.onnx"


def answers(file: Path, inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"input": inputs})[0])


@pytest.fixture(scope="module")
def exported(
    residual: Network, digits: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Mapping[str, Any], Path]:
    return export(residual, digits, tmp_path_factory.mktemp("exported"))


def test_the_file_answers_as_the_network_on_any_batch(
    exported: tuple[Mapping[str, Any], Path], residual: Network, digits: Dataset
) -> None:
    facts, file = exported
    split = digits.validation
    inputs = split.batch(np.arange(len(split)))["input"]
    with torch.no_grad():
        expected = residual.module(torch.from_numpy(inputs)).numpy()

    for size in (1, 3, 100):
        np.testing.assert_allclose(answers(file, inputs[:size]), expected[:size], atol=1e-5)
    assert facts["parity"]["samples"] == 100
    assert facts["parity"]["agreement"] == 1.0
    assert facts["parity"]["max_difference"] < 1e-5


def test_facts_are_those_of_the_file(exported: tuple[Mapping[str, Any], Path]) -> None:
    facts, file = exported
    model = onnx.load(file)

    assert facts["exporter"] == "torch"
    assert facts["opset"] == model.opset_import[0].version == 20
    assert facts["ir_version"] == model.ir_version <= 10
    assert facts["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert facts["size_bytes"] == file.stat().st_size
    json.dumps(facts, allow_nan=False)


def test_the_file_carries_its_contract_and_nothing_of_this_machine(
    exported: tuple[Mapping[str, Any], Path], digits: Dataset
) -> None:
    _, file = exported

    require_preprocessing(file, digits.preprocessing)
    entries = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert tuple(json.loads(entries[CLASS_NAMES_KEY])) == digits.class_names
    content = file.read_bytes()
    for trace in (str(Path.cwd()), str(Path.home()), "site-packages", "torch", "zoo.py"):
        assert trace.encode() not in content


def test_batch_norm_is_folded_into_the_convolutions(
    exported: tuple[Mapping[str, Any], Path],
) -> None:
    operators = [node.op_type for node in onnx.load(exported[1]).graph.node]

    assert "BatchNormalization" not in operators
    assert operators.count("Conv") == 6


def test_a_network_in_training_mode_is_exported_for_inference(
    exported: tuple[Mapping[str, Any], Path], residual: Network, digits: Dataset, tmp_path: Path
) -> None:
    residual.module.train()
    try:
        facts, _ = export(residual, digits, tmp_path)
        assert residual.module.training
    finally:
        residual.module.eval()

    assert facts["sha256"] == exported[0]["sha256"]


SECOND_PROCESS = """
import sys
from pathlib import Path
import numpy as np
import torch
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation, Export
from edgedistill.core.teacher import Model
from edgedistill.core.stage import StageContext
from edgedistill.data.dataset import Dataset, Split
from edgedistill.models.network import create
from edgedistill.models.signature import Signature
from edgedistill.stages.export import Exporting

pre = Preprocessing(scale=1 / 16, mean=(0.3,), std=(0.4,))
pictures = np.random.default_rng(0).random((8, 1, 8, 8), dtype=np.float32)
split = Split({"input": pictures}, np.zeros(8, np.int64), None, pre, Augmentation())
names = tuple(f"Ziffer „{name}“" for name in range(10))
dataset = Dataset("x", "x", "", names, pre, split, split, None, split)
model = Model(source="builtin:residual-cnn", args={"width": 8, "stages": 2})
network = create(
    model, Signature({"input": (1, 8, 8)}, 10), base=Path(), seed=0, preprocessing=pre
)
stage = Exporting(network, dataset, Export(), opset=20, max_ir_version=10)
sys.stdout.write(stage.run(StageContext(Path(sys.argv[1]))).facts["sha256"])
"""


def test_another_process_writes_the_same_bytes_and_not_a_word(
    exported: tuple[Mapping[str, Any], Path], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SECOND_PROCESS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )

    assert done.stdout == exported[0]["sha256"]
    assert done.stderr == ""


def test_a_static_file_takes_one_sample(residual: Network, digits: Dataset, tmp_path: Path) -> None:
    facts, file = export(residual, digits, tmp_path, shapes="static")

    (value,) = onnx.load(file).graph.input
    assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [1, 1, 8, 8]
    assert facts["shapes"] == "static"
    assert facts["parity"]["samples"] == 100


@pytest.mark.parametrize(
    ("wanted", "opset", "max_ir_version", "written"), [(23, 19, 10, 19), (20, 20, 8, 18)]
)
def test_opset_and_ir_version_stay_within_the_runtime(
    residual: Network,
    digits: Dataset,
    tmp_path: Path,
    wanted: int,
    opset: int,
    max_ir_version: int,
    written: int,
) -> None:
    facts, file = export(
        residual,
        digits,
        tmp_path,
        config=Export(opset=wanted),
        opset=opset,
        max_ir_version=max_ir_version,
    )

    model = onnx.load(file)
    assert facts["opset"] == model.opset_import[0].version == written
    assert model.ir_version <= max_ir_version


def test_a_pruned_network_exports_with_the_macs_it_was_pruned_to(
    residual: Network, digits: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "pruned").mkdir()
    pruning = Pruning(residual, digits, Prune(macs_ratio=0.5, round_to=4), Path())
    pruned = pruning.run(StageContext(tmp_path / "pruned")).facts
    network = load(tmp_path / "pruned", model=residual.model, base=Path())

    facts, file = export(network, digits, tmp_path / "exported")

    assert count(file).macs == pruned["macs_after"]
    assert facts["parity"]["max_difference"] < 1e-5


class Structured(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> Any:
        return SimpleNamespace(logits=self.layer(x.flatten(1)))


def test_a_module_that_answers_with_a_structure_gives_its_logits(
    live: Callable[[nn.Module], Network], digits: Dataset, tmp_path: Path
) -> None:
    _, file = export(live(Structured().eval()), digits, tmp_path)

    assert [value.name for value in onnx.load(file).graph.output] == ["logits"]


class Branching(Structured):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x.flatten(1))
        return y if y.sum() > 0 else -y


class Exotic(Structured):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(self.layer(x.flatten(1)))


@pytest.mark.parametrize(("kind", "reason"), [(Branching, "data-dependent"), (Exotic, "bessel_j0")])
def test_a_module_that_cannot_be_exported_is_named_with_the_reason(
    live: Callable[[nn.Module], Network],
    digits: Dataset,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    kind: type[nn.Module],
    reason: str,
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        export(live(kind().eval()), digits, tmp_path)

    (fault,) = caught.value.faults
    assert fault.given == f"live:own ({kind.__name__})"
    assert capfd.readouterr() == ("", "")


class Restless(Structured):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(self.layer(x.flatten(1)), training=True)


def test_a_module_that_draws_random_numbers_is_refused(
    live: Callable[[nn.Module], Network], digits: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(PromiseError, match="inference mode"):
        export(live(Restless().eval()), digits, tmp_path)


class Forked(Structured):
    """Answers otherwise while it is exported."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x.flatten(1))
        return y + 0.01 if torch.compiler.is_exporting() else y


def test_a_file_that_answers_otherwise_is_refused(
    live: Callable[[nn.Module], Network], digits: Dataset, tmp_path: Path
) -> None:
    network = live(Forked().eval())

    with pytest.raises(PromiseError, match=r"a difference of 0\.01"):
        export(network, digits, tmp_path / "strict")
    export(network, digits, tmp_path / "loose", config=Export(max_difference=1.0))


def test_weights_that_are_not_finite_are_refused(
    live: Callable[[nn.Module], Network], digits: Dataset, tmp_path: Path
) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    broken = dataclasses.replace(live(module), module=module)
    nn.init.constant_(module[1].bias, float("nan"))

    with pytest.raises(PromiseError, match="NaN"):
        export(broken, digits, tmp_path)
