"""Parameters of the latency model: what devices share (a shape), and what each has of its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgedistill.core.operator_kind import Kind
from edgedistill.core.strict import Strict

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
KindKey = Annotated[Kind, Field(strict=False)]


class CostShape(Strict):
    """What devices of one runtime, precision and ISA level share.

    All costs are in multiples of one multiply-accumulate of a wide pointwise convolution, so that
    the speed of a device turns them into time.
    """

    rates: dict[KindKey, Positive] = Field(default_factory=dict)
    """Speed of each multiplying kind, relative to pointwise convolution; 1 where absent."""
    half_outputs: dict[KindKey, NotNegative] = Field(default_factory=dict)
    """Output channels at which a kind reaches half its speed; 0 where absent. What the packing of
    the picture costs is shared by all of them."""
    half_inputs: dict[KindKey, NotNegative] = Field(default_factory=dict)
    """The same for input channels: what writing the result costs."""
    half_pixels: dict[KindKey, NotNegative] = Field(default_factory=dict)
    """The same for pixels of the output: what packing the weight costs, where a runtime does it at
    each inference; of depthwise convolution, what beginning each channel costs."""
    half_depths: dict[KindKey, NotNegative] = Field(default_factory=dict)
    """The same for multiply-accumulates an output element (input channels times the kernel's area):
    writing a result costs the same after a 7x7 kernel on three channels as after a long sum."""
    large_kernel: Positive = 1.0
    """Factor on the time of a dense convolution whose kernel is larger than 3x3, the first layer
    on few channels apart: runtimes write kernels of their own for the common sizes."""
    unaligned: dict[KindKey, Positive] = Field(default_factory=dict)
    """Factor on the time of a kind whose input or output channels fit no vector; its square root
    where they fit half of one."""
    lanes: Annotated[int, Field(ge=1)] = 1
    """Channels that lie together in one vector."""
    weight_copies: Positive = 1.0
    """How often a 3x3 stride-1 convolution's weight passes through memory, in multiples of its
    size: Winograd's transformed weights are 16/9 to 64/9 as large."""
    column_blocks: dict[KindKey, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Pixels computed at once, by kind; a picture is padded up to a multiple."""
    tile_side: Annotated[int, Field(ge=1)] = 1
    """Height and width of the output tiles of a 3x3 stride-1 convolution by Winograd; a picture is
    padded up to whole tiles both ways. 1 where there are none."""
    tile_channels: Annotated[int, Field(ge=0)] = 0
    """Input and output channels from which on there are such tiles; a 3x3 stride-1 convolution of
    fewer is as any other dense one."""
    weight_traffic: Positive = 1.0
    """Factor on the time of a byte of a weight: it comes from main memory in one sweep, where a
    picture may be in a cache and is copied more than once."""
    cache_bytes: NotNegative = 0.0
    """Bytes of a convolution's weight that a cache holds while they are used; counts only beside
    `uncached_byte_macs`."""
    uncached_byte_macs: NotNegative = 0.0
    """Multiply-accumulates in the time that each byte of a convolution's weight beyond the cache
    costs, on top of all else: no arithmetic hides that it is packed out of memory and into it."""
    element_macs: dict[KindKey, NotNegative] = Field(default_factory=dict)
    """Cost of one output element by kind, beyond moving it."""
    byte_macs: NotNegative = 0.0
    """Multiply-accumulates in the time that one byte takes on its way from or to memory."""
    overhead_macs: NotNegative = 0.0
    """Multiply-accumulates in the time that any operator costs."""
    serial_work_fraction: float = Field(default=0.0, ge=0, le=1)
    """Part of the arithmetic that more threads do not shorten (Amdahl 1967)."""
    serial_traffic_fraction: float = Field(default=0.0, ge=0, le=1)
    """Part of the traffic that more threads do not shorten."""


class CostScale(Strict):
    """What a device has of its own; factors are 1 where it does what the shape expects."""

    macs_per_s: float = Field(gt=0)
    """Multiply-accumulates a second of a wide pointwise convolution on one thread."""
    traffic: float = Field(default=1.0, gt=0)
    """Factor on the time of a byte."""
    overhead: float = Field(default=1.0, gt=0)
    """Factor on the overhead of an operator."""
    activation: float = Field(default=1.0, gt=0)
    """Factor on the cost of an element."""
    depthwise: float = Field(default=1.0, gt=0)
    """Factor on the speed of depthwise convolution."""
    conv_3x3: float = Field(default=1.0, gt=0)
    """Factor on the speed of 3x3 convolution with stride 1."""


class ScaleSpreads(Strict):
    """How far devices differ from the shape: standard deviations of logarithms."""

    macs_per_s: float = Field(ge=0)
    """Of the speed, once the processor's peak is known."""
    traffic: float = Field(ge=0)
    overhead: float = Field(ge=0)
    activation: float = Field(ge=0)
    depthwise: float = Field(ge=0)
    conv_3x3: float = Field(default=0.0, ge=0)


class LinearScale(Strict):
    """A GPU or the like: start + operators x overhead + MACs / speed + bytes / bandwidth."""

    start_ms: float = Field(ge=0)
    """Time of an inference before any work."""
    operator_us: float = Field(ge=0)
    """Time of an operator before any work."""
    macs_per_s: float = Field(gt=0)
    """Multiply-accumulates a second."""
    bytes_per_s: float = Field(gt=0)
    """Bytes a second between memory and unit."""
