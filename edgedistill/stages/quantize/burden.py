"""What it costs to leave a heavy operator in float, counted from the graph alone.

A count and no measurement: which operators fall back decides the bytes of the model, and the same
recipe must give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from edgedistill.cost.shapes import infer_shapes
from edgedistill.cost.work import multiply_accumulates
from edgedistill.errors import InputError
from edgedistill.stages.quantize.placement import HEAVY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import onnx

ELEMENT_MACS = 16
"""An element moved in float weighs as much as this many multiply-accumulates.

By the roofline (Williams et al. 2009) of a processor core with 512-bit units and int8 dot products:
32 float and 128 int8 multiply-accumulates and 8 bytes a cycle. In float a multiply-accumulate takes
1/32 - 1/128 cycles more, an element 3/8 cycles more, which is 16 times as much. With units half or
a quarter as wide and the same memory it is 8 or 4; the order of operators by cost hardly moves.
"""


@dataclass(frozen=True)
class Burden:
    """What one operator costs.

    Attributes:
        macs: Its multiply-accumulates for one sample.
        elements: Elements it reads and writes, weights among them.
    """

    macs: int
    elements: int

    @property
    def in_float(self) -> int:
        """What leaving it in float costs, in multiply-accumulates' worth."""
        return self.macs + ELEMENT_MACS * self.elements


def burdens(
    model: onnx.ModelProto, file: Path, sample: Mapping[str, np.ndarray]
) -> dict[str, Burden] | None:
    """The burden of each heavy operator, by the name of its node.

    Args:
        model: A float model; it is changed (its batch axis is fixed).
        file: Where it came from, for errors.
        sample: One sample, for axes that the model leaves open.

    Returns:
        None where a shape cannot be told from the graph: it depends on the values of tensors.
    """
    given = {name: array.shape[1:] for name, array in sample.items()}
    constants = {tensor.name: prod(tensor.dims) for tensor in model.graph.initializer}
    try:
        shapes = infer_shapes(model, file, given)
        return {
            node.name: Burden(
                multiply_accumulates(node, shapes, file),
                sum(
                    constants[name] if name in constants else prod(shapes[name])
                    for name in (*node.input, *node.output)
                    if name
                ),
            )
            for node in model.graph.node
            if node.op_type in HEAVY
        }
    except InputError:  # the model runs, but not everything of it can be counted beforehand
        return None
