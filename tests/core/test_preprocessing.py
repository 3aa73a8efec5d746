from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Columns
from edgedistill.errors import InputError


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"kind": "text"}, "a text needs tokenizer and max_tokens"),
        ({"kind": "text", "tokenizer": "t.json"}, "a text needs tokenizer and max_tokens"),
        ({"max_tokens": 8}, "vocabulary are for texts .*Set kind: text"),
        ({"kind": "text", "tokenizer": "t.json", "max_tokens": 8, "scale": 2.0}, "for numbers"),
        ({"kind": "text", "tokenizer": "t.json", "max_tokens": 0}, "max_tokens"),
    ],
)
def test_a_text_is_declared_as_a_text(document: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocessing.read(document, file="recipe.yaml")


def test_columns_have_names_of_their_own() -> None:
    assert Columns().label == "label"
    with pytest.raises(InputError, match="name one column twice"):
        Columns.read({"text": "a", "label": "a"}, file="recipe.yaml")
