"""Asking a teacher behind an endpoint: each prompt once, each reply kept, nothing passed over."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgedistill.core.stage import StageResult
from edgedistill.errors import Fault, InputError, PromiseError
from edgedistill.stages.respond.client import Client, Failure
from edgedistill.stages.respond.crew import Crew
from edgedistill.stages.respond.journal import Journal
from edgedistill.stages.respond.pace import Pace, SystemClock
from edgedistill.stages.respond.patience import Outcome, Patience
from edgedistill.stages.respond.prompts import problem_of
from edgedistill.stages.respond.reply import Reply
from edgedistill.stages.respond.request import plan_requests
from edgedistill.stages.respond.responses import open_responses
from edgedistill.stages.respond.trouble import failed
from edgedistill.stages.respond.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from edgedistill.core.endpoint import Endpoint
    from edgedistill.core.stage import Advance, StageContext
    from edgedistill.stages.respond.pace import Clock
    from edgedistill.stages.respond.prompts import Prompt
    from edgedistill.stages.respond.request import Request


@dataclass(frozen=True, eq=False)
class Responding:
    """Asks an endpoint every prompt and stores the responses and, where given, log-probabilities.

    Each reply is in the checkpoint's journal before anything else happens to it, so that a run
    that was killed asks only what it has no reply to. What is stored is the same as without the
    kill, given the same replies.
    """

    prompts: Sequence[Prompt]
    """In the order of the responses; equal ones are asked once."""
    endpoint: Endpoint
    environment: Mapping[str, str] = field(repr=False)
    """Where the key is looked up, and nothing else."""
    clock: Clock = field(default_factory=SystemClock)

    def run(self, context: StageContext) -> StageResult:
        """Asks what the journal has no reply to, then writes all.

        Raises:
            InputError: If the key is missing, before anything is sent; or if the endpoint refuses
                a request or fails to answer it, again and again: no prompt is passed over. The
                journal stays, so that the next start goes on.
            MissingExtraError: If the HTTP client is not installed.
        """
        _require_sound(self.prompts)
        requests = plan_requests(tuple(dict.fromkeys(self.prompts)), self.endpoint)
        client = Client.open(self.endpoint, self.environment)
        kept_in = context.checkpoint
        with Journal(kept_in or context.folder) as journal:
            missing = tuple(request for request in requests if request not in journal)
            self._tell(context, len(requests), len(missing))
            with context.progress.track("asking the teacher", len(requests)) as advance:
                advance(len(requests) - len(missing))
                sent = self._ask(missing, client, journal, advance, kept=kept_in is not None)
            writing = Writing(self.prompts, requests, journal)
            facts = self._facts(writing, missing, sent) | writing.write(context.folder)
        if kept_in is None:
            journal.remove()
        _prove(context.folder, len(self.prompts) * self.endpoint.samples_per_prompt)
        return StageResult(facts)

    def _ask(
        self,
        missing: Sequence[Request],
        client: Client,
        journal: Journal,
        advance: Advance,
        *,
        kept: bool,
    ) -> int:
        """Brings the missing replies into the journal; gives how many requests were sent."""
        halt = threading.Event()
        pace = Pace(self.endpoint.requests_per_minute, clock=self.clock, halt=halt)
        patience = Patience(client, pace, self.clock, halt)
        crew = Crew(missing, patience.obtain, size=self.endpoint.concurrency, halt=halt)
        sent, trouble = 0, []
        try:
            for outcome in crew.results():
                sent += outcome.sent
                if isinstance(outcome.result, Reply):
                    journal.add(outcome.request, outcome.result)
                    advance(note=f"{len(journal)} replies kept")
                elif outcome.result is not None:
                    trouble.append(outcome)
                    halt.set()  # what is under way is paid for, so it is waited for and kept
            client.close()  # not on Ctrl-C, where threads may still be reading
        finally:
            halt.set()
            _keep(crew.at_hand(), journal)
        self._stop_at(trouble, replies=len(journal) if kept else None)
        gone = sum(request not in journal for request in missing)
        if gone:
            raise PromiseError(
                stage="respond",
                promised="a reply to each request",
                found=f"{gone} without one",
                remedy="A thread has ended with the error that stands above; please report it",
            )
        return sent

    def _stop_at(self, trouble: Sequence[Outcome], *, replies: int | None) -> None:
        for outcome in trouble:
            if isinstance(outcome.result, Failure):
                raise failed(
                    outcome.request,
                    outcome.result,
                    self.endpoint,
                    sent=outcome.sent,
                    replies=replies,
                )

    def _tell(self, context: StageContext, requests: int, missing: int) -> None:
        if missing < requests:
            there = requests - missing
            context.progress.say(f"{there} of {requests} replies are there from an earlier start")
        if self.endpoint.key_env is not None and self.endpoint.in_the_open:
            context.progress.say(
                f"the key goes to {self.endpoint.url} unencrypted; use https where you can"
            )

    def _facts(self, writing: Writing, missing: Sequence[Request], sent: int) -> dict[str, Any]:
        requests = writing.requests
        return {
            "url": self.endpoint.url,
            "model": self.endpoint.model,
            "api": self.endpoint.api,
            "prompts": len(self.prompts),
            "distinct_prompts": sum(request.prompts for request in requests),
            "requests": len(requests),
            "requests_resumed": len(requests) - len(missing),
            "requests_sent_this_time": sent,
            "retries_this_time": sent - len(missing),
            **writing.charged(missing),
        }


def _require_sound(prompts: Sequence[Prompt]) -> None:
    faults = [
        Fault(field=f"prompts[{place}]", problem=problem, remedy="Correct it or leave it out")
        for place, prompt in enumerate(prompts)
        if (problem := problem_of(prompt))
    ]
    if not prompts:
        faults = [Fault(problem="there is no prompt to ask", remedy="Give at least one")]
    if faults:
        raise InputError(*faults)


def _keep(outcomes: Iterable[Outcome], journal: Journal) -> None:
    """Writes the replies that came in before all was halted: they are paid for."""
    for outcome in outcomes:
        if isinstance(outcome.result, Reply):
            journal.add(outcome.request, outcome.result)


def _prove(folder: Path, expected: int) -> None:
    found = len(open_responses(folder))
    if found != expected:
        raise PromiseError(
            stage="respond",
            promised=f"{expected} responses",
            found=str(found),
            remedy="This is an error of edgedistill; please report it",
        )
