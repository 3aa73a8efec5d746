"""To fewer bits: a float ONNX graph becomes an int8 graph in the target's scheme, with proof."""

from edgedistill.stages.quantize.dynamic import DynamicQuantization
from edgedistill.stages.quantize.half import HalfPrecision
from edgedistill.stages.quantize.stage import Quantization

__all__ = ["DynamicQuantization", "HalfPrecision", "Quantization"]
