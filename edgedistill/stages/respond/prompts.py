"""What a teacher is asked: texts or conversations, read from a file with clear words on faults."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.errors import Fault, InputError
from edgedistill.store import text_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ROLES = ("system", "developer", "user", "assistant")
_MOST_FAULTS = 20
_WANTED = 'Give {"prompt": "text"} or {"messages": [{"role": "user", "content": "text"}]}'


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: str
    """system, developer, user or assistant."""
    content: str


Prompt = str | tuple[Message, ...]
"""A text, or a conversation that the teacher goes on with."""


def plain_prompt(prompt: Prompt) -> str | list[dict[str, str]]:
    """The prompt as JSON values: a text, or messages with role and content."""
    if isinstance(prompt, str):
        return prompt
    return [{"role": message.role, "content": message.content} for message in prompt]


def prompts_sha256(prompts: Sequence[Prompt]) -> str:
    """SHA-256 over all prompts in their order, for the key of a step that asks them."""
    return text_sha256(json.dumps([plain_prompt(prompt) for prompt in prompts]))


def read_prompts(path: Path) -> tuple[Prompt, ...]:
    """The prompts of a file, in its order; the same prompt may stand there twice.

    Args:
        path: A .txt file with one prompt a line (blank lines are passed over), or a .jsonl file
            with one JSON object a line that has `prompt` (text) or `messages` (role and content);
            other fields are passed over.

    Raises:
        InputError: With one fault for each bad line, or if the file holds no prompt.
    """
    if path.suffix not in (".txt", ".jsonl"):
        raise _fault(path, "is neither .txt nor .jsonl", "Give one prompt a line in such a file")
    lines = [
        (number, line)
        for number, line in enumerate(_text(path).split("\n"), start=1)
        if line.strip()
    ]
    if not lines:
        raise _fault(path, "holds no prompt", "Give one prompt a line")
    if path.suffix == ".txt":
        return tuple(line.strip() for _, line in lines)
    found = [(number, _prompt_of(line)) for number, line in lines]
    faults = [
        Fault(file=path, field=f"line {number}", problem=each.problem, remedy=_WANTED)
        for number, each in found
        if isinstance(each, _Bad)
    ]
    if faults:
        raise InputError(*faults[:_MOST_FAULTS], *_and_more(path, len(faults) - _MOST_FAULTS))
    return tuple(prompt for _, prompt in found if not isinstance(prompt, _Bad))


@dataclass(frozen=True)
class _Bad:
    """Why a line is no prompt."""

    problem: str


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise _fault(path, problem, "Give a file of prompts") from error
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        problem = f"is not UTF-8 text (line {number})"
        raise _fault(path, problem, "Save the file as UTF-8") from error


def problem_of(prompt: Prompt) -> str | None:
    """What makes it impossible to ask the prompt, or None."""
    if not prompt:
        return "is empty"
    turns = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    for turn in turns:
        if turn.role not in _ROLES:
            return f"has a turn with the unknown role {turn.role!r} (known: {', '.join(_ROLES)})"
        if not turn.content.strip():
            return f"has a turn of the {turn.role} without text"
        if any("\ud800" <= character <= "\udfff" for character in turn.content):
            return "holds half a character (a lone surrogate)"
    if turns[-1].role == "assistant":
        return "ends with the assistant, so that nothing is left to answer"
    return None


def _prompt_of(line: str) -> Prompt | _Bad:
    try:
        document = json.loads(line)
    except json.JSONDecodeError as error:
        return _Bad(f"is not JSON ({error.msg} at column {error.colno})")
    if not isinstance(document, dict) or ("prompt" in document) == ("messages" in document):
        return _Bad("is not an object with either prompt or messages")
    prompt = document.get("prompt")
    if "messages" in document:
        prompt = _conversation(document["messages"])
    if prompt is None or not isinstance(prompt, str | tuple):
        return _Bad("has no text as prompt, or messages without role and content")
    problem = problem_of(prompt)
    return prompt if problem is None else _Bad(problem)


def _conversation(messages: Any) -> Prompt | None:
    if not isinstance(messages, list):
        return None
    turns = []
    for message in messages:
        role, content = (
            (message.get("role"), message.get("content"))
            if isinstance(message, dict)
            else (None, None)
        )
        if not isinstance(role, str) or not isinstance(content, str):
            return None
        turns.append(Message(role, content))
    return tuple(turns)


def _and_more(path: Path, more: int) -> list[Fault]:
    if more <= 0:
        return []
    return [Fault(file=path, problem=f"{more} more lines are no prompts", remedy=_WANTED)]


def _fault(path: Path, problem: str, remedy: str) -> InputError:
    return InputError(Fault(file=path, problem=problem, remedy=remedy))
