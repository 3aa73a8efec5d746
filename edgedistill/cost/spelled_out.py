"""What an entry `act` of a published list stands for, operator by operator.

The lists write one `act` where a network joins its channels before it goes on, and two families do
more there than an activation. Their graphs have all of these, and ONNX Runtime runs each:

- DenseNet (Huang et al. 2017, section 3; torchvision `densenet.py`): concatenation of all earlier
  results, batch normalization, ReLU. The normalization stands before a convolution, where it cannot
  be folded into it.
- ShuffleNet v2 (Ma et al. 2018, figure 3; torchvision `shufflenetv2.py`): concatenation of the two
  branches, transposition of the channels, and the split that opens the next unit.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from edgedistill.core.operator_kind import Kind

if TYPE_CHECKING:
    from edgedistill.cost.operators import Operator

_STEPS = (
    (re.compile("densenet"), (Kind.MOVEMENT, Kind.ELEMENTWISE, Kind.RELU)),
    (re.compile("shufflenet"), (Kind.MOVEMENT, Kind.MOVEMENT, Kind.MOVEMENT)),
)


def spelled_out(operator: Operator, network: str) -> list[Operator]:
    """The operators that an `act` of a network stands for; itself where it is one.

    >>> from edgedistill.cost.operators import Operator
    >>> act = Operator(
    ...     kind=Kind.RELU, macs=0, weight_elements=0, input_elements=8, output_elements=8
    ... )
    >>> [one.kind.value for one in spelled_out(act, "densenet121")]
    ['movement', 'elementwise', 'relu']
    """
    for pattern, kinds in _STEPS:
        if pattern.match(network):
            return [replace(operator, kind=kind) for kind in kinds]
    return [operator]
