"""To int8: a float ONNX graph becomes a QDQ graph in the target's scheme, with proof."""

from edgedistill.stages.quantize.stage import Quantization

__all__ = ["Quantization"]
