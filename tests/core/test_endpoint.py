from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.core.endpoint import Endpoint
from edgedistill.core.strict import Strict, plain
from edgedistill.errors import InputError

SECRET = "sk-proj-Ab3dEf6hIj9lMn2p"


class Around(Strict):
    """An endpoint inside another document."""

    teacher: Endpoint


def _read(**changes: Any) -> Endpoint:
    document = {"url": "http://localhost:8000/v1/", "model": "m", **changes}
    return Around.read({"teacher": document}, file="recipe.yaml").teacher


def test_what_is_read_can_be_written_and_read_again() -> None:
    endpoint = _read(key_env="TEACHER_API_KEY", requests_per_minute=60)
    assert endpoint.url == "http://localhost:8000/v1"
    assert Endpoint.read(plain(endpoint), file="f") == endpoint


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "KEY", "_KEY", "KEY2", "MY_SERVER_2_TOKEN", "A" * 19]
)
def test_the_name_of_a_variable_is_taken(name: str) -> None:
    assert _read(key_env=name).key_env == name


@pytest.mark.parametrize(
    "changes",
    [
        {"key_env": SECRET},
        {"key_env": [SECRET]},
        {"key_env": {"value": SECRET}},
        {"key_env": f"${SECRET}"},
        {"api_key": SECRET},
        {"key": SECRET},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"url": f"https://user:{SECRET}@api.example.com/v1"},
        {"url": f"https://{SECRET}@api.example.com/v1"},
        {"url": f"https://api.example.com/v1?api-key={SECRET}"},
        {"url": f"https://api.example.com/v1#{SECRET}"},
        {"url": f"user:{SECRET}@api.example.com"},
    ],
)
def test_a_literal_key_is_refused_and_not_told(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        _read(**changes)
    assert SECRET not in str(caught.value)
    assert "(hidden)" in str(caught.value)


@given(st.from_regex(r"[A-Za-z0-9_-]{20,60}", fullmatch=True))
def test_a_long_word_is_never_taken_for_a_name(word: str) -> None:
    if max(len(part) for part in word.split("_")) >= 20 or word != word.upper() or "-" in word:
        with pytest.raises(InputError, match=r"never the key itself"):
            _read(key_env=word)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "localhost:8000"}, "is not the base address"),
        ({"url": "ftp://localhost/v1"}, "is not the base address"),
        ({"url": "http://"}, "is not the base address"),
        ({"url": "http://host:port/v1"}, "is not the base address"),
        ({"url": "http://[::1/v1"}, "is not the base address"),
        ({"url": "http://two words/v1"}, "is not the base address"),
        ({"batch": 2}, "the chat API takes one prompt a request"),
        ({"api": "completion", "system": "a"}, "the completion API has no system message"),
        ({"samples_per_prompt": 2}, "several samples at temperature 0 are all the same"),
        ({"temperature": float("nan")}, "is not a finite number"),
        ({"temperature": 2.5}, "less than or equal to 2"),
        ({"top_k_log_probabilities": 21}, "less than or equal to 20"),
        ({"truncated": "ignore"}, "'drop' or 'keep'"),
        ({"concurency": 2}, "Did you mean 'concurrency'?"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words.replace("?", r"\?")):
        _read(**changes)


def test_what_is_asked_leaves_out_the_key_the_pace_and_what_is_chosen_later() -> None:
    asked = _read().asked()
    assert _read(
        key_env="A_KEY",
        concurrency=9,
        requests_per_minute=3,
        timeout_s=1.0,
        retries=0,
        empty="keep",
        truncated="keep",
        refused="keep",
    ).asked() == asked  # fmt: skip
    changes: list[dict[str, Any]] = [
        {"url": "http://localhost:8001/v1"},
        {"model": "n"},
        {"api": "completion"},
        {"system": "a"},
        {"temperature": 0.5},
        {"max_tokens": 9},
        {"top_k_log_probabilities": 1},
        {"seed": 0},
        {"temperature": 1.0, "samples_per_prompt": 2},
        {"api": "completion", "batch": 2},
    ]
    assert all(_read(**change).asked() != asked for change in changes)


@pytest.mark.parametrize(
    ("url", "open_"),
    [
        ("http://localhost:8000/v1", False),
        ("http://127.0.0.1/v1", False),
        ("http://[::1]:80/v1", False),
        ("https://api.example.com/v1", False),
        ("http://api.example.com/v1", True),
        ("http://127.example.com/v1", True),
    ],
)
def test_what_leaves_the_machine_unencrypted_is_known(url: str, open_: bool) -> None:
    assert _read(url=url).in_the_open is open_
