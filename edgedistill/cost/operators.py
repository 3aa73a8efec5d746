"""Operators as the latency model sees them, wherever they come from.

A published table and an ONNX graph both end up as a tuple of `Operator`; nothing behind this file
knows which of the two it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.core.operator_kind import Kind

if TYPE_CHECKING:
    from edgedistill.core.profile import Precision


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator with all the sizes its cost is made of.

    Attributes:
        kind: Its class.
        macs: Multiply-accumulates.
        weight_elements: Elements of its constant tensors.
        input_elements: Elements read, of all inputs that are no constants.
        output_elements: Elements written.
        kernel: Height of the kernel; 1 where there is none.
        stride: Vertical stride; 1 where there is none.
        input_channels: Channels read; the inner dimension of a matrix product; 0 if it has none.
        output_channels: Channels written; the columns of a matrix product; 0 if it has none.
        precision: What it computes in, where that is known of it; None is the network's own.
    """

    kind: Kind
    macs: int
    weight_elements: int
    input_elements: int
    output_elements: int
    kernel: int = 1
    stride: int = 1
    input_channels: int = 0
    output_channels: int = 0
    precision: Precision | None = None

    @property
    def elements(self) -> int:
        """All elements that pass through memory once, if no cache keeps any."""
        return self.weight_elements + self.input_elements + self.output_elements


def convolution_kind(
    *, kernel: tuple[int, int], stride: int, groups: int, channels: tuple[int, int], pixels: int
) -> Kind:
    """The kind of a convolution.

    Args:
        kernel: Height and width.
        stride: Vertical stride.
        groups: Number of groups.
        channels: Channels in and out.
        pixels: Height times width of the output.

    >>> convolution_kind(kernel=(3, 3), stride=1, groups=32, channels=(32, 32), pixels=196)
    <Kind.DEPTHWISE: 'depthwise'>
    """
    if groups > 1:
        return Kind.DEPTHWISE if groups == channels[0] else Kind.GROUPED
    if pixels == 1 and kernel == (1, 1):
        return Kind.MATMUL
    if kernel == (1, 1):
        return Kind.POINTWISE
    return Kind.CONV_3X3 if kernel == (3, 3) and stride == 1 else Kind.CONV_OTHER
