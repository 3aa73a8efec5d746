"""Writing a network as ONNX, and proving that the file answers as the network does.

Reading what a file says about itself (`contract`) needs no torch; the stage does, so its module
is loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgedistill.stages.export.contract import (
    CLASS_NAMES_KEY,
    read_preprocessing,
    require_preprocessing,
)

if TYPE_CHECKING:
    from edgedistill.stages.export.stage import Exporting

__all__ = [
    "CLASS_NAMES_KEY",
    "Exporting",
    "read_preprocessing",
    "require_preprocessing",
]


def __getattr__(name: str) -> Any:
    if name == "Exporting":
        return import_module("edgedistill.stages.export.stage").Exporting
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
