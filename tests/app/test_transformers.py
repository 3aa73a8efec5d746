from __future__ import annotations

import json
from typing import TYPE_CHECKING

import onnx
import pytest

import edgedistill
from edgedistill.core.evidence import Evidence

if TYPE_CHECKING:
    from pathlib import Path

transformers = pytest.importorskip(
    "transformers", reason="needs the extra hf: pip install 'edgedistill[hf]'"
)


@pytest.fixture
def saved_transformer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small vision transformer on disk, as transformers saves it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers.set_seed(0)
    config = transformers.ViTConfig(
        image_size=8,
        patch_size=4,
        num_channels=1,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        num_labels=10,
    )
    folder = tmp_path / "vit"
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    return folder


def test_a_saved_transformer_is_pruned_exported_by_optimum_quantized_and_run(
    saved_transformer: Path, tmp_path: Path
) -> None:
    run = edgedistill.compress(
        teacher=f"hf:{saved_transformer}",
        data={"source": "sklearn:digits", "splits": {"validation": 0.2, "calibration": 32}},
        stages={
            "prune": {
                "macs_ratio": 0.8,
                "round_to": 4,
                "recover": {"train": {"epochs": 1, "batch_size": 128}},
            },
            "benchmark": {"rounds": 10, "runs_per_round": 2, "warmup_runs": 1},
        },
        targets=("host",),
        out=tmp_path / "run",
        threads=1,
    )
    teacher, pruned, int8 = run.candidates["host"]
    assert pruned.macs.value <= 0.8 * teacher.macs.value
    assert pruned.parameters.value < teacher.parameters.value
    assert int8.int8 is not None
    assert int8.int8.verified == "in-runtime"
    assert int8.int8.int8_operators > 0
    for row in (teacher, pruned, int8):
        assert row.latency is not None
        assert row.latency.p50_ms.evidence is Evidence.MEASURED_ON_DEVICE
    exports = [
        json.loads(path.read_text())["facts"]
        for path in (tmp_path / "run" / "steps").glob("export-*/step.json")
        if (path.parent / "model.onnx").is_file()  # fine-tuning was not needed
    ]
    assert [facts["exporter"] for facts in exports] == ["optimum", "optimum"]
    graph = onnx.load(run.folder / "targets" / "host" / "waterfall" / "int8-U8S8.onnx").graph
    assert any(node.op_type == "QuantizeLinear" for node in graph.node)
