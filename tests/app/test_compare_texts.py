"""Two foreign classifiers of texts, each a bag of words."""

from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgedistill
from edgedistill.core.damage import Text
from edgedistill.core.preprocessing import METADATA_KEY
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

tokenizers = pytest.importorskip("tokenizers", reason="needs the extra hf")

TOPICS = ("food", "travel", "weather")
COLUMNS = {"label": "category"}
QUIET: dict[str, Any] = {"latency": False, "threads": 1}


def bag_of_words(
    path: Path, table: np.ndarray, *, segments: bool = False, tokens: Any = "t"
) -> Path:
    """Writes the sum over the tokens that count of each token's row of a table [words, topics]."""
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if segments else [])]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["real", "last"], ["mask"]),
        helper.make_node("Mul", ["rows", "mask"], ["counted"]),
        helper.make_node("ReduceSum", ["counted", "one"], ["said"], keepdims=0),
    ]
    if segments:  # not 0: another answer
        nodes += [
            helper.make_node("Cast", ["token_type_ids"], ["type"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["type", "one"], ["types"], keepdims=1),
            helper.make_node("Sub", ["said", "types"], ["scores"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["said"], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "bag",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["n", tokens]) for n in names],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])],
        [
            numpy_helper.from_array(table.astype(np.float32), "table"),
            numpy_helper.from_array(np.array([-1]), "last"),
            numpy_helper.from_array(np.array([1]), "one"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.fixture
def project(text_folder: Callable[..., Path]) -> Path:
    """CSV file, tokenizer, a model that knows every word, and one that knows nothing of food."""
    folder = text_folder(60)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    seen = np.zeros((tokenizer.get_vocab_size(), 3), bool)
    with (folder / "data" / "train.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            seen[tokenizer.encode(row["text"]).ids, TOPICS.index(row["category"])] = True
    table = np.where(seen.sum(axis=1, keepdims=True) == 1, seen, 0.0)  # words of one topic alone
    bag_of_words(folder / "a.onnx", table)
    table[:, 0] = -1
    bag_of_words(folder / "b.onnx", table)
    return folder


def test_texts_become_tokens_and_the_damage_shows_them(project: Path) -> None:
    shown = {"tokenizer": str(project / "tokenizer.json"), "max_tokens": 24}
    found = edgedistill.compare(
        project / "a.onnx",
        project / "b.onnx",
        project / "data" / "train.csv",
        preprocessing=shown,
        columns=COLUMNS,
        out=project / "out",
        **QUIET,
    ).comparison
    assert (found.samples.kind, found.samples.compared) == ("texts", 60)
    assert [one.accuracy and one.accuracy.value for one in found.models] == [1.0, 2 / 3]
    damage = found.damage
    assert damage is not None
    assert {part.name: part.after.value for part in damage.classes} == {
        "food": 0.0,
        "travel": 1.0,
        "weather": 1.0,
    }
    example = damage.examples[0]
    assert (example.label, example.before) == ("food", "food")
    assert isinstance(example.content, Text)
    rows = (project / "data" / "train.csv").read_text().splitlines()
    assert example.content.text in rows[1 + example.sample]
    assert found.preprocessing_from == "given"
    assert str(project) not in (project / "out" / "compare.json").read_text()


def test_a_model_says_itself_how_texts_become_tokens(project: Path) -> None:
    model = onnx.load(project / "a.onnx")
    declared = {"kind": "text", "tokenizer": "tokenizer.json", "max_tokens": 24}
    helper.set_model_props(model, {METADATA_KEY: json.dumps(declared)})
    onnx.save(model, project / "a.onnx")
    files = (project / "a.onnx", project / "b.onnx", project / "data" / "train.csv")
    options: dict[str, Any] = {"columns": COLUMNS, "labels": False, **QUIET}
    found = edgedistill.compare(*files, out=project / "out", **options).comparison
    assert found.preprocessing_from == "model"
    assert found.damage is None
    assert found.changed is not None
    assert found.changed.value == pytest.approx(1 / 3)
    shutil.rmtree(project / "out")
    (project / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        edgedistill.compare(*files, out=project / "out", **options)


def test_an_input_that_tells_two_texts_apart_is_0(project: Path) -> None:
    table = numpy_helper.to_array(onnx.load(project / "a.onnx").graph.initializer[0])
    files = [
        bag_of_words(project / f"{name}.onnx", table, segments=True, tokens=24) for name in "cd"
    ]
    found = edgedistill.compare(
        *files,
        project / "data" / "train.csv",
        preprocessing={"tokenizer": str(project / "tokenizer.json")},
        columns=COLUMNS,
        out=project / "out",
        **QUIET,
    ).comparison
    assert [one.accuracy and one.accuracy.value for one in found.models] == [1.0, 1.0]
    assert found.preprocessing is not None
    assert found.preprocessing["max_tokens"] == 24  # as many as the model takes


@pytest.mark.parametrize(
    ("preprocessing", "columns", "data", "words"),
    [
        ({}, COLUMNS, "data/train.csv", r"tokenizer: is declared nowhere"),
        ({"tokenizer": "T"}, COLUMNS, "data/train.csv", r"max_tokens: is declared nowhere"),
        ({"tokenizer": "T", "max_tokens": 24}, {}, "data/train.csv", "is not a column of the file"),
        ({"tokenizer": "T", "max_tokens": 24}, {"lable": "x"}, "data/train.csv", "lable"),
        ({"tokenizer": "T", "max_tokens": 24}, COLUMNS, "nowhere.csv", "is not a file"),
        ({}, COLUMNS, "data.npz", "columns are named, and this is no CSV file"),
    ],
)
def test_what_is_wrong_is_said(
    project: Path, preprocessing: dict[str, Any], columns: dict[str, str], data: str, words: str
) -> None:
    if "tokenizer" in preprocessing:
        preprocessing = preprocessing | {"tokenizer": str(project / "tokenizer.json")}
    with pytest.raises(InputError, match=words):
        edgedistill.compare(
            project / "a.onnx",
            project / "b.onnx",
            project / data,
            preprocessing=preprocessing,
            columns=columns,
            out=project / "out",
            **QUIET,
        )
    assert not (project / "out").exists()


def test_a_sample_on_which_a_model_stops_is_named_once(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ids = np.full((9, 3), 4)
    ids[7, 1] = 10_000  # a token that no row of the table is for
    np.savez(project / "tokens.npz", input_ids=ids, attention_mask=np.ones_like(ids))
    with pytest.raises(InputError, match=r"a\.onnx: does not run on this sample.*sample 7"):
        edgedistill.compare(
            project / "a.onnx",
            project / "b.onnx",
            project / "tokens.npz",
            out=project / "out",
            **QUIET,
        )
    assert not (project / "out").exists()
    assert capfd.readouterr().err == ""
