"""The OpenAI API's replies, read strictly: what does not fit is refused, never guessed.

Shapes after the OpenAI API reference: chat completion object and (legacy) completion object.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgedistill.stages.respond.reply import Answer, Candidate, Reply, Token, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.stages.respond.request import Request

LogProbability = Annotated[float, Field(le=1e-3, ge=-1e30)]
"""Of a probability up to 1, and a little for rounding; within what float32 holds."""


class UnreadableError(Exception):
    """The bytes are no JSON or end too early: another try may bring better ones."""


class UnexpectedError(Exception):
    """It is JSON, but no reply to the request: another try would bring the same."""


class Wire(BaseModel):
    """A part of a reply: what it has beside its fields is passed over."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False, extra="ignore")


class _Alternative(Wire):
    token: str
    logprob: LogProbability
    bytes: list[Annotated[int, Field(ge=0, le=255)]] | None = None


class _ChatToken(_Alternative):
    top_logprobs: list[_Alternative] = []


class _ChatTokens(Wire):
    content: list[_ChatToken] | None = None


class _Message(Wire):
    content: str | None = None
    refusal: str | None = None


class _ChatChoice(Wire):
    index: int
    message: _Message
    finish_reason: str | None = None
    logprobs: _ChatTokens | None = None


class _CompletionTokens(Wire):
    tokens: list[str]
    token_logprobs: list[LogProbability]
    top_logprobs: list[dict[str, LogProbability]] | None = None


class _CompletionChoice(Wire):
    index: int
    text: str
    finish_reason: str | None = None
    logprobs: _CompletionTokens | None = None


class _Usage(Wire):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(default=0, ge=0)


class _ChatReply(Wire):
    model: str
    choices: list[_ChatChoice]
    usage: _Usage | None = None


class _CompletionReply(Wire):
    model: str
    choices: list[_CompletionChoice]
    usage: _Usage | None = None


def read_reply(document: Any, request: Request) -> Reply:
    """The reply in a parsed JSON document.

    Raises:
        UnexpectedError: If it is not what the API promises for this request.
    """
    try:
        found = (
            _ChatReply.model_validate(document)
            if request.path.startswith("chat")
            else _CompletionReply.model_validate(document)
        )
    except ValidationError as error:
        raise UnexpectedError(first_fault(error)) from None
    given: list[_ChatChoice | _CompletionChoice] = [*found.choices]
    choices = sorted(given, key=lambda choice: choice.index)
    expected = request.prompts * request.samples
    if [choice.index for choice in choices] != list(range(expected)):
        raise UnexpectedError(f"{expected} answers were asked for, {len(choices)} came")
    answers = [_answer(choice) for choice in choices]
    rows = [
        tuple(answers[start : start + request.samples])
        for start in range(0, expected, request.samples)
    ]
    used = found.usage
    usage = None if used is None else Usage(used.prompt_tokens, used.completion_tokens)
    return Reply(model=whole_characters(found.model), usage=usage, answers=tuple(rows))


def parse(text: str | bytes) -> Any:
    """The JSON document in a body.

    Raises:
        UnreadableError: If it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:  # JSON or UTF-8
        raise UnreadableError(f"no JSON: {error}") from None


def whole_characters(text: str) -> str:
    """The text with U+FFFD for half a character, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _answer(choice: _ChatChoice | _CompletionChoice) -> Answer:
    filtered = choice.finish_reason == "content_filter"
    if isinstance(choice, _ChatChoice):
        text, refusal = choice.message.content or "", choice.message.refusal
        tokens = _chat_tokens(choice.logprobs)
    else:
        text, refusal, tokens = choice.text, None, _completion_tokens(choice.logprobs)
    reason = choice.finish_reason
    return Answer(
        text=whole_characters(text),
        finish_reason=None if reason is None else whole_characters(reason),
        refused=filtered or bool(refusal),
        tokens=tokens,
    )


def _chat_tokens(given: _ChatTokens | None) -> tuple[Token, ...] | None:
    if given is None or given.content is None:
        return None
    return tuple(
        Token(_candidate(token), _sorted([_candidate(one) for one in token.top_logprobs]))
        for token in given.content
    )


def _completion_tokens(given: _CompletionTokens | None) -> tuple[Token, ...] | None:
    if given is None:
        return None
    likeliest = given.top_logprobs or [{} for _ in given.tokens]
    if not len(given.tokens) == len(given.token_logprobs) == len(likeliest):
        raise UnexpectedError("logprobs whose lists differ in length")
    return tuple(
        Token(
            Candidate(_encoded(token), log_probability),
            _sorted([Candidate(_encoded(text), value) for text, value in others.items()]),
        )
        for token, log_probability, others in zip(
            given.tokens, given.token_logprobs, likeliest, strict=True
        )
    )


def _candidate(given: _Alternative) -> Candidate:
    token = _encoded(given.token) if given.bytes is None else bytes(given.bytes)
    return Candidate(token, given.logprob)


def _encoded(token: str) -> bytes:
    return whole_characters(token).encode()


def _sorted(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    return tuple(sorted(candidates, key=lambda one: -one.log_probability))


def first_fault(error: ValidationError) -> str:
    """Where the first thing that does not fit stands, and what it is."""
    item = error.errors(include_input=False)[0]
    place = ".".join(str(part) for part in item["loc"]) or "the whole reply"
    return f"{place}: {item['msg']}"
