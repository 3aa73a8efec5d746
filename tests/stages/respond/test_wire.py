from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.stages.respond.reply import Answer, from_plain, to_plain
from edgedistill.stages.respond.request import Request
from edgedistill.stages.respond.stream import joined
from edgedistill.stages.respond.wire import (
    UnexpectedError,
    UnreadableError,
    parse,
    read_reply,
    whole_characters,
)

CHAT = Request(0, 1, 2, "chat/completions", "{}", "0")
TEXT = Request(0, 2, 1, "completions", "{}", "0")


def _chat(**changes: Any) -> dict[str, Any]:
    choices = [{"index": place, "message": {"content": f"{place}"}} for place in (1, 0)]
    return {"model": "m", "choices": choices, **changes}


def _first(**changes: Any) -> dict[str, Any]:
    document = _chat()
    document["choices"][0] |= changes
    return document


def _text(**logs: Any) -> dict[str, Any]:
    choice = {"text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": [-1.0], **logs}}
    return {"model": "m", "choices": [{"index": place, **choice} for place in (0, 1)]}


def test_choices_are_put_in_order_and_unknown_fields_passed_over() -> None:
    reply = read_reply(_chat(cost=3, usage=None), CHAT)
    assert reply.answers == ((Answer("0", None), Answer("1", None)),)
    assert reply.usage is None


@pytest.mark.parametrize(
    ("document", "request_", "words"),
    [
        ([], CHAT, "the whole reply"),
        ({}, CHAT, "model: Field required"),
        (_chat(choices=_chat()["choices"][:1]), CHAT, "2 answers were asked for, 1 came"),
        (_chat(choices=_chat()["choices"] * 2), CHAT, "2 answers were asked for, 4 came"),
        (_first(index=0), CHAT, "2 answers were asked for, 2 came"),
        (_first(index="1"), CHAT, "choices.0.index"),
        (_first(message={"content": 3}), CHAT, "choices.0.message.content"),
        (_first(logprobs={"content": [{"token": "a"}]}), CHAT, "logprob: Field required"),
        (_first(logprobs={"content": [{"token": "a", "logprob": 0.5}]}), CHAT, "logprob: Input"),
        (_chat(usage={"prompt_tokens": -1}), CHAT, "usage.prompt_tokens"),
        (_text(token_logprobs=[]), TEXT, "logprobs whose lists differ in length"),
        (_text(token_logprobs=[None]), TEXT, "token_logprobs.0"),
        (_text(top_logprobs=[{}, {}]), TEXT, "logprobs whose lists differ in length"),
    ],
)
def test_what_is_no_reply_to_the_request_is_refused_by_place(
    document: Any, request_: Request, words: str
) -> None:
    with pytest.raises(UnexpectedError, match=words):
        read_reply(document, request_)


def test_nan_among_log_probabilities_is_refused() -> None:
    document = parse('{"model": "m", "choices": [{"index": 0, "text": "a", "logprobs": '
                     '{"tokens": ["a"], "token_logprobs": [NaN]}}]}')  # fmt: skip
    with pytest.raises(UnexpectedError, match="finite"):
        read_reply(document, TEXT)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": ', b"\xff"])
def test_what_is_no_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError, match="no JSON"):
        parse(body)


def test_alternatives_come_the_likeliest_first_and_tokens_as_bytes() -> None:
    reply = read_reply(_text(top_logprobs=[{"b": -3.0, "é": -0.5, "a": -1.0}]), TEXT)
    (token,) = reply.answers[0][0].tokens or ()
    assert [one.token for one in token.likeliest] == ["é".encode(), b"a", b"b"]


@given(st.text(st.characters(codec=None), max_size=8))
def test_half_characters_are_replaced_and_whole_ones_kept(text: str) -> None:
    whole = whole_characters(text)
    assert whole.encode().decode() == whole
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert whole == text


@given(st.binary(max_size=6), st.text(max_size=6), st.floats(-50, 0))
def test_a_reply_survives_its_way_through_json(token: bytes, text: str, value: float) -> None:
    one = {"token": "?", "logprob": value, "bytes": list(token)}
    logs = {"content": [one | {"top_logprobs": [one]}]}
    message = {"content": text, "refusal": "no"}
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    choices = [{"index": place, "message": message, "logprobs": logs} for place in (0, 1)]
    reply = read_reply({"model": "m", "choices": choices, "usage": usage}, CHAT)
    assert from_plain(json.loads(json.dumps(to_plain(reply)))) == reply


def _event(index: object, content: str | None, reason: str | None = None, **more: Any) -> str:
    choice = {"index": index, "delta": {"content": content}, "finish_reason": reason, **more}
    return json.dumps({"model": "m", "choices": [choice]})


def test_the_pieces_of_a_stream_make_up_the_whole() -> None:
    def log(token: str) -> dict[str, Any]:
        return {"logprobs": {"content": [{"token": token, "logprob": -1.0, "top_logprobs": []}]}}

    events = [
        _event(1, "x", **log("x")),
        _event(0, "a", **log("a")),
        _event(0, "b", **log("b")),
        _event(1, None, "length"),
        _event(0, None, "stop"),
        json.dumps({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}),
        "[DONE]",
        "never read",
    ]
    reply = read_reply(joined(events, CHAT), CHAT)
    first, second = reply.answers[0]
    assert (first.text, first.finish_reason) == ("ab", "stop")
    assert (second.text, second.finish_reason) == ("x", "length")
    assert [token.chosen.token for token in first.tokens or ()] == [b"a", b"b"]
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == 5


def test_a_stream_of_the_completion_api_is_understood() -> None:
    def piece(text: str, reason: str | None) -> str:
        logs = {"tokens": [text], "token_logprobs": [-1.0], "top_logprobs": [{text: -1.0}]}
        choice = {"index": 0, "text": text, "finish_reason": reason, "logprobs": logs}
        return json.dumps({"model": "m", "choices": [choice]})

    request = Request(0, 1, 1, "completions", "{}", "0")
    ((answer,),) = read_reply(
        joined([piece("a", None), piece("b", "stop")], request), request
    ).answers
    assert answer.text == "ab"
    assert [token.chosen.token for token in answer.tokens or ()] == [b"a", b"b"]


@pytest.mark.parametrize(
    ("events", "kind", "words"),
    [
        ([], UnreadableError, "ended before the answer did"),
        ([_event(0, "a", "stop"), _event(1, "b")], UnreadableError, "ended before"),
        (['{"error": {"message": "no"}}'], UnexpectedError, "choices: Field required"),
        (['{"error": "it\'s "no""}'], UnreadableError, "no JSON"),
        ([_event("0", "a")], UnexpectedError, "choices.0.index"),
    ],
)
def test_a_broken_stream_is_refused(events: list[str], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        joined(events, CHAT)
