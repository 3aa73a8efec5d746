from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch_pruning

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.teacher import Model
from edgedistill.errors import InputError
from edgedistill.models import (
    Signature,
    build,
    create,
    fingerprint,
    has_weights,
    load,
    logits,
    save,
    set_attention_heads,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import nn

    from edgedistill.models import History

transformers = pytest.importorskip("transformers")

PICTURE = Signature({"pixel_values": (1, 16, 16)}, 4)
VIT = Model(source="hf:vit")
PIXELS = Preprocessing(
    kind="image", color="grey", layout="nchw", scale=1 / 255, mean=(0.5,), std=(0.5,)
)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    torch.manual_seed(0)
    vit = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=16,
        patch_size=4,
        num_channels=1,
        num_labels=4,
    )
    transformers.ViTForImageClassification(vit).save_pretrained(folder / "vit")
    transformers.ViTModel(vit).save_pretrained(folder / "headless")
    vit.save_pretrained(folder / "config-only")
    bert = transformers.BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=8,
        num_labels=3,
    )
    transformers.BertForSequenceClassification(bert).save_pretrained(folder / "bert")
    pickled = folder / "pickled"
    vit.save_pretrained(pickled)
    (pickled / "pytorch_model.bin").write_bytes(b"anything")
    return folder


def test_a_picture_classifier_comes_with_its_weights(zoo: Path) -> None:
    module = build(VIT, PICTURE, base=zoo, seed=0)
    expected = transformers.ViTForImageClassification.from_pretrained(zoo / "vit").eval()
    x = torch.randn(2, 1, 16, 16)
    assert torch.equal(logits(module, {"pixel_values": x}), expected(x).logits)
    assert has_weights(VIT, base=zoo)


def test_a_text_classifier_takes_token_numbers(zoo: Path) -> None:
    names = ("input_ids", "attention_mask")
    signature = Signature(dict.fromkeys(names, (6,)), 3, dict.fromkeys(names, "int64"))
    module = build(Model(source="hf:bert"), signature, base=zoo, seed=0)
    assert logits(module, signature.zeros(batch=2)).shape == (2, 3)


def test_a_network_for_fewer_tokens_than_the_tokenizer_has_is_refused(zoo: Path) -> None:
    names = ("input_ids", "attention_mask")
    signature = Signature(dict.fromkeys(names, (6,)), 3, dict.fromkeys(names, "int64"))
    text = Preprocessing(kind="text", tokenizer="t.json", max_tokens=6, vocabulary=20)
    build(Model(source="hf:bert"), signature, base=zoo, seed=0, preprocessing=text)
    larger = text.model_copy(update={"vocabulary": 21})
    with pytest.raises(InputError, match=r"does not take all 21 tokens .*vocab_size: 21"):
        build(Model(source="hf:bert"), signature, base=zoo, seed=0, preprocessing=larger)


def test_fresh_weights_are_made_for_the_data_s_classes(zoo: Path) -> None:
    signature = Signature(PICTURE.inputs, 7)
    module = build(Model(source="hf:config-only"), signature, base=zoo, seed=0)
    assert logits(module, signature.zeros(2)).shape == (2, 7)
    five = Model(source="hf:config-only", args={"num_labels": 5})
    with pytest.raises(InputError, match="gives 5 outputs, but the data has 7 classes"):
        build(five, signature, base=zoo, seed=0)


def test_a_configuration_alone_gives_fresh_seeded_weights(zoo: Path) -> None:
    model = Model(source="hf:config-only", args={"num_hidden_layers": 1})
    assert not has_weights(model, base=zoo)
    one, same, other = (build(model, PICTURE, base=zoo, seed=seed) for seed in (1, 1, 2))
    x = {"pixel_values": torch.randn(2, 1, 16, 16)}
    assert torch.equal(logits(one, x), logits(same, x))
    assert not torch.equal(logits(one, x), logits(other, x))


