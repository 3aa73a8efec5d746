"""The HTTP side: one request out, one reply or one failure back. Knows the key, tells nobody."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from edgedistill.errors import Fault, InputError, MissingExtraError
from edgedistill.stages.respond.stream import joined
from edgedistill.stages.respond.wire import UnexpectedError, UnreadableError, parse, read_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from edgedistill.core.endpoint import Endpoint
    from edgedistill.stages.respond.reply import Reply
    from edgedistill.stages.respond.request import Request

_PASSING = (408, 409, 429)
_SERVER_ERRORS = 500
_LONGEST_WORDS = 300
_SURELY_A_KEY = 16
"""Shorter ones (EMPTY, none) are words that an answer may hold by chance."""


@dataclass(frozen=True)
class Failure:
    """Why a request brought no reply. Holds nothing of the request, whose headers have the key."""

    words: str
    """What the endpoint or the connection said."""
    status: int | None = None
    """HTTP status; None where no response came."""
    passing: bool = False
    """Whether another try may succeed."""
    retry_after_s: float | None = None
    """Seconds that the endpoint asks to wait."""


@dataclass(frozen=True, eq=False)
class Client:
    """An open connection pool to the endpoint."""

    endpoint: Endpoint
    key: str | None = field(repr=False)
    http: httpx2.Client = field(repr=False)

    @classmethod
    def open(cls, endpoint: Endpoint, environment: Mapping[str, str]) -> Client:
        """Reads the key and opens the pool; sends nothing.

        Raises:
            InputError: If the variable that should hold the key is not set, or holds no key.
            MissingExtraError: If the HTTP client is not installed.
        """
        if importlib.util.find_spec("httpx2") is None:
            needed = "asking a teacher behind an endpoint"
            raise MissingExtraError(extra="endpoint", package="httpx2", needed_for=needed)
        import httpx2

        key = _key(endpoint, environment)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        http = httpx2.Client(
            headers=headers,
            timeout=endpoint.timeout_s,
            limits=httpx2.Limits(max_connections=endpoint.concurrency),
            follow_redirects=False,  # prompts and key go to the address of the recipe alone
        )
        return cls(endpoint, key, http)

    def close(self) -> None:
        """Closes the connections."""
        self.http.close()

    def send(self, request: Request) -> Reply | Failure:
        """Sends a request once."""
        import httpx2

        try:
            response = self.http.post(
                f"{self.endpoint.url}/{request.path}", content=request.body.encode()
            )
        except httpx2.TimeoutException:
            return Failure(f"no answer within {self.endpoint.timeout_s:g} s", passing=True)
        except httpx2.RequestError as error:
            words = str(error) or type(error).__name__
            return Failure(self._without_key(words), passing=True)
        if response.status_code != httpx2.codes.OK:
            return self._refusal(response)
        if self._holds_key(response.content):
            words = "the reply holds the key itself, so it was not stored"
            return Failure(words, response.status_code)
        try:
            return read_reply(_document(response, request), request)
        except UnreadableError as error:
            return Failure(self._without_key(str(error)), response.status_code, passing=True)
        except UnexpectedError as error:
            return Failure(self._without_key(str(error)), response.status_code)

    def _refusal(self, response: httpx2.Response) -> Failure:
        status = response.status_code
        words = _words(response)
        if response.has_redirect_location:
            words = f"sends on to {response.headers['Location']}"
        return Failure(
            self._without_key(words),
            status,
            passing=status in _PASSING or status >= _SERVER_ERRORS,
            retry_after_s=retry_after_s(response.headers),
        )

    def _holds_key(self, content: bytes) -> bool:
        key = self.key
        return key is not None and len(key) >= _SURELY_A_KEY and key.encode() in content

    def _without_key(self, words: str) -> str:
        """The words without the key, which some endpoints give back in their errors."""
        hidden = words if self.key is None else words.replace(self.key, "(key)")
        one_line = " ".join(hidden.split())
        if len(one_line) <= _LONGEST_WORDS:
            return one_line
        return one_line[: _LONGEST_WORDS - 3] + "..."


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait: a number, or a date against the server's own clock.

    After RFC 9110, section 10.2.3. None where it asks for nothing that can be understood.
    """
    given = headers.get("Retry-After")
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        try:
            until, now = (parsedate_to_datetime(text) for text in (given, headers.get("Date", "")))
            seconds = (until - now).total_seconds()
        except (ValueError, TypeError):
            return None  # no date, or one with and one without a time zone: our own pause serves
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _document(response: httpx2.Response, request: Request) -> Any:
    import httpx2

    kind = response.headers.get("Content-Type", "").lower()
    if not kind.startswith("text/event-stream"):
        return parse(response.content)
    events = httpx2.EventSource(response, max_event_size=None)  # all of it is here already
    return joined((event.data for event in events), request)


def _words(response: httpx2.Response) -> str:
    """What the endpoint says of its refusal; most put it under error.message."""
    try:
        document = parse(response.content)
    except UnreadableError:
        return response.text or response.reason_phrase
    error = document.get("error", document) if isinstance(document, dict) else document
    message = error.get("message", error.get("detail")) if isinstance(error, dict) else None
    return message if isinstance(message, str) else response.text


def _key(endpoint: Endpoint, environment: Mapping[str, str]) -> str | None:
    name = endpoint.key_env
    if name is None:
        return None
    key = environment.get(name, "").strip()
    problem = None
    if not key:
        problem = "names an environment variable that is not set, or empty"
    elif not all("!" <= character <= "~" for character in key):
        problem = "names an environment variable whose value is no key: it has other characters "
        problem += "than letters, digits and signs"
    if problem:
        remedy = f"Set it where you start the run: export {name}=..., or set key_env: null where "
        remedy += "the endpoint wants no key"
        raise InputError(
            Fault(field="endpoint.key_env", given=name, problem=problem, remedy=remedy)
        )
    return key
