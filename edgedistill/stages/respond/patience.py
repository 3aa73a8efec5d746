"""Trying again: which failures pass, and how long to wait for that."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.stages.respond.client import Failure

if TYPE_CHECKING:
    import threading

    from edgedistill.stages.respond.client import Client
    from edgedistill.stages.respond.pace import Clock, Pace
    from edgedistill.stages.respond.reply import Reply
    from edgedistill.stages.respond.request import Request

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
_LONGEST_REST_S = 900.0
"""Who asks for a longer rest has a quota that is used up: the run stops and can go on later."""


@dataclass(frozen=True)
class Outcome:
    """What became of a request."""

    request: Request
    result: Reply | Failure | None
    """None where all was halted before there was one."""
    sent: int
    """How often it was sent."""


@dataclass(frozen=True)
class Patience:
    """Sends a request until there is a reply or a failure that stays."""

    client: Client
    pace: Pace
    clock: Clock
    halt: threading.Event

    def obtain(self, request: Request) -> Outcome:
        """The reply, or the last failure; waits in between."""
        result: Reply | Failure | None = None
        sent, most = 0, 1 + self.client.endpoint.retries
        while sent < most and self.pace.turn():
            sent += 1
            result = self.client.send(request)
            if not isinstance(result, Failure) or not _may_pass(result) or sent == most:
                break
            if result.retry_after_s is not None:
                self.pace.rest(result.retry_after_s)
            self.clock.wait(pause_s(sent, request.sha256), self.halt)
        return Outcome(request, result, sent)


def _may_pass(failure: Failure) -> bool:
    asked_s = failure.retry_after_s
    return failure.passing and (asked_s is None or asked_s <= _LONGEST_REST_S)


def pause_s(tries: int, seed: str) -> float:
    """Seconds before the next try: doubled each time, up to a minute, less a random half.

    Args:
        tries: How often the request was sent, from 1.
        seed: Differs from request to request, so that those that failed together do not all come
            again together.
    """
    longest = min(_FIRST_PAUSE_S * 2.0 ** (tries - 1), _LONGEST_PAUSE_S)
    return longest * random.Random(f"{seed} {tries}").uniform(0.5, 1.0)
