"""Other makers of int8 files, behind one door: onnxruntime's tools, optimum, neural-compressor.

Each does it in its own way, placement of quantizers and calibration included; what comes out is
checked, measured and judged as our own.
"""

from __future__ import annotations

from edgedistill.stages.quantize.backends.library import OnnxRuntime
from edgedistill.stages.quantize.backends.neural_compressor import NeuralCompressor
from edgedistill.stages.quantize.backends.optimum import Optimum
from edgedistill.stages.quantize.backends.request import Backend, Request

__all__ = ["Backend", "NeuralCompressor", "OnnxRuntime", "Optimum", "Request"]
