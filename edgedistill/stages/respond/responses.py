"""A teacher's stored responses: one JSON line each, in the order of the prompts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.stages.respond.log_probabilities import (
    FOLDER,
    damaged,
    open_log_probabilities,
)
from edgedistill.stages.respond.prompts import Message, plain_prompt
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgedistill.core.endpoint import Endpoint
    from edgedistill.stages.respond.log_probabilities import LogProbabilities
    from edgedistill.stages.respond.prompts import Prompt
    from edgedistill.stages.respond.reply import Answer

RESPONSES_FILE = "responses.jsonl"
SUMMARY_FILE = "responses.json"
MARKS = ("empty", "truncated", "refused")


@dataclass(frozen=True)
class Response:
    """One answer of the teacher to one prompt."""

    place: int
    """Of the prompt among the prompts, from 0."""
    prompt: Prompt
    sample: int
    """Which of the answers to the prompt, from 0."""
    text: str
    finish_reason: str | None
    """As the endpoint names it: stop, length, content_filter."""
    marks: tuple[str, ...]
    """What speaks against learning from it: empty, truncated, refused."""


@dataclass(frozen=True, eq=False)
class Responses:
    """All responses, in the order of the prompts and of their samples."""

    all: tuple[Response, ...]
    log_probabilities: LogProbabilities | None
    """By the same places as `all`; None where the endpoint gave none."""

    def __len__(self) -> int:
        return len(self.all)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompt of each response."""
        return tuple(response.prompt for response in self.all)

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of each response."""
        return tuple(response.text for response in self.all)

    @property
    def finish_reasons(self) -> tuple[str | None, ...]:
        """Why each response ended."""
        return tuple(response.finish_reason for response in self.all)

    def kept(self, endpoint: Endpoint) -> tuple[int, ...]:
        """Places in `all` that a student learns from, by the endpoint's drop and keep."""
        handling = {mark: getattr(endpoint, mark) for mark in MARKS}
        return tuple(
            place
            for place, response in enumerate(self.all)
            if all(handling[mark] == "keep" for mark in response.marks)
        )


def response_line(place: int, prompt: Prompt, sample: int, answer: Answer) -> str:
    """The line of a response, without anything that differs from run to run."""
    document = {
        "place": place,
        "prompt": plain_prompt(prompt),
        "sample": sample,
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "marks": list(answer.marks),
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def open_responses(folder: Path) -> Responses:
    """The responses that `Responding` stored in a folder.

    Raises:
        InputError: If they are missing, cut short or not what was written.
    """
    path = folder / RESPONSES_FILE
    summary = _summary(folder / SUMMARY_FILE)
    try:
        if file_sha256(path) != summary["sha256"]:
            raise damaged(path, "another checksum than when it was written")
        found = tuple(_responses(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, str(error)) from error
    logs = open_log_probabilities(folder / FOLDER) if summary["log_probabilities"] else None
    counts = {summary["responses"], len(found), len(found) if logs is None else len(logs)}
    if len(counts) > 1:
        raise damaged(path, f"{len(found)} responses, expected {summary['responses']}")
    return Responses(found, logs)


def _summary(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from error
    names = {"responses", "sha256", "log_probabilities"}
    if not isinstance(summary, dict) or not names <= summary.keys():
        raise damaged(path, "other fields than were written")
    return summary


def _responses(path: Path) -> Iterator[Response]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            document = json.loads(line)
            given = document["prompt"]
            yield Response(
                place=document["place"],
                prompt=given
                if isinstance(given, str)
                else tuple(Message(turn["role"], turn["content"]) for turn in given),
                sample=document["sample"],
                text=document["text"],
                finish_reason=document["finish_reason"],
                marks=tuple(document["marks"]),
            )
