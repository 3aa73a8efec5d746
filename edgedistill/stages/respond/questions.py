"""What a teacher is asked about each sample: one question with the sample's text in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from edgedistill.core.teacher import CLASSES, TEXT


@dataclass(frozen=True, eq=False)
class Questions(Sequence[str]):
    """A question about each of some texts, made when it is asked for."""

    question: str
    """With {text} where the text stands, and {classes} where the names of the classes do."""
    class_names: tuple[str, ...]
    parts: tuple[Sequence[str], ...]
    """The texts, one part after the other."""

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """One question, or several.

        Raises:
            IndexError: If there is no such text.
        """
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        for part in self.parts:
            if place < len(part):
                break
            place -= len(part)
        return asked_about(part[place], self.question, self.class_names)


def asked_about(text: str, question: str, class_names: Sequence[str]) -> str:
    """The question about one text.

    >>> asked_about("{classes}?", "One of {classes}: {text}", ["food", "travel"])
    'One of food, travel: {classes}?'
    """
    filled = {TEXT: text, CLASSES: ", ".join(class_names)}
    marks = "|".join(map(re.escape, filled))
    return re.sub(marks, lambda match: filled[match[0]], question)
