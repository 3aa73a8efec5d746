"""A teacher behind an HTTP endpoint that speaks the OpenAI chat or completion API."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from edgedistill.core.strict import Strict, plain

HIDDEN = "(hidden)"
"""Stands in an error for what may be a secret."""

_VARIABLE = re.compile(r"_?[A-Z][A-Z0-9]{0,18}(_+[A-Z0-9]{1,19})*")
"""Words of capitals and digits; a key is a longer word, or has small letters or dashes."""
_LOOPBACK = r"localhost|::1|127(\.\d+){3}"
_SECRET_WORDS = ("key", "token", "secret", "password", "authorization", "header")
_ELSEWHERE = ("key_env", "concurrency", "requests_per_minute", "timeout_s", "retries")
_CHOSEN_LATER = ("empty", "truncated", "refused")

Handling = Literal["drop", "keep"]


def _hide_key(value: Any) -> Any:
    """A key given in place of a variable's name must not come into an error or a log."""
    named = value is None or (isinstance(value, str) and _VARIABLE.fullmatch(value))
    return value if named else HIDDEN


def _refuse_key(name: str) -> str:
    if name == HIDDEN:
        raise ValueError(
            "is not the name of an environment variable. Give the name of the variable that holds "
            "the key, in capitals (for instance TEACHER_API_KEY), never the key itself"
        )
    return name


def _hide_login(value: Any) -> Any:
    """The address without what may be a secret in it."""
    if not isinstance(value, str) or not re.search(r"[@?#]", value):
        return value
    scheme, divider, rest = value.partition("://")
    host = re.split(r"[/?#]", rest.rpartition("@")[2])[0]
    return f"{scheme}{divider}{HIDDEN}@{host}" if divider else HIDDEN


def _base_address(value: str) -> str:
    parts = _parts(value)
    if HIDDEN in value:
        raise ValueError(
            "holds a login, a query or a fragment. Give the base address alone; "
            "a key comes from the environment variable that key_env names"
        )
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            "is not the base address of an API. Give it with its version, "
            "for instance https://api.example.com/v1 or http://localhost:8000/v1"
        )
    return value.rstrip("/")


def _parts(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None  # a port that is no number, a bracket that is never closed
    return None if re.search(r"\s", value) else parts


class Endpoint(Strict):
    """Where a teacher answers prompts, what it is asked for, and how patiently.

    The key is never written down: the recipe names the environment variable that holds it.
    """

    url: Annotated[str, AfterValidator(_base_address), BeforeValidator(_hide_login)]
    """Base address of the API, for instance http://localhost:8000/v1."""
    model: str = Field(min_length=1)
    """The model's name at the endpoint."""
    api: Literal["chat", "completion"] = "chat"
    """chat: POST chat/completions with messages; completion: POST completions with plain text."""
    key_env: Annotated[str, AfterValidator(_refuse_key), BeforeValidator(_hide_key)] | None = None
    """Name of the environment variable that holds the key; null where the endpoint wants none."""
    system: str | None = None
    """Chat only: the system message of each prompt that does not begin with one of its own."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """0: always the likeliest token."""
    max_tokens: int = Field(default=512, ge=1)
    """An answer is cut after so many tokens, and counted as truncated."""
    top_k_log_probabilities: int = Field(default=0, ge=0, le=20)
    """Asks for the log-probabilities of so many tokens at each place; 0 asks for none. With them
    a student can learn from whole distributions, without them from the text alone."""
    samples_per_prompt: int = Field(default=1, ge=1)
    """Answers asked for each prompt, in one request, so that the prompt is paid once."""
    batch: int = Field(default=1, ge=1)
    """Completion only: prompts in one request."""
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    """Sent along, for endpoints that draw by it; null sends none."""
    concurrency: int = Field(default=4, ge=1, le=256)
    """Requests under way at the same time."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """No more than this are sent in any minute, evenly spaced; null is no limit of ours."""
    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds without a byte from the endpoint after which a request has failed."""
    retries: int = Field(default=6, ge=0, le=20)
    """How often a request is sent again after 408, 409, 429, 5xx or a lost connection, with longer
    and longer pauses, or the pause that the endpoint asks for."""
    empty: Handling = "drop"
    """What becomes of an answer without text when a student learns."""
    truncated: Handling = "drop"
    """What becomes of an answer that was cut after max_tokens."""
    refused: Handling = "drop"
    """What becomes of an answer that the endpoint refused or filtered."""

    @model_validator(mode="before")
    @classmethod
    def _hide_secrets(cls, document: Any) -> Any:
        """Hides what stands under an unknown key that sounds like a secret."""
        if not isinstance(document, dict):
            return document
        return {
            key: HIDDEN if key not in cls.model_fields and _sounds_secret(key) else value
            for key, value in document.items()
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.api == "chat" and self.batch > 1:
            raise ValueError(
                "the chat API takes one prompt a request. Set batch: 1 and raise concurrency, "
                "or api: completion"
            )
        if self.api == "completion" and self.system is not None:
            raise ValueError(
                "the completion API has no system message. Write it into the prompts, "
                "or set api: chat"
            )
        if self.samples_per_prompt > 1 and self.temperature == 0:
            raise ValueError(
                "several samples at temperature 0 are all the same. Set a temperature above 0 "
                "or samples_per_prompt: 1"
            )
        return self

    @property
    def in_the_open(self) -> bool:
        """Whether what is sent leaves this machine unencrypted."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        return parts.scheme == "http" and not re.fullmatch(_LOOPBACK, host)

    def asked(self) -> dict[str, Any]:
        """What decides the answers, in plain values: for the key of a step that stores them.

        Left out is the name of the key's variable, how fast and how patiently is asked, and what
        is chosen among the stored answers later: changing those asks nothing anew.
        """
        left_out = (*_ELSEWHERE, *_CHOSEN_LATER)
        return {name: value for name, value in plain(self).items() if name not in left_out}


def _sounds_secret(key: Any) -> bool:
    return any(word in str(key).lower() for word in _SECRET_WORDS)
