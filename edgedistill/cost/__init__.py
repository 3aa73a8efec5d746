"""What an ONNX graph costs: work, parameters and bytes, counted from the file alone."""

from edgedistill.cost.file_precision import file_precision
from edgedistill.cost.graph import GraphCost, count
from edgedistill.cost.graph_operators import operators_of, precision_of
from edgedistill.cost.model_file import load_model, opset

__all__ = [
    "GraphCost",
    "count",
    "file_precision",
    "load_model",
    "operators_of",
    "opset",
    "precision_of",
]
