"""What the installed libraries say of their licence."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIELDS = ("License-Expression", "License")
_LONGEST = 80
"""Characters of a licence's name; what is longer is its text."""


def library_licences(names: Iterable[str]) -> dict[str, str]:
    """Library to licence, of those that are installed and name theirs.

    An SPDX expression (PEP 639) is taken before a free name.
    """
    found = {}
    for name in names:
        try:
            said = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        fields = [field for field in _FIELDS if field in said]
        licence = said[fields[0]] if fields else ""
        if licence and len(licence) <= _LONGEST and "\n" not in licence:
            found[name] = licence
    return found
