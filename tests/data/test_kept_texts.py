from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill.data.kept_texts import KeptTexts, write_texts
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["one", "zwei\nZeilen", "três \u2028", '"quoted"', ""]


@pytest.fixture
def kept(tmp_path: Path) -> KeptTexts:
    write_texts(tmp_path / "train.texts.jsonl", TEXTS)
    return KeptTexts(tmp_path / "train.texts.jsonl", len(TEXTS))


def test_texts_are_read_back_one_by_one(kept: KeptTexts) -> None:
    assert list(kept) == TEXTS
    assert (kept[-1], kept[1:3], len(kept)) == ("", TEXTS[1:3], 5)
    with pytest.raises(IndexError):
        kept[5]


@pytest.mark.parametrize(
    ("content", "message"),
    [('"a"\n', "holds 1 texts, not 2"), ('"a"\n"b\n', "line 2 is not JSON"), ("1\n2\n", "no")],
)
def test_a_damaged_file_is_told(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "train.texts.jsonl"
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        list(KeptTexts(file, 2))
