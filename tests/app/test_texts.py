"""Texts on the whole road, from CSV files to a measured int8 model."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
import torch

import edgedistill
from edgedistill.app.resolve import read_recipe
from edgedistill.core.evidence import Evidence
from edgedistill.data import open_dataset
from edgedistill.stages.export.contract import read_class_names, read_preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

transformers = pytest.importorskip("transformers", reason="needs the extra hf")

RECIPE = """
schema_version: 1
name: topics
threads: 1
data:
  source: csv:data
  columns: {text: text, label: category}
  preprocessing: {kind: text, tokenizer: tokenizer.json, max_tokens: 12}
  splits: {validation: 0.2, test: 0.2, calibration: 16}
teacher:
  source: hf:teacher
  train: {epochs: 10, batch_size: 16, learning_rate: 0.004}
student:
  source: hf:student
  args: {num_hidden_layers: 1}
stages:
  distill:
    train: {epochs: 10, batch_size: 16, learning_rate: 0.004}
  benchmark: {rounds: 10, runs_per_round: 2, warmup_runs: 1}
targets:
  host: {budget: {max_accuracy_drop: 0.1}}
"""


@pytest.fixture
def project(text_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe with its data, a tokenizer and two configurations without weights."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = text_folder(240)
    for name in ("teacher", "student"):
        _config(num_hidden_layers=2).save_pretrained(folder / name)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def _config(**more: Any) -> Any:
    return transformers.BertConfig(
        vocab_size=40,
        hidden_size=32,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.1,  # so small a network hardly starts from the usual 0.02
        **more,
    )


def _on_device(shipped: Path, text: str) -> str:
    """What a device does: it has the model and tokenizer.json, and reads the model's metadata."""
    from tokenizers import Tokenizer

    contract = read_preprocessing(shipped / "model.onnx")
    names = read_class_names(shipped / "model.onnx")
    assert contract is not None
    assert names is not None
    tokenizer = Tokenizer.from_file(str(shipped / "tokenizer.json"))
    tokenizer.enable_truncation(contract.max_tokens)
    tokenizer.enable_padding(length=contract.max_tokens, pad_id=contract.padding_id)
    encoded = tokenizer.encode(text)
    answer = onnxruntime.InferenceSession(shipped / "model.onnx").run(
        ["logits"],
        {
            "input_ids": np.array([encoded.ids]),
            "attention_mask": np.array([encoded.attention_mask]),
        },
    )[0]
    return names[int(answer.argmax())]


@pytest.mark.slow
def test_texts_go_from_csv_files_to_a_measured_int8_model(project: Path) -> None:
    run = edgedistill.run_recipe(read_recipe(project / "recipe.yaml"), out=project / "run")

    teacher, distilled, int8 = run.candidates["host"]
    for row in (teacher, distilled, int8):
        assert row.accuracy.value > 0.8  # chance is 1/3
        assert row.latency is not None
        assert row.accuracy.evidence is Evidence.MEASURED_ON_DEVICE
    candidates = {one.name: one.row for one in run.reports["host"].candidates}
    assert int8 in candidates.values()
    static, dynamic = candidates["int8-U8S8"], candidates["int8-dynamic"]
    assert static is not None
    assert dynamic is not None
    for row in (static, dynamic):
        assert row.int8 is not None
        assert row.int8.float_operators == 2  # the two products of attention have no weights
    # One layer: projections, two products of attention, feed-forward; pooler and classifier.
    tokens, width = 12, 32
    layer = tokens * width * (4 * width + 2 * 64) + 2 * tokens * tokens * width
    assert distilled.macs.value == layer + width * width + width * 3

    shipped = project / "run" / "targets" / "host"
    tokenizer = (shipped / "tokenizer.json").read_bytes()
    assert tokenizer == (project / "tokenizer.json").read_bytes()
    contract = read_preprocessing(shipped / "model.onnx")
    assert contract is not None
    assert (contract.kind, contract.max_tokens, contract.padding_id) == ("text", 12, 0)
    assert contract.tokenizer == "tokenizer.json"
    assert contract.tokenizer_sha256 == hashlib.sha256(tokenizer).hexdigest()
    assert str(project) not in json.dumps(contract.model_dump())
    assert _on_device(shipped, "Some bread, and soup with cheese") == "food"
    assert _on_device(shipped, "wind and storm") == "weather"
    card = (shipped / "model-card.md").read_text()
    program = card.partition("```python\n")[2].partition("```")[0]
    program = program.replace("the text to be classified", "Some bread, and soup with cheese")
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=shipped, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "food\n"


@pytest.mark.slow
def test_a_teacher_with_weights_is_adopted_and_pruned_as_its_own_student(project: Path) -> None:
    torch.manual_seed(0)
    network = transformers.BertForSequenceClassification(_config(num_labels=3, num_hidden_layers=1))
    network.save_pretrained(project / "weights")
    run = edgedistill.compress(
        teacher=f"hf:{project / 'weights'}",
        data={
            "source": f"csv:{project / 'data'}",
            "columns": {"label": "category"},
            "preprocessing": {
                "kind": "text",
                "tokenizer": str(project / "tokenizer.json"),
                "max_tokens": 12,
            },
        },
        stages={
            "prune": {
                "macs_ratio": 0.7,
                "round_to": 4,
                "recover": {"train": {"epochs": 1, "batch_size": 32}},
            },
            "quantize": None,
            "benchmark": None,
        },
        targets=("host",),
        out=project / "run",
        threads=1,
    )
    teacher, pruned = run.candidates["host"]
    assert pruned.macs.value <= 0.7 * teacher.macs.value
    assert pruned.parameters.value < teacher.parameters.value

    dataset = open_dataset(next((project / "run" / "steps").glob("data-*")))
    ids = dataset.validation.batch(np.arange(4))
    expected = network.eval()(*(torch.from_numpy(ids[name]) for name in ids)).logits
    session = onnxruntime.InferenceSession(
        project / "run" / "targets" / "host" / "waterfall" / "teacher.onnx"
    )
    np.testing.assert_allclose(session.run(None, ids)[0], expected.detach().numpy(), atol=1e-5)


def test_the_lock_says_which_columns_were_read_and_nothing_depends_on_the_folder(
    project: Path, tmp_path: Path
) -> None:
    text = RECIPE.replace("  columns: {text: text, label: category}\n", "")
    (project / "short.yaml").write_text(text)
    resolved = read_recipe(project / "short.yaml")
    assert resolved.recipe.data.columns is not None
    assert resolved.recipe.data.columns.label == "label"
    assert "label: label" in resolved.lock()
    preprocessing = resolved.recipe.data.preprocessing
    assert preprocessing is not None
    assert preprocessing.tokenizer == str(project / "tokenizer.json")
