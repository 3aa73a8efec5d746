"""A source that is a function in a Python file: the marked place where a recipe runs code."""

from __future__ import annotations

import hashlib
import sys
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.data.live import memory_reader
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.data.contents import Contents
    from edgedistill.data.memory import MemoryReader

_KEYS = ("train", "validation", "test", "preprocessing", "class_names")


@dataclass(frozen=True, eq=False)
class CodeReader:
    """A function that returns the samples as a mapping.

    Its keys are those of `live_source`: train, and optionally validation, test, preprocessing
    and class_names. It runs once, when the samples are first needed; they are part of the
    fingerprint, so a file that the function reads may change and will be noticed.
    """

    path: Path
    function: str
    declared: Preprocessing | None

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function

    @property
    def source(self) -> str:
        """The source without the machine's folders."""
        return f"python:{self.path.name}:{self.function}"

    @property
    def file(self) -> Path:
        """The file with the code."""
        return self.path

    @property
    def runs_code(self) -> bool:
        """Yes."""
        return True

    @property
    def preprocessing(self) -> Preprocessing:
        """Declared in the recipe, or by the function; else its inputs are used as they are."""
        return self._memory.preprocessing

    def fingerprint(self) -> str:
        """The sha256 of all samples, as hex digits."""
        return self._memory.fingerprint()

    def read(self) -> Contents:
        """The samples by split.

        Raises:
            InputError: If the function is not there or gives something else.
        """
        return self._memory.read()

    @cached_property
    def _memory(self) -> MemoryReader:
        function = self._load()
        try:
            given = function()
        except (Exception, SystemExit) as error:  # the user's own code: its fault
            raise self._foreign(error) from error
        if not isinstance(given, Mapping) or "train" not in given or set(given) - set(_KEYS):
            shown = sorted(given) if isinstance(given, Mapping) else type(given).__name__
            problem = "does not return a mapping with the keys of a data set"
            raise self._error(problem, f"Return train and, optionally, {_KEYS[1:]}", str(shown))
        preprocessing = self.declared or given.get("preprocessing")
        if preprocessing is not None and not isinstance(preprocessing, Preprocessing):
            preprocessing = Preprocessing.read(preprocessing, file=self.path)
        return memory_reader(
            {part: given.get(part) for part in ("train", "validation", "test")},
            preprocessing=preprocessing,
            class_names=given.get("class_names"),
            name=self.name,
            source=self.source,
            file=self.path,
        )

    def _load(self) -> Callable[[], Any]:
        text = self.path.read_bytes()
        name = f"edgedistill_source_{hashlib.sha256(text).hexdigest()[:16]}"
        module = types.ModuleType(name)
        module.__file__ = str(self.path)
        sys.modules[name] = module  # dataclasses and pickling workers look their module up
        try:
            code = compile(text, str(self.path), "exec")
            exec(code, module.__dict__)  # the recipe names this file as python:
        except (Exception, SystemExit) as error:  # the user's own code: its fault
            raise self._foreign(error) from error
        function = getattr(module, self.function, None)
        if not callable(function):
            known = [name for name in vars(module) if callable(getattr(module, name))]
            remedy = f"Functions there: {', '.join(known) or 'none'}"
            raise self._error(f"has no function {self.function}", remedy)
        loaded: Callable[[], Any] = function
        return loaded

    def _foreign(self, error: BaseException) -> InputError:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == str(self.path)
        ]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
        where = f" at line {line}" if line else ""
        given = f"{type(error).__name__}: {error}"
        return self._error(f"its code fails{where}", "Repair the file", given)

    def _error(self, problem: str, remedy: str, given: str | None = None) -> InputError:
        return InputError(
            Fault(file=self.path, field="data.source", problem=problem, remedy=remedy, given=given)
        )
