"""Requests: what is sent for which prompts, the same bytes each time it is planned."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.errors import Fault, InputError
from edgedistill.stages.respond.prompts import plain_prompt
from edgedistill.store import text_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.endpoint import Endpoint
    from edgedistill.stages.respond.prompts import Prompt


@dataclass(frozen=True)
class Request:
    """One request to the endpoint."""

    first: int
    """Place of its first prompt among the distinct prompts, from 0."""
    prompts: int
    """How many prompts it holds."""
    samples: int
    """Answers asked for each prompt."""
    path: str
    """Below the base address."""
    body: str
    """What is sent: JSON."""
    sha256: str
    """Of address and body."""


def plan_requests(prompts: Sequence[Prompt], endpoint: Endpoint) -> tuple[Request, ...]:
    """The requests for distinct prompts, in their order.

    Which prompts share a request depends on their order alone, so that a resumed run sends the
    very requests that the interrupted one would have sent.

    Raises:
        InputError: If a conversation is to go to the completion API.
    """
    if endpoint.api == "chat":
        bodies = [_chat_body(prompt, endpoint) for prompt in prompts]
        return tuple(_request(place, 1, body, endpoint) for place, body in enumerate(bodies))
    texts = _texts(prompts)
    starts = range(0, len(texts), endpoint.batch)
    parts = [(start, texts[start : start + endpoint.batch]) for start in starts]
    return tuple(
        _request(start, len(part), _completion_body(part, endpoint), endpoint)
        for start, part in parts
    )


def _request(first: int, prompts: int, body: dict[str, Any], endpoint: Endpoint) -> Request:
    path = "chat/completions" if endpoint.api == "chat" else "completions"
    text = json.dumps(body, allow_nan=False)
    sha256 = text_sha256(f"POST {endpoint.url}/{path}\n{text}")
    return Request(first, prompts, endpoint.samples_per_prompt, path, text, sha256)


def _chat_body(prompt: Prompt, endpoint: Endpoint) -> dict[str, Any]:
    given = plain_prompt(prompt)
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if endpoint.system is not None and messages[0]["role"] not in ("system", "developer"):
        messages = [{"role": "system", "content": endpoint.system}, *messages]
    body = {"model": endpoint.model, "messages": messages, **_shared(endpoint)}
    if endpoint.top_k_log_probabilities:
        body |= {"logprobs": True, "top_logprobs": endpoint.top_k_log_probabilities}
    return body


def _completion_body(texts: list[str], endpoint: Endpoint) -> dict[str, Any]:
    prompt = texts if len(texts) > 1 else texts[0]
    body = {"model": endpoint.model, "prompt": prompt, **_shared(endpoint)}
    if endpoint.top_k_log_probabilities:
        body["logprobs"] = endpoint.top_k_log_probabilities
    return body


def _shared(endpoint: Endpoint) -> dict[str, Any]:
    """Only what was set is sent: many servers refuse fields that they do not know."""
    fields: dict[str, Any] = {
        "max_tokens": endpoint.max_tokens,
        "temperature": endpoint.temperature,
    }
    if endpoint.samples_per_prompt > 1:
        fields["n"] = endpoint.samples_per_prompt
    if endpoint.seed is not None:
        fields["seed"] = endpoint.seed
    return fields


def _texts(prompts: Sequence[Prompt]) -> list[str]:
    texts = [prompt for prompt in prompts if isinstance(prompt, str)]
    if len(texts) < len(prompts):
        raise InputError(
            Fault(
                field="endpoint.api",
                given="completion",
                problem="the completion API takes plain text, and some prompts are conversations",
                remedy="Set api: chat, or give each prompt as text",
            )
        )
    return texts
