"""From the journal to the step's files, in the order of the prompts, and what there is to tell."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.stages.respond.log_probabilities import FOLDER, write_log_probabilities
from edgedistill.stages.respond.responses import (
    MARKS,
    RESPONSES_FILE,
    SUMMARY_FILE,
    response_line,
)
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgedistill.stages.respond.journal import Journal
    from edgedistill.stages.respond.prompts import Prompt
    from edgedistill.stages.respond.reply import Answer, Reply, Token
    from edgedistill.stages.respond.request import Request


@dataclass(frozen=True)
class Writing:
    """Writes what the journal holds as the files of the step."""

    prompts: Sequence[Prompt]
    """In their order; some may be the same."""
    requests: Sequence[Request]
    """For the distinct ones."""
    journal: Journal

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes responses and log-probabilities; gives the facts about them."""
        marks: Counter[str] = Counter()
        responses = texts = with_tokens = 0
        path = folder / RESPONSES_FILE
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for place, sample, answer in self._answers():
                file.write(response_line(place, self.prompts[place], sample, answer))
                marks.update(answer.marks)
                responses += 1
                texts += bool(answer.text)
                with_tokens += bool(answer.tokens)
        if with_tokens:
            write_log_probabilities(folder / FOLDER, self._tokens)
        summary = {
            "schema_version": 1,
            "prompts": len(self.prompts),
            "responses": responses,
            "sha256": file_sha256(path),
            "log_probabilities": with_tokens > 0,
        }
        text = json.dumps(summary, indent=2) + "\n"
        (folder / SUMMARY_FILE).write_text(text, encoding="utf-8")
        whole = with_tokens > 0 and with_tokens >= texts
        return {
            "responses": responses,
            **{mark: marks[mark] for mark in MARKS},
            "with_log_probabilities": with_tokens,
            "distillation": "token-level top-k" if whole else "sequence-level",
        }

    def charged(self, this_time: Sequence[Request]) -> dict[str, Any]:
        """Who answered and what tokens it charged: for all replies, and for those of this time."""
        models: set[str] = set()
        whole, new = _no_tokens(), _no_tokens()
        recent = set(this_time)
        for request in self.requests:
            reply = self.journal.reply(request)
            models.add(reply.model)
            for total in (whole, new) if request in recent else (whole,):
                if reply.usage is None:
                    total["requests_without_usage"] += 1
                else:
                    total["prompt"] += reply.usage.prompt_tokens
                    total["completion"] += reply.usage.completion_tokens
        return {"models_served": sorted(models), "tokens": whole, "tokens_this_time": new}

    def _tokens(self) -> Iterator[tuple[Token, ...] | None]:
        for _, _, answer in self._answers():
            yield answer.tokens

    def _answers(self) -> Iterator[tuple[int, int, Answer]]:
        """Place of the prompt, sample and answer, in order."""
        owner = {
            request.first + row: (request, row)
            for request in self.requests
            for row in range(request.prompts)
        }
        distinct = {prompt: place for place, prompt in enumerate(dict.fromkeys(self.prompts))}
        at_hand: tuple[Request, Reply] | None = None
        for place, prompt in enumerate(self.prompts):
            request, row = owner[distinct[prompt]]
            if at_hand is None or at_hand[0] is not request:
                at_hand = request, self.journal.reply(request)
            for sample, answer in enumerate(at_hand[1].answers[row]):
                yield place, sample, answer


def _no_tokens() -> dict[str, int]:
    return {"prompt": 0, "completion": 0, "requests_without_usage": 0}
