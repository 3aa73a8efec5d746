"""Streamed replies: some servers stream whether they are asked to or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from edgedistill.stages.respond.wire import (
    UnexpectedError,
    UnreadableError,
    Wire,
    first_fault,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgedistill.stages.respond.request import Request


class _Delta(Wire):
    content: str | None = None
    refusal: str | None = None


class _Choice(Wire):
    index: int
    text: str | None = None
    delta: _Delta = _Delta()
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _Piece(Wire):
    choices: list[_Choice]
    model: str | None = None
    usage: dict[str, Any] | None = None


def joined(events: Iterable[str], request: Request) -> Any:
    """The document that the pieces of a streamed reply make up, as if it had come whole.

    Args:
        events: The data of each server-sent event.
        request: What was asked.

    Raises:
        UnreadableError: If the stream ends before each answer has.
        UnexpectedError: If a piece is not what the API promises.
    """
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for event in events:
        if event == "[DONE]":
            break
        piece = _piece(event)
        told = {"model": piece.model, "usage": piece.usage}
        whole |= {key: value for key, value in told.items() if value is not None}
        for choice in piece.choices:
            _add(choices, choice)
    ended = [choice for choice in choices.values() if choice["finish_reason"] is not None]
    if len(ended) < request.prompts * request.samples:
        raise UnreadableError("the stream ended before the answer did")
    return {**whole, "choices": list(choices.values())}


def _piece(event: str) -> _Piece:
    try:
        return _Piece.model_validate(parse(event))
    except ValidationError as error:
        problem = f"a piece of the stream, {first_fault(error)}: {event[:200]}"
        raise UnexpectedError(problem) from None


def _add(choices: dict[int, dict[str, Any]], piece: _Choice) -> None:
    """Adds a piece to its answer; both APIs at once, whose fields have different names."""
    choice = choices.setdefault(
        piece.index,
        {
            "index": piece.index,
            "text": "",
            "message": {"content": "", "refusal": ""},
            "finish_reason": None,
        },
    )
    choice["text"] += piece.text or ""
    choice["message"]["content"] += piece.delta.content or ""
    choice["message"]["refusal"] += piece.delta.refusal or ""
    choice["finish_reason"] = piece.finish_reason or choice["finish_reason"]
    for name, values in (piece.logprobs or {}).items():
        if isinstance(values, list):
            choice.setdefault("logprobs", {}).setdefault(name, []).extend(values)
