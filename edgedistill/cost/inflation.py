"""Graphs that are small in a file and larger than any memory where they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.cost.float_twin import float_twin
from edgedistill.cost.shapes import infer_shapes
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from edgedistill.cost.shapes import Shapes

_MOST_ELEMENTS = 2**31
"""Of one tensor: 8.6 GB in float32."""


def require_modest(model: onnx.ModelProto, file: Path) -> None:
    """Refuses a model of which one tensor alone is larger than what an edge device holds.

    A runtime may compute such a tensor as soon as it loads the file. Where shapes do not follow
    from the file, nothing can be said, and nothing is refused.

    Args:
        model: The model.
        file: Where it came from, for errors.

    Raises:
        InputError: If there is such a tensor.
    """
    shapes = _shapes(model, file)
    if shapes is None:
        return
    tensor, elements = shapes.largest()
    if elements > _MOST_ELEMENTS:
        raise InputError(
            Fault(
                file=file,
                field=tensor,
                given=f"{elements} elements",
                problem="this tensor is larger than the memory it would run in",
                remedy="Export it with the sizes it is used with",
            )
        )


def _shapes(model: onnx.ModelProto, file: Path) -> Shapes | None:
    try:
        return infer_shapes(float_twin(model), file)
    except InputError:  # an axis is open: the sizes follow from what it is fed
        return None
