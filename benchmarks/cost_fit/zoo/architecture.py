"""A published architecture that can be built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


@dataclass(frozen=True)
class Architecture:
    """A network that can be built.

    Attributes:
        name: What timm calls it.
        family: Networks that resemble each other share one.
        build: Makes it, with random weights.
        doubt: Why its row is no measurement of it, although the counts agree; empty where it is.
    """

    name: str
    family: str
    build: Callable[[], nn.Module]
    doubt: str = ""