@pytest.mark.parametrize(
    ("source", "given", "message"),
    [
        ("hf:pickled", {}, r"pytorch_model\.bin.*safetensors"),
        ("hf:headless", {}, r"do not fit.*missing: classifier\.bias, classifier\.weight"),
        ("hf:absent", {}, r"student\.source: there is no such folder \(given: hf:absent\)"),
        ("hf:vit", {"hiden_size": 64}, "Did you mean 'hidden_size'?"),
        ("hf:vit", {"intermediate_size": 48}, r"do not fit the configuration.*mismatched"),
    ],
)
def test_what_is_wrong_is_named(
    zoo: Path, source: str, given: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(Model(source=source, args=dict(given)), PICTURE, base=zoo, seed=0)


def test_another_number_of_classes_is_refused(zoo: Path) -> None:
    with pytest.raises(InputError, match="gives 4 outputs, but the data has 7 classes"):
        build(VIT, Signature(PICTURE.inputs, 7), base=zoo, seed=0)


def test_code_that_comes_with_a_model_is_never_run(zoo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "remote"
    folder.mkdir()
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('code was run')")
    with pytest.raises(InputError, match="transformers cannot read it"):
        build(Model(source="hf:remote"), PICTURE, base=tmp_path, seed=0)


def test_truncated_weights_are_refused(zoo: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        data = (zoo / "vit" / name).read_bytes()
        (tmp_path / name).write_bytes(data if name == "config.json" else data[:-50])
    with pytest.raises(InputError, match="its weights cannot be loaded"):
        build(Model(source=f"hf:{tmp_path}"), PICTURE, base=zoo, seed=0)


def test_another_scaling_of_pixels_is_refused(zoo: Path, tmp_path: Path) -> None:
    transformers.ViTForImageClassification.from_pretrained(zoo / "vit").save_pretrained(tmp_path)
    declared = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
    stated = declared | {"image_mean": [0.5], "image_std": [0.5]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(stated))
    model = Model(source=f"hf:{tmp_path}")
    build(model, PICTURE, base=zoo, seed=0, preprocessing=PIXELS)
    other = PIXELS.model_copy(update={"mean": (0.1307,)})
    with pytest.raises(InputError, match=r"another preprocessing.*mean: \[0\.5\]"):
        build(model, PICTURE, base=zoo, seed=0, preprocessing=other)


def test_the_fingerprint_is_of_the_content(zoo: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((zoo / "vit" / name).read_bytes())
    copied = Model(source=f"hf:{tmp_path}")
    assert fingerprint(copied, base=zoo) == fingerprint(VIT, base=zoo)
    (tmp_path / "config.json").write_text("{}")
    assert fingerprint(copied, base=zoo) != fingerprint(VIT, base=zoo)


def _history(cuts: Iterable[Any]) -> History:
    """torch-pruning's own record of what its pruner cut, as plain values."""
    return tuple(
        (name, outputs, tuple(int(getattr(index, "idx", index)) for index in indices))
        for name, outputs, indices in cuts
    )


def _prune_heads(module: nn.Module) -> tuple[list[object], dict[str, int]]:
    attentions = {
        name: layer
        for name, layer in module.named_modules()
        if hasattr(layer, "num_attention_heads")
    }
    projections = [
        projection
        for layer in attentions.values()
        for projection in (layer.query, layer.key, layer.value)
    ]
    pruner = torch_pruning.pruner.BasePruner(
        module,
        tuple(PICTURE.zeros().values()),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=0.25,
        pruning_ratio_dict=dict.fromkeys(projections, 0.5),
        num_heads=dict.fromkeys(projections, 4),
        prune_num_heads=True,
        prune_head_dims=False,
        head_pruning_ratio=0.5,
        ignored_layers=[module.classifier],
        output_transform=lambda answer: answer.logits.sum(),
    )
    pruner.step()
    heads = {name: pruner.num_heads[layer.query] for name, layer in attentions.items()}
    return pruner.pruning_history(), heads


@pytest.mark.filterwarnings("ignore:Unwrapped parameters detected:UserWarning")
def test_a_transformer_without_half_its_heads_comes_back_bit_for_bit(
    zoo: Path, tmp_path: Path
) -> None:
    network = create(VIT, PICTURE, base=zoo, seed=0, preprocessing=Preprocessing())
    cuts, heads = _prune_heads(network.module)
    assert set(heads.values()) == {2}
    set_attention_heads(network.module, heads)
    network = dataclasses.replace(network, history=_history(cuts), attention_heads=heads)
    save(network, tmp_path)
    loaded = load(tmp_path, model=VIT, base=zoo)
    x = {"pixel_values": torch.randn(3, 1, 16, 16)}
    assert torch.equal(logits(network.module.eval(), x), logits(loaded.module, x))
    assert loaded.attention_heads == heads
