"""What a device is made of: cores, accelerators, and how much power it may draw."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.strict import Strict

Source = Annotated[str, Field(min_length=4)]
"""Where a figure stands, by name: a data sheet, a manual, a published table."""

IsaLevel = Literal["none", "dotprod", "i8mm"]
"""How a processor multiplies int8: by widening multiplication only, by dot product, by matrix."""


class Cluster(Strict):
    """One group of equal processor cores."""

    core: str
    """The core's name, for instance Cortex-A76."""
    count: int = Field(ge=1)
    """How many cores the cluster has."""
    clock_ghz: float | None = Field(default=None, gt=0)
    """Highest clock in GHz; unknown where the machine does not tell."""
    isa_flags: tuple[str, ...] = Field(default=(), strict=False)
    """What chooses a kernel: neon, fp16, dotprod, i8mm, sve2, avx2, avx512_vnni and the like."""
    fp32_flop_per_cycle: int | None = Field(default=None, ge=1)
    """Floating point operations of one core in one cycle at most; a multiply-add counts as two."""
    source: Source
    """Where these figures stand."""

    @property
    def peak_fp32_gflop_per_s(self) -> float | None:
        """The cluster's peak in fp32, all cores; None where clock or width is unknown."""
        if self.clock_ghz is None or self.fp32_flop_per_cycle is None:
            return None
        return self.count * self.clock_ghz * self.fp32_flop_per_cycle

    @property
    def isa_level(self) -> IsaLevel:
        """How this core multiplies int8, by the Arm flags.

        >>> Cluster(core="a", count=1, isa_flags=("neon", "dotprod"), source="none").isa_level
        'dotprod'
        """
        if "i8mm" in self.isa_flags:
            return "i8mm"
        return "dotprod" if "dotprod" in self.isa_flags else "none"


class Accelerator(Strict):
    """A GPU, an NPU or another unit beside the processor."""

    kind: Literal["gpu", "npu", "dsp", "dla"]
    """What it is."""
    name: str
    """As the maker calls it."""
    clock_mhz: float | None = Field(default=None, gt=0)
    """Highest clock in the power mode that the profile's figures belong to."""
    fp32_gflop_per_s: float | None = Field(default=None, gt=0)
    """Peak in fp32; a multiply-add counts as two operations."""
    fp16_gflop_per_s: float | None = Field(default=None, gt=0)
    """Peak in fp16; a multiply-add counts as two operations."""
    int8_dense_tera_op_per_s: float | None = Field(default=None, gt=0)
    """Peak in int8 without the doubling that sparse weights give."""
    served_by: tuple[str, ...] = Field(default=(), strict=False)
    """Which of the profile's runtimes use it; empty where none does."""
    source: Source
    """Where these figures stand."""


class PowerMode(Strict):
    """How much power the device draws, or may draw, in one of its modes."""

    name: str
    """As the device calls it, for instance 15W; `default` where it has one mode only."""
    low_w: float = Field(gt=0)
    """Power under load in watts, the low end."""
    high_w: float = Field(gt=0)
    """Power under load in watts, the high end; equal to the low end where one figure is known."""
    basis: Literal["measured", "budget", "typical"]
    """measured: with a meter. budget: the maker's limit of the mode, which a load need not reach.
    typical: an order of magnitude from published descriptions, not a measurement."""
    covers: Literal["board", "module", "chip"]
    """Whose power it is: the whole board, the module without its carrier, or the chip alone."""
    cores_on: int | None = Field(default=None, ge=1)
    """How many processor cores the mode leaves on; absent where that is not published."""
    cpu_clock_ghz: float | None = Field(default=None, gt=0)
    """The mode's limit on the processor's clock in GHz; absent where that is not published."""
    gpu_clock_mhz: float | None = Field(default=None, gt=0)
    """The mode's limit on the GPU's clock in MHz; absent where that is not published."""
    source: Source
    """Where these figures stand."""

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if self.low_w > self.high_w:
            raise ValueError("low_w is above high_w. Exchange the two")
        return self
