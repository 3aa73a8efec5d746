"""Which class an answer names, and which classes a beginning of an answer still allows."""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ORNAMENT = " \t\n\r\"'`*_.,;:!()[]{}<>\u00ab\u00bb\u2018\u2019\u201c\u201d\u201e"
"""What may stand around the name of a class: space, quotes, brackets, emphasis, punctuation."""
_END = re.compile(r"[\"'`*_)\]}>\u00bb\u2019\u201d]*(?:\s*$|\s*\n|[.,;:!](?:\s|$)|\s*\()")
"""What may follow a name that ends there: nothing, a new line, a stop or a bracket."""


@dataclass(frozen=True)
class ClassNames:
    """The names of the classes as they are looked for in what a teacher writes.

    Capitals, the kind of space and ornament around a name do not count.
    """

    plain: tuple[str, ...]
    """The names in small letters, without ornament."""

    @classmethod
    def of(cls, class_names: Sequence[str]) -> Self:
        """The names of a data set's classes.

        Raises:
            InputError: If no answer could name one of the classes, or tell two of them apart.
        """
        plain = tuple(_plain(name).strip(_ORNAMENT) for name in class_names)
        faults = [
            Fault(
                field="data",
                given=repr(name),
                problem="is a class that a teacher cannot name in words"
                if not spoken
                else f"reads like the class {class_names[plain.index(spoken)]!r} in an answer",
                remedy="Give each class a name of its own, in letters or digits",
            )
            for place, (name, spoken) in enumerate(zip(class_names, plain, strict=True))
            if not spoken or plain.index(spoken) < place
        ]
        if faults:
            raise InputError(*faults)
        return cls(plain)

    def named(self, answer: str) -> int | None:
        """The class that an answer names; None where it names none or several.

        An answer is the name alone, a name with a stop after it ("Food. It is about bread"), or a
        name after a colon or on the last line ("Class: food"). A name within a sentence is not
        understood: the sentence may say anything of it, also that it is wrong.
        """
        said = _plain(answer).strip(_ORNAMENT)
        if said in self.plain:
            return self.plain.index(said)
        found = list(self._mentions.finditer(said))
        if len({match[0] for match in found}) != 1:
            return None
        if any(_alone(said, match) for match in found):
            return self.plain.index(found[0][0])
        return None

    def allows(self, place: int, beginning: str) -> bool:
        """Whether an answer that begins so may name the class at a place.

        Args:
            place: Of the class.
            beginning: As `beginning_of` gives it.
        """
        name = self.plain[place]
        if name.startswith(beginning):
            return True
        return beginning.startswith(name) and _END.match(beginning, len(name)) is not None

    @cached_property
    def _mentions(self) -> re.Pattern[str]:
        """Finds whole names; where one is part of another, the longer one."""
        names = sorted(self.plain, key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")


def beginning_of(tokens: bytes) -> str:
    """The beginning of an answer as it is compared with names.

    A character whose last bytes are still to come is left out.
    """
    text = codecs.getincrementaldecoder("utf-8")(errors="replace").decode(tokens)
    return _plain(text).lstrip(_ORNAMENT)


def _alone(said: str, match: re.Match[str]) -> bool:
    """Whether a name stands for itself: at the start with an end after it, or after a lead."""
    if match.start() == 0:
        return _END.match(said, match.end()) is not None
    lead = said[: match.start()].rstrip(" \"'`*_([{<\u00ab\u201c\u201e")
    return match.end() == len(said) and lead.endswith((":", "\n"))


def _plain(text: str) -> str:
    """Compatible forms of characters made one, small letters, one space where there are several."""
    return re.sub(r"[^\S\n]+", " ", unicodedata.normalize("NFKC", text).casefold())
