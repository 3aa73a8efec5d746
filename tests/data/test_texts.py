from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation, Columns, Data, Splits
from edgedistill.data import Source, open_source
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Protocol

    from edgedistill.data import Dataset

    class Prepare(Protocol):
        def __call__(
            self, source: Source, name: str = "prepared"
        ) -> tuple[Dataset, Mapping[str, Any]]: ...


COLUMNS = Columns(label="category")
TEXT = Preprocessing(kind="text", tokenizer="tokenizer.json", max_tokens=8)


def source(folder: Path, *, data: str = "data", pre: Preprocessing = TEXT, **more: Any) -> Source:
    config = Data(source=f"csv:{data}", columns=COLUMNS, preprocessing=pre, **more)
    return open_source(config, base=folder)


def rows(file: Path, *lines: str) -> None:
    file.write_text("\n".join(("category,text", *lines, "")))


def test_texts_become_token_numbers_and_stay_readable(
    text_folder: Callable[..., Path], prepare: Prepare
) -> None:
    folder = text_folder(60)
    rows(folder / "data" / "test.csv", "food,Bread SOUP", "travel,the train unheard bus")
    dataset, facts = prepare(source(folder))

    assert dataset.class_names == ("food", "travel", "weather")
    assert facts["brought_by_source"] == ["test"]
    assert any("train texts fill all 8 tokens; what is longer was cut" in n for n in facts["notes"])
    known = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert dataset.test is not None
    batch = dataset.test.batch(np.array([1, 0]))
    words = ["the", "train", "[UNK]", "bus"]
    expected = [
        [2, *(known[word] for word in words), 3, 0, 0],
        [2, known["bread"], known["soup"], 3],
    ]
    assert batch["input_ids"].tolist() == [expected[0], expected[1] + [0] * 4]
    assert batch["attention_mask"].tolist() == [[1] * 6 + [0] * 2, [1] * 4 + [0] * 4]
    assert {values.dtype for values in batch.values()} == {np.dtype(np.int64)}
    assert dataset.test.texts is not None
    assert list(dataset.test.texts) == ["Bread SOUP", "the train unheard bus"]
    assert dataset.train.texts is not None
    assert len(dataset.train.texts) == len(dataset.train)
    assert dataset.input_shapes == {"input_ids": (8,), "attention_mask": (8,)}
    assert dataset.input_dtypes == {"input_ids": "int64", "attention_mask": "int64"}


def test_the_tokenizer_travels_and_the_contract_names_it_by_content(
    text_folder: Callable[..., Path], prepare: Prepare
) -> None:
    folder = text_folder(60)
    dataset, _ = prepare(source(folder))
    content = (folder / "tokenizer.json").read_bytes()

    assert [file.name for file in dataset.companions] == ["tokenizer.json"]
    assert dataset.companions[0].read_bytes() == content
    told = dataset.preprocessing
    assert told.tokenizer_sha256 == hashlib.sha256(content).hexdigest()
    assert (told.tokenizer, told.padding_id, told.max_tokens) == ("tokenizer.json", 0, 8)
    assert told.vocabulary == len(json.loads(content)["model"]["vocab"])


