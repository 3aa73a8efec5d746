"""`python:FILE.py:FUNCTION`: the one place where a recipe runs code of its own."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import sys
import traceback
from types import ModuleType
from typing import TYPE_CHECKING, Any

from torch import nn

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edgedistill.core.teacher import Argument

_FOREIGN_ERRORS = (Exception, SystemExit)
"""This is the one place where code runs that is not ours: whatever it raises is its own fault and
is told as such, with file and line. Its sys.exit() is no verdict of this program."""


def split(name: str, *, base: Path, field: str) -> tuple[Path, str]:
    """The file and the function that a `python:` source names.

    Args:
        name: What stands after `python:`.
        base: The folder relative paths are resolved against.
        field: Where the model stands in the recipe, for the error.

    Raises:
        InputError: If it is not FILE.py:FUNCTION, or the file is not there.
    """
    file, _, function = name.rpartition(":")
    if not file.endswith(".py") or not function.isidentifier():
        raise InputError(
            Fault(
                field=f"{field}.source",
                given=f"python:{name}",
                problem="does not name a file and a function",
                remedy="Write python:FILE.py:FUNCTION, for instance python:nets.py:student",
            )
        )
    path = base / file
    if not path.is_file():
        raise InputError(
            Fault(
                file=path,
                field=f"{field}.source",
                given=f"python:{name}",
                problem="the file does not exist",
                remedy="Check the path; relative paths start at the recipe's folder",
            )
        )
    return path, function


def construct(name: str, given: Mapping[str, Argument], *, base: Path, field: str) -> nn.Module:
    """Runs the file and calls its function with the recipe's arguments.

    Raises:
        InputError: If file, function or arguments are wrong, the code raises, or what it returns
            is not a torch module.
    """
    path, function_name = split(name, base=base, field=field)
    module = _run(path, field)
    function = getattr(module, function_name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value)]
        close = difflib.get_close_matches(function_name, known, n=1)
        raise InputError(
            Fault(
                file=path,
                field=f"{field}.source",
                given=function_name,
                problem="the file has no such function",
                remedy=f"Did you mean '{close[0]}'?" if close else "Name a function it defines",
            )
        )
    _check_arguments(function, given, path=path, field=field)
    try:
        network = function(**given)
    except _FOREIGN_ERRORS as error:
        raise InputError(_foreign(error, path, f"{field}.source")) from error
    if not isinstance(network, nn.Module):
        raise InputError(
            Fault(
                file=path,
                field=f"{field}.source",
                given=f"{function_name}() returned {type(network).__name__}",
                problem="the function does not return a torch.nn.Module",
                remedy="Return the network itself",
            )
        )
    return network


def _run(path: Path, field: str) -> ModuleType:
    """The file as a module under a private name; the same text is run once in a process.

    No byte code is written or read, so an edit within the clock's resolution cannot be missed.
    """
    text = path.read_bytes()
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\0" + text).hexdigest()
    name = f"_edgedistill_python_{digest[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)
    except _FOREIGN_ERRORS as error:
        del sys.modules[name]
        raise InputError(_foreign(error, path, f"{field}.source")) from error
    return module


def _check_arguments(
    function: Callable[..., Any], given: Mapping[str, Argument], *, path: Path, field: str
) -> None:
    try:
        taken = inspect.signature(function)
    except ValueError:  # a callable written in C tells nothing; calling it will
        return
    try:
        taken.bind(**given)
    except TypeError as error:
        unknown = [name for name in given if name not in taken.parameters]
        close = difflib.get_close_matches(unknown[0], taken.parameters, n=1) if unknown else []
        known = ", ".join(taken.parameters) or "none"
        raise InputError(
            Fault(
                file=path,
                field=f"{field}.args",
                given=", ".join(f"{name}={value!r}" for name, value in given.items()) or "none",
                problem=f"the function does not take these arguments: {error}",
                remedy=f"Did you mean '{close[0]}'?" if close else f"It takes: {known}",
            )
        ) from error


def _foreign(error: BaseException, path: Path, field: str) -> Fault:
    """What the user's own code raised, with the last line of that file on the way."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else (lines[-1] if lines else None)
    where = f" in line {line}" if line else ""
    return Fault(
        file=path,
        field=field,
        problem=f"its code raised {type(error).__name__}{where}: {error}",
        remedy="Make the file run on its own first",
    )
