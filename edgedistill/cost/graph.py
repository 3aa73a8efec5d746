"""Counting a graph: multiply-accumulates, parameters and bytes. Exact, from the file alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.cost.float_twin import float_twin
from edgedistill.cost.model_file import load_model
from edgedistill.cost.parameters import count_parameters
from edgedistill.cost.shapes import infer_shapes
from edgedistill.cost.work import multiply_accumulates

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.cost.shapes import Shape


@dataclass(frozen=True)
class GraphCost:
    """What a graph holds and does for one sample.

    Attributes:
        macs: Multiply-accumulates of one inference.
        parameters: Elements of its weights; see `edgedistill.cost.parameters`.
        size_bytes: Bytes of the file.
    """

    macs: int
    parameters: int
    size_bytes: int


def count(model: Path, *, input_shapes: Mapping[str, Shape] | None = None) -> GraphCost:
    """Counts an ONNX file for one sample; a quantized graph counts like its float twin.

    Args:
        model: The file.
        input_shapes: By input name, without the batch axis, for inputs whose axes the file
            leaves open.

    Raises:
        InputError: If it is not a sound ONNX file, or a shape or an operator cannot be counted.
    """
    twin = float_twin(load_model(model))
    shapes = infer_shapes(twin, model, input_shapes)
    return GraphCost(
        macs=sum(multiply_accumulates(node, shapes, model) for node in twin.graph.node),
        parameters=count_parameters(twin.graph),
        size_bytes=model.stat().st_size,
    )
