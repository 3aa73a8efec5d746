"""Published architectures by the name that timm has for them, each with a way to build it.

They are built from their papers with random weights. Whether one is the network that was measured
is told by its multiply-accumulates and parameters: both must be those of the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.attentive import attentive
from zoo.convolutional import convolutional

if TYPE_CHECKING:
    from zoo.architecture import Architecture


def architectures() -> tuple[Architecture, ...]:
    """All of them."""
    return (*convolutional(), *attentive())
