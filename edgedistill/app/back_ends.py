"""Who else makes int8 files: which back end a recipe names, and what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.stages.export.from_torch import export_torch
from edgedistill.stages.quantize.backends import NeuralCompressor, OnnxRuntime, Optimum

if TYPE_CHECKING:
    from edgedistill.core.quantizing import Quantize
    from edgedistill.models import Network
    from edgedistill.stages.quantize.backends import Backend


def is_of_torch(config: Quantize) -> bool:
    """Whether the int8 file is made of the torch network, not of its ONNX file."""
    return config.backend == "neural-compressor"


def other_code(config: Quantize) -> tuple[str, ...]:
    """Further rooms whose sources make the int8 file."""
    return ("models", "stages/export") if is_of_torch(config) else ()


def backend_of_graph(config: Quantize) -> Backend | None:
    """The back end that works on the ONNX file; None for our own."""
    if config.backend == "onnxruntime":
        return OnnxRuntime()
    return Optimum() if config.backend == "optimum" else None


def backend_of_torch(network: Network, *, opset: int, static: bool) -> Backend:
    """The back end that works on the torch network.

    Args:
        network: What is quantized.
        opset: Operator set of the file.
        static: Whether the file takes one sample at a time.
    """
    return NeuralCompressor(
        network,
        lambda module, file: export_torch(network, module, file, opset=opset, static=static),
    )