def test_the_fingerprint_follows_contents_and_not_paths(
    text_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = text_folder(60)
    before = source(folder).fingerprint()
    elsewhere = shutil.copytree(folder, tmp_path / "elsewhere")
    (elsewhere / "tokenizer.json").rename(elsewhere / "other.json")
    moved = TEXT.model_copy(update={"tokenizer": str(elsewhere / "other.json")})
    assert source(elsewhere, pre=moved).fingerprint() == before

    text = (elsewhere / "other.json").read_text()
    (elsewhere / "other.json").write_text(text + " ")
    assert source(elsewhere, pre=moved).fingerprint() != before
    train = folder / "data" / "train.csv"
    train.write_text(train.read_text() + "food,rice\n")
    assert source(folder).fingerprint() != before


def test_one_file_is_cut_into_splits_by_groups(
    text_folder: Callable[..., Path], prepare: Prepare
) -> None:
    folder = text_folder(12)
    lines = [f"{'ab'[n % 2]},w{n // 2 % 5},bread {n}" for n in range(40)]
    (folder / "one.csv").write_text("\n".join(("label,writer,text", *lines)))
    config = Data(
        source="csv:one.csv",
        columns=Columns(group="writer"),
        preprocessing=TEXT,
        splits=Splits(by="group", validation=0.2, test=0.2),
    )
    dataset, _ = prepare(open_source(config, base=folder))
    splits = [dataset.train, dataset.validation, dataset.test]
    groups = [set(split.groups.tolist()) for split in splits if split and split.groups is not None]
    assert len(groups) == 3
    assert sum(map(len, groups)) == len(set().union(*groups)) == 5


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": ["food,bread"]}, r"does not hold at least two classes \(given: food\)"),
        ({"test": ["food,bread", "fod,soup"]}, r"test\.csv: line 3, label: is a class that train"),
        ({"dev": ["food,bread"]}, r"dev\.csv: is not a split.*validation\.csv and test\.csv"),
        ({"test": ["food,"], "validation": [",a"]}, r"(?s)validation\.csv.*test\.csv"),
    ],
)
def test_files_that_do_not_belong_together_are_told(
    text_folder: Callable[..., Path],
    prepare: Prepare,
    files: dict[str, list[str]],
    message: str,
) -> None:
    folder = text_folder(12)
    for name, lines in files.items():
        rows(folder / "data" / f"{name}.csv", *lines)
    with pytest.raises(InputError, match=message):
        prepare(source(folder))


def test_a_text_without_a_token_is_told_with_its_line(
    text_folder: Callable[..., Path], prepare: Prepare
) -> None:
    folder = text_folder(12)
    rows(folder / "data" / "test.csv", "food,bread", "food,\u200b")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {
        "type": "Replace",
        "pattern": {"String": "\u200b"},
        "content": "",
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(InputError, match=r"test\.csv: line 3, text: gives no token"):
        prepare(source(folder))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer": "absent.json"}, r"absent\.json: data\.preprocessing\.tokenizer: does not"),
        ({"tokenizer": "data/train.csv"}, "is not a tokenizer of the tokenizers library"),
        ({"max_tokens": 2}, r"max_tokens: leaves no room for the text: .*adds 2 tokens"),
        ({"tokenizer_sha256": "0" * 64}, r"tokenizer_sha256: is not that of the tokenizer"),
        ({"padding_id": 999}, r"padding_id: is no token: the tokenizer knows 39"),
    ],
)
def test_a_tokenizer_that_is_not_what_was_declared_is_refused(
    text_folder: Callable[..., Path], changes: dict[str, Any], message: str
) -> None:
    folder = text_folder(12)
    with pytest.raises(InputError, match=message):
        source(folder, pre=TEXT.model_copy(update=changes)).fingerprint()


def test_a_tokenizer_without_padding_asks_for_it(text_folder: Callable[..., Path]) -> None:
    folder = text_folder(12)
    text = (folder / "tokenizer.json").read_text().replace("[PAD]", "[FILL]")
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(InputError, match="does not say which token fills up short texts"):
        source(folder).fingerprint()
    given = TEXT.model_copy(update={"padding_id": 0})
    assert source(folder, pre=given).fingerprint()


def test_views_of_a_text_are_refused(text_folder: Callable[..., Path], prepare: Prepare) -> None:
    views = Augmentation(views=2, horizontal_flip=True)
    with pytest.raises(InputError, match=r"data\.augmentation: is for pictures, but .* is text"):
        prepare(source(text_folder(60), augmentation=views))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"source": "csv:data"}, r"data\.preprocessing: is needed: .*kind: text, tokenizer"),
        (
            {"source": "csv:data", "preprocessing": Preprocessing()},
            r"kind: does not fit texts in CSV files \(given: array\)",
        ),
        ({"source": "csv:absent", "preprocessing": TEXT}, "absent: data.source: does not exist"),
        ({"source": "csv:empty", "preprocessing": TEXT}, r"empty: has no train\.csv"),
        ({"source": "sklearn:digits", "columns": COLUMNS}, r"data\.columns: is for texts in CSV"),
    ],
)
def test_a_source_that_cannot_be_opened_says_what_to_write(
    tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        open_source(Data(**config), base=tmp_path)


def test_arrays_are_not_texts(prepare: Prepare) -> None:
    config = Data(source="sklearn:digits", preprocessing=TEXT)
    with pytest.raises(InputError, match=r"are arrays, but preprocessing\.kind is text"):
        prepare(open_source(config, base=None))  # type: ignore[arg-type]
