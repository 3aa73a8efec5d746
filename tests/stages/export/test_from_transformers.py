from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.pruning import Prune
from edgedistill.core.recipe import Augmentation, Export
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.cost.graph import count
from edgedistill.data.dataset import Dataset, Split
from edgedistill.errors import MissingExtraError
from edgedistill.models.network import Network, create, load
from edgedistill.models.signature import Signature
from edgedistill.stages.export import Exporting
from edgedistill.stages.prune import Pruning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

reason = "the extra `hf` (transformers, optimum-onnx) is not installed"
pytest.importorskip("optimum", reason=reason)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers", reason=reason)

VIT = Model(source="hf:vit")
BERT = Model(source="hf:bert")
TOKENS = ("input_ids", "attention_mask", "token_type_ids")
LENGTH = 12


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small transformers with fresh weights, saved as their users save them."""
    folder = tmp_path_factory.mktemp("saved")
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    vit = transformers.ViTConfig(
        **size, intermediate_size=64, image_size=8, patch_size=2, num_channels=1, num_labels=10
    )
    transformers.ViTForImageClassification(vit).save_pretrained(folder / "vit")
    bert = transformers.BertConfig(
        **size, intermediate_size=64, vocab_size=128, max_position_embeddings=16, num_labels=2
    )
    transformers.BertForSequenceClassification(bert).save_pretrained(folder / "bert")
    return folder


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def sentences() -> Dataset:
    """Characters of this module's licence-free prose, some sentences shorter than others."""
    text = " ".join(str(kind.__doc__) for kind in (int, str, dict, list, set, tuple, bytes))
    codes = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.float32)
    ids = codes[: len(codes) // LENGTH * LENGTH].reshape(-1, LENGTH)[:96]
    mask = (np.arange(LENGTH) < (4 + np.arange(len(ids)) % (LENGTH - 3))[:, None]).astype("f4")
    inputs = dict(zip(TOKENS, (ids * mask, mask, np.zeros_like(ids)), strict=True))
    labels = (np.arange(len(ids)) % 2).astype(np.int64)
    split = Split(inputs, labels, None, Preprocessing(), Augmentation())
    return Dataset("text", "text", "", ("a", "b"), Preprocessing(), split, split, None, split)


def prune(
    network: Network, dataset: Dataset, folder: Path, ratio: float, base: Path, *, round_to: int = 8
) -> tuple[Mapping[str, Any], Network]:
    folder.mkdir()
    stage = Pruning(network, dataset, Prune(macs_ratio=ratio, round_to=round_to), base)
    facts = stage.run(StageContext(folder)).facts
    return facts, load(folder, model=network.model, base=base)


def export(
    network: Network, dataset: Dataset, folder: Path, **more: Any
) -> tuple[Mapping[str, Any], Path]:
    folder.mkdir(parents=True)
    limits = {"opset": 20, "max_ir_version": 10} | more
    facts = Exporting(network, dataset, Export(), **limits).run(StageContext(folder)).facts
    return facts, folder / "model.onnx"


def vision(saved: Path, digits: Dataset) -> Network:
    return create(
        VIT,
        Signature({"input": (1, 8, 8)}, 10),
        base=saved,
        seed=0,
        preprocessing=digits.preprocessing,
    )


def test_a_vision_transformer_loses_heads_and_feed_forward_width_and_exports(
    saved: Path, digits: Dataset, tmp_path: Path
) -> None:
    pruned, network = prune(vision(saved, digits), digits, tmp_path / "pruned", 0.6, saved)

    facts, file = export(network, digits, tmp_path / "exported")

    assert set(pruned["attention_heads"].values()) <= {1, 2, 3}
    assert pruned["attention_heads"]
    feed_forward = [w for name, w in pruned["widths"].items() if "intermediate" in name]
    assert all(after < before for before, after in feed_forward)
    assert pruned["widths"]["vit.embeddings.patch_embeddings.projection"] == [32, 32]
    assert facts["exporter"] == "optimum"
    assert facts["parity"]["max_difference"] < 1e-5
    assert facts["parity"]["samples"] == 100
    assert count(file).macs == pruned["macs_after"] <= 0.6 * pruned["macs_before"]


@pytest.mark.parametrize("ratio", [0.9, 0.7, 0.5, 0.3])
def test_a_vision_transformer_runs_as_a_model_file_at_every_ratio(
    saved: Path, digits: Dataset, tmp_path: Path, ratio: float
) -> None:
    pruned, network = prune(
        vision(saved, digits), digits, tmp_path / "pruned", ratio, saved, round_to=1
    )

    facts, file = export(network, digits, tmp_path / "exported")

    assert 0.9 * ratio <= pruned["macs_ratio"] <= ratio
    assert count(file).macs == pruned["macs_after"]
    assert facts["parity"]["max_difference"] <= 1e-4 * facts["parity"]["spread"]
    stream = "vit.encoder.layer.1.output.dense"
    assert "embedding or a bare parameter" in pruned["untouched"][stream]


def test_a_transformer_prunes_again(saved: Path, digits: Dataset, tmp_path: Path) -> None:
    _, first = prune(vision(saved, digits), digits, tmp_path / "1", 0.7, saved)

    facts, second = prune(first, digits, tmp_path / "2", 0.7, saved)

    assert second.history[: len(first.history)] == first.history
    assert facts["macs_after"] <= 0.7 * facts["macs_before"]
    attention = second.module.vit.encoder.layer[0].attention.attention
    assert attention.all_head_size == attention.query.out_features
    assert attention.all_head_size == 8 * attention.num_attention_heads


@pytest.mark.parametrize(("shapes", "batch"), [("static", 1), ("dynamic", "batch")])
def test_only_the_batch_axis_is_open_and_names_are_the_signature_s(
    saved: Path, digits: Dataset, tmp_path: Path, shapes: str, batch: int | str
) -> None:
    _, file = export(vision(saved, digits), digits, tmp_path / "exported", shapes=shapes)

    (value,) = onnx.load(file).graph.input
    dims = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
    assert (value.name, dims) == ("input", [batch, 1, 8, 8])
    assert str(saved).encode() not in file.read_bytes()


def test_a_transformer_exports_to_the_same_bytes(
    saved: Path, digits: Dataset, tmp_path: Path
) -> None:
    one, _ = export(vision(saved, digits), digits, tmp_path / "1")
    other, _ = export(vision(saved, digits), digits, tmp_path / "2")

    assert one["sha256"] == other["sha256"]


def test_a_text_transformer_with_three_inputs_prunes_and_exports(
    saved: Path, sentences: Dataset, tmp_path: Path
) -> None:
    signature = Signature(dict.fromkeys(TOKENS, (LENGTH,)), 2, dict.fromkeys(TOKENS, "int64"))
    network = create(BERT, signature, base=saved, seed=0, preprocessing=Preprocessing())

    pruned, smaller = prune(network, sentences, tmp_path / "pruned", 0.6, saved)
    facts, file = export(smaller, sentences, tmp_path / "exported")

    assert pruned["attention_heads"]
    assert facts["exporter"] == "torch"
    assert facts["parity"]["max_difference"] < 1e-5
    assert [value.name for value in onnx.load(file).graph.input] == list(TOKENS)
    assert count(file).macs == pruned["macs_after"]


def test_a_text_transformer_prunes_to_every_ratio_and_runs_at_the_narrowest(
    saved: Path, sentences: Dataset, tmp_path: Path
) -> None:
    signature = Signature(dict.fromkeys(TOKENS, (LENGTH,)), 2, dict.fromkeys(TOKENS, "int64"))
    network = create(BERT, signature, base=saved, seed=0, preprocessing=Preprocessing())

    for ratio in (0.9, 0.7, 0.5, 0.3):
        folder = tmp_path / str(ratio)
        pruned, smaller = prune(network, sentences, folder, ratio, saved, round_to=1)
        assert 0.9 * ratio <= pruned["macs_ratio"] <= ratio
        assert smaller.module.bert.embeddings.word_embeddings.weight.shape == (128, 32)
    facts, file = export(smaller, sentences, tmp_path / "exported")

    assert count(file).macs == pruned["macs_after"]
    assert facts["parity"]["max_difference"] <= 1e-4 * facts["parity"]["spread"]


def test_inputs_that_optimum_does_not_expect_go_through_torch_s_exporter(
    saved: Path, sentences: Dataset, tmp_path: Path
) -> None:
    signature = Signature({"input_ids": (LENGTH,)}, 2, {"input_ids": "int64"})
    network = create(BERT, signature, base=saved, seed=0, preprocessing=Preprocessing())
    split = sentences.validation
    ids = Split({"input_ids": split.inputs["input_ids"]}, split.labels, None, *_plain())
    dataset = Dataset("text", "text", "", ("a", "b"), Preprocessing(), ids, ids, None, ids)

    facts, _ = export(network, dataset, tmp_path / "exported")

    assert facts["exporter"] == "torch"
    assert facts["parity"]["max_difference"] < 1e-5


def _plain() -> tuple[Preprocessing, Augmentation]:
    return Preprocessing(), Augmentation()


def test_without_optimum_the_command_that_installs_it_is_named(
    saved: Path, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = vision(saved, digits)
    monkeypatch.setitem(sys.modules, "optimum", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'edgedistill\[hf\]'"):
        export(network, digits, tmp_path / "exported")
