"""What a student is called where a recipe has several and gives no name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""Letters, digits, dots, dashes and underscores: safe as a folder and in a table."""
MAX_LENGTH = 80
"""Characters of a student's name: it becomes a folder."""
_MADE_LENGTH = 64
"""Characters of a name that is made here, so that a number still fits behind it."""


def student_name(source: str, args: Mapping[str, Any]) -> str:
    """A name that says what the network is, without the folders of a machine.

    >>> student_name("builtin:residual-cnn", {"width": 16})
    'residual-cnn-width-16'
    >>> student_name("python:somewhere/nets.py:small", {})
    'small'
    """
    own = PurePosixPath(source.rpartition(":")[2]).name
    return plain_name("-".join([own, *(f"{key}-{written(args[key])}" for key in args)]))


def plain_name(text: str) -> str:
    """The text as far as a name may hold it.

    >>> plain_name("kernels [3, 5]"), plain_name("...")
    ('kernels-3-5', 'student')
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_MADE_LENGTH].strip("-._") or "student"


def written(value: Any) -> str:
    """A plain value as a recipe writes it.

    >>> written(True), written([3, 5]), written(0.5)
    ('true', '3-5', '0.5')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def told_apart(names: Sequence[str], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """The names in order, each once: those that stand already get a number.

    Args:
        names: As they follow from what they name.
        taken: What none of them may be.

    >>> told_apart(["mlp", "mlp", "mlp-2"], taken=["cnn"])
    ('mlp', 'mlp-2', 'mlp-2-2')
    """
    seen = set(taken)
    found: list[str] = []
    for name in names:
        free, number = name, 1
        while free in seen:
            number += 1
            free = f"{name}-{number}"
        seen.add(free)
        found.append(free)
    return tuple(found)
