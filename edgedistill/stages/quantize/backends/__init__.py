"""Other makers of int8 files, behind one door: onnxruntime's tools, optimum, neural-compressor.

Each does it in its own way, placement of quantizers and calibration included; what comes out is
checked, measured and judged as our own. optimum's and neural-compressor's need torch, so their
modules are loaded when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgedistill.stages.quantize.backends.library import OnnxRuntime
from edgedistill.stages.quantize.backends.request import Backend, Request

if TYPE_CHECKING:
    from edgedistill.stages.quantize.backends.neural_compressor import NeuralCompressor
    from edgedistill.stages.quantize.backends.optimum import Optimum

__all__ = ["Backend", "NeuralCompressor", "OnnxRuntime", "Optimum", "Request"]


_HOMES = {"NeuralCompressor": "neural_compressor", "Optimum": "optimum"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
