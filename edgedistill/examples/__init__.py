"""Recipes that ship with edgedistill, and the commented one that `init` writes."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path

from edgedistill.errors import Fault, InputError

_SUFFIX = ".yaml"
_TEMPLATE = "template.yaml.txt"


def example_names() -> tuple[str, ...]:
    """The names of the recipes that ship.

    >>> example_names()
    ('digits', 'mnist')
    """
    return tuple(sorted(path.stem for path in _folder().iterdir() if path.suffix == _SUFFIX))


def example_path(name: str) -> Path:
    """The file of a recipe that ships.

    Raises:
        InputError: If there is no such recipe.
    """
    known = example_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        raise InputError(
            Fault(
                file="--example",
                given=repr(name),
                problem="is not a recipe that ships",
                remedy=f"{hint}Known: {', '.join(known)}",
            )
        )
    return _folder() / f"{name}{_SUFFIX}"


def template() -> str:
    """The commented recipe that `init` writes."""
    return (_folder() / _TEMPLATE).read_text(encoding="utf-8")


def _folder() -> Path:
    return Path(str(files("edgedistill.examples")))
