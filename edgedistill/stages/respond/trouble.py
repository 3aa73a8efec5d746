"""What to tell when the endpoint did not answer: what it said, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from edgedistill.core.endpoint import Endpoint
    from edgedistill.stages.respond.client import Failure
    from edgedistill.stages.respond.request import Request

_OK = 200
_REDIRECTS = range(300, 400)
_NO_ENTRY = (401, 403)
_NOT_FOUND = 404
_TOO_MANY = 429


def failed(
    request: Request, failure: Failure, endpoint: Endpoint, *, sent: int, replies: int | None
) -> InputError:
    """The error for a request that got no reply.

    It is raised on its own, not from the HTTP client's error: that one holds the request, whose
    headers hold the key.

    Args:
        request: What was sent last.
        failure: What came of it.
        endpoint: Where it was sent.
        sent: How often it was sent.
        replies: How many replies the journal keeps; None where it does not outlive the run.
    """
    status = "no response" if failure.status is None else f"status {failure.status}"
    tries = f", tried {sent} times" if sent > 1 else ""
    going_on = (
        f". {replies} replies are kept: the same command goes on from there" if replies else ""
    )
    return InputError(
        Fault(
            file=endpoint.url,
            field=f"model {endpoint.model}",
            given=f"distinct prompt {request.first + 1}",
            problem=f"no usable reply from the teacher: {status}{tries}: {failure.words}",
            remedy=_remedy(failure, endpoint) + going_on,
        )
    )


def _remedy(failure: Failure, endpoint: Endpoint) -> str:
    status = failure.status
    if status in _NO_ENTRY:
        if endpoint.key_env is None:
            return "Set key_env to the name of the environment variable that holds the key"
        return f"Check the key in {endpoint.key_env}, and that it may use this model"
    if status == _NOT_FOUND:
        return "Check url (most end in /v1) and model"
    if status == _TOO_MANY:
        if failure.retry_after_s is not None:
            return f"It asks to wait {failure.retry_after_s:.0f} s: start again then"
        return "Lower requests_per_minute or concurrency and start again"
    if failure.passing:
        return "Check that the endpoint is up, raise timeout_s or retries, and start again"
    if status == _OK:
        return f"Check that url speaks the OpenAI {endpoint.api} API and gives what is asked for"
    if status in _REDIRECTS:
        return "If you trust that address, give it as url"
    return (
        "Check what it objects to; sent are the prompt, model, max_tokens, temperature, and what "
        "the recipe sets of seed, samples_per_prompt and top_k_log_probabilities"
    )
