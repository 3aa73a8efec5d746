"""Fields of a JSON document read strictly one by one, all faults at once. Standard library only.

Where a document is read whole, `core.strict` does it; this reads the few fields that a gate needs
in a tenth of the time it takes to load that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgedistill.core.figure import Evidence, Figure, Rung
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_ABSENT = object()
_NUMBERS = ("value", "low", "high", "confidence")
_FIGURE = {*_NUMBERS, "evidence", "samples", "method"}


@dataclass
class Fields:
    """Reads fields of one document and remembers what is wrong with them."""

    file: str | Path
    faults: list[Fault] = field(default_factory=list)

    def refuse_if_faulty(self) -> None:
        """Ends the reading.

        Raises:
            InputError: With one fault for each thing wrong.
        """
        if self.faults:
            raise InputError(*self.faults)

    def fault(self, name: str, problem: str, remedy: str, given: object = _ABSENT) -> None:
        """Remembers one thing wrong with a field."""
        told = None if given is _ABSENT else _shortened(repr(given))
        self.faults.append(
            Fault(file=self.file, field=name, given=told, problem=problem, remedy=remedy)
        )

    def text(self, whole: Mapping[str, Any], place: str, name: str) -> str:
        """A text that has to be there."""
        found = self._there(whole, place, name)
        if found is not _ABSENT and not isinstance(found, str):
            self.fault(_joined(place, name), "is not text", "Give text", found)
        return found if isinstance(found, str) else ""

    def truth(self, whole: Mapping[str, Any], place: str, name: str) -> bool:
        """A true or false that has to be there; false where it is not."""
        found = self._there(whole, place, name)
        if found is not _ABSENT and not isinstance(found, bool):
            self.fault(_joined(place, name), "is not true or false", "Give true or false", found)
        return found is True

    def mapping(
        self, whole: Mapping[str, Any], place: str, name: str, *, required: bool = True
    ) -> Mapping[str, Any] | None:
        """A mapping; None where it is absent, null or none."""
        found = self._there(whole, place, name) if required else whole.get(name)
        if found is _ABSENT or (found is None and not required):
            return None
        if not isinstance(found, dict):
            self.fault(_joined(place, name), "is not a mapping", "Give keys and values", found)
            return None
        return found

    def number(self, found: object, name: str) -> float | None:
        """A finite number; None, and a fault, where it is none."""
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            self.fault(name, "is not a number", "Give a number", found)
            return None
        try:
            number = float(found)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fault(name, "is not a finite number", "Give a finite number", found)
            return None
        return number

    def figure(self, found: object, name: str) -> Figure | None:
        """A figure as a report holds it; None, and faults, where it is none."""
        before = len(self.faults)
        if not isinstance(found, dict):
            self.fault(name, "is not a mapping", "Give keys and values", found)
            return None
        self.known(found, name, required=_FIGURE, optional={"wider"})
        if len(self.faults) > before:
            return None
        numbers = {one: self.number(found[one], f"{name}.{one}") for one in _NUMBERS}
        known = [one.value for one in Evidence]
        if found["evidence"] not in known:
            remedy = f"Choose one of: {', '.join(known)}"
            self.fault(f"{name}.evidence", "is no evidence", remedy, found["evidence"])
        samples = found["samples"]
        if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
            remedy = "Give how many there are"
            self.fault(f"{name}.samples", "is not a whole number above 0", remedy, samples)
        method = self.text(found, name, "method")
        wider = self._rungs(found.get("wider", []), name)
        if len(self.faults) > before:
            return None
        figure = Figure(
            **{one: number for one, number in numbers.items() if number is not None},
            evidence=Evidence(found["evidence"]),
            samples=samples,
            method=method,
            wider=wider,
        )
        self._sound(figure, name)
        return figure if len(self.faults) == before else None

    def _rungs(self, found: object, name: str) -> tuple[Rung, ...]:
        if not isinstance(found, list):
            self.fault(f"{name}.wider", "is not a list", "Give a list", found)
            return ()
        rungs = []
        for place, one in enumerate(found):
            where = f"{name}.wider.{place}"
            if not isinstance(one, dict):
                self.fault(where, "is not a mapping", "Give keys and values", one)
                continue
            self.known(one, where, required=set(Rung._fields), optional=set())
            numbers = [self.number(one.get(key, 0), f"{where}.{key}") for key in Rung._fields]
            if None not in numbers:
                rungs.append(Rung(*(number for number in numbers if number is not None)))
        return tuple(rungs)

    def _sound(self, figure: Figure, name: str) -> None:
        """Faults of a figure whose parts are each of the right kind."""
        if not figure.low <= figure.value <= figure.high:
            self.fault(name, "the interval does not hold the value", "Give low <= value <= high")
        if not 0 < figure.confidence <= 1:
            self.fault(
                f"{name}.confidence",
                "is no confidence",
                "Give one above 0 and up to 1",
                figure.confidence,
            )
        inner = Rung(figure.confidence, figure.low, figure.high)
        for place, outer in enumerate(figure.wider):
            where = f"{name}.wider.{place}"
            if not inner.confidence < outer.confidence < 1:
                self.fault(where, "wider is not rising", "Give confidences in rising order")
            if not (outer.low <= inner.low and inner.high <= outer.high):
                self.fault(
                    where, "the interval does not hold the one before", "Give wider intervals"
                )
            inner = outer

    def known(
        self, found: Mapping[str, Any], name: str, *, required: set[str], optional: set[str]
    ) -> None:
        """Remembers keys that are missing, and such as nobody knows."""
        for key in sorted(required - found.keys()):
            self.fault(_joined(name, key), "is missing", "Add it")
        for key in found:
            if key not in required | optional:
                remedy = nearest(key, required | optional)
                self.fault(_joined(name, key), "is not a known key", remedy, found[key])

    def _there(self, whole: Mapping[str, Any], place: str, name: str) -> Any:
        found = whole.get(name, _ABSENT)
        if found is _ABSENT:
            self.fault(_joined(place, name), "is missing", "Add it")
        return found


def nearest(name: str, known: Iterable[str]) -> str:
    """What to do about an unknown name.

    >>> nearest("max_size_md", ["max_size_mb", "evidence"])
    "Did you mean 'max_size_mb'?"
    """
    import difflib  # only where something is wrong: a gate starts without it

    choices = sorted(known)
    close = difflib.get_close_matches(str(name), choices, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Known keys: {', '.join(choices)}"


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _shortened(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
