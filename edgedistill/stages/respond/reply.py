"""What a teacher answered: texts, why they ended, and the tokens' log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Candidate:
    """A token that could stand at a place."""

    token: bytes
    """Its bytes; a token may hold a part of a character."""
    log_probability: float
    """Natural logarithm."""


@dataclass(frozen=True)
class Token:
    """A token of an answer and what the teacher thought of others at its place."""

    chosen: Candidate
    likeliest: tuple[Candidate, ...]
    """The top k, the likeliest first."""


@dataclass(frozen=True)
class Answer:
    """One answer to one prompt."""

    text: str
    finish_reason: str | None
    """stop, length, content_filter or what else the endpoint says."""
    refused: bool = False
    """The endpoint refused the prompt or filtered the answer."""
    tokens: tuple[Token, ...] | None = None
    """None where the endpoint gave no log-probabilities."""

    @property
    def marks(self) -> tuple[str, ...]:
        """What speaks against learning from it: empty, truncated, refused."""
        found = {
            "empty": not self.text.strip(),
            "truncated": self.finish_reason == "length",
            "refused": self.refused,
        }
        return tuple(name for name, holds in found.items() if holds)


@dataclass(frozen=True)
class Usage:
    """Tokens that a request was charged for."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Reply:
    """The endpoint's reply to one request."""

    model: str
    """As the endpoint names it."""
    usage: Usage | None
    """None where the endpoint does not say."""
    answers: tuple[tuple[Answer, ...], ...]
    """`[prompts, samples]`."""


def to_plain(reply: Reply) -> dict[str, Any]:
    """The reply as JSON values."""
    usage = reply.usage
    return {
        "model": reply.model,
        "usage": None if usage is None else [usage.prompt_tokens, usage.completion_tokens],
        "answers": [[_plain_answer(answer) for answer in row] for row in reply.answers],
    }


def from_plain(document: dict[str, Any]) -> Reply:
    """The reply that `to_plain` was given."""
    usage = document["usage"]
    rows = document["answers"]
    return Reply(
        model=document["model"],
        usage=None if usage is None else Usage(*usage),
        answers=tuple(tuple(_answer(answer) for answer in row) for row in rows),
    )


def _plain_answer(answer: Answer) -> dict[str, Any]:
    document: dict[str, Any] = {"text": answer.text, "finish_reason": answer.finish_reason}
    if answer.refused:
        document["refused"] = True
    if answer.tokens is not None:
        document["tokens"] = [
            [_plain_candidate(token.chosen), [_plain_candidate(one) for one in token.likeliest]]
            for token in answer.tokens
        ]
    return document


def _answer(document: dict[str, Any]) -> Answer:
    tokens = document.get("tokens")
    return Answer(
        text=document["text"],
        finish_reason=document["finish_reason"],
        refused=document.get("refused", False),
        tokens=None
        if tokens is None
        else tuple(
            Token(_candidate(chosen), tuple(_candidate(one) for one in likeliest))
            for chosen, likeliest in tokens
        ),
    )


def _plain_candidate(candidate: Candidate) -> list[Any]:
    # surrogateescape carries bytes that are no UTF-8 through JSON and back
    text = candidate.token.decode("utf-8", "surrogateescape")
    return [text, candidate.log_probability]


def _candidate(document: list[Any]) -> Candidate:
    text, log_probability = document
    return Candidate(text.encode("utf-8", "surrogateescape"), log_probability)
