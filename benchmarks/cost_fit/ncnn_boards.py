"""On which core a published ncnn row ran, and which rows are alike enough to share a shape.

A heading of ncnn's benchmark table names a processor; its `powersave` says which cores were taken:
2 the fast ones, 1 the slow ones, 0 all. A device here is one heading, one day and one choice of
cores, since a row of another day is a row of another version.
"""

from __future__ import annotations

from dataclasses import dataclass

from cores import CORES

FIRST_DAY = "2020-01-01"
"""Rows before are of kernels that have been rewritten since, and are left out."""
FIRST_INT8_DAY = "2021-09-01"
"""The same for int8, whose kernels were rewritten in 2021, with dot products."""

GENERAL_KERNELS_DAY = "2022-08-01"
"""From 2022 on, kernels for any packing of channels took the place of one for each, and fp16 on
ARMv8.2 changed most: rows before and since are fitted apart."""


@dataclass(frozen=True)
class Board:
    """A processor of the table.

    Attributes:
        heading: A part of the heading that no other has.
        core: Where one thread runs; a key of `CORES`, or another name where it is no Arm design.
        clock_ghz: Its clock, by the heading or the data sheet.
        count: How many such cores there are.
        slow: The same for powersave 1, where there are slow cores: core, clock, count.
        profile: The profile of the device, if there is one.
    """

    heading: str
    core: str
    clock_ghz: float
    count: int
    slow: tuple[str, float, int] | None = None
    profile: str | None = None


BOARDS = (
    Board("AX630C", "Cortex-A53", 1.2, 2),
    Board("QRB2210", "Cortex-A53", 2.0, 4),
    Board("RK3228H", "Cortex-A53", 1.3, 4),
    Board("RK3328", "Cortex-A53", 1.3, 4),
    Board("RDK X3", "Cortex-A53", 1.5, 4),
    Board("H616", "Cortex-A53", 1.5, 4),
    Board("Snapdragon 410", "Cortex-A53", 1.2, 4),
    Board("BCM2837B0", "Cortex-A53", 1.4, 4, profile="raspberry-pi-3b-plus"),
    Board("BCM2710A1", "Cortex-A53", 1.0, 4, profile="raspberry-pi-zero-2-w"),
    Board("Jetson Nano", "Cortex-A57", 1.43, 4, profile="jetson-nano"),
    Board("Snapdragon 810", "Cortex-A57", 2.0, 4, ("Cortex-A53", 1.55, 4)),
    Board("TX2 NX", "Denver2", 2.0, 2),
    Board("BCM2711B0", "Cortex-A72", 1.8, 4, profile="raspberry-pi-4"),
    Board("RK3399", "Cortex-A72", 1.8, 2, ("Cortex-A53", 1.5, 4)),
    Board("A311D", "Cortex-A73", 2.2, 4, ("Cortex-A53", 1.8, 2)),
    Board("Kirin 970", "Cortex-A73", 2.4, 4, ("Cortex-A53", 1.8, 4)),
    Board("Snapdragon 660", "Cortex-A73", 2.2, 4, ("Cortex-A53", 1.84, 4)),
    Board("Snapdragon 835", "Cortex-A73", 2.45, 4, ("Cortex-A53", 1.9, 4)),
    Board("Snapdragon 821", "Kryo", 2.35, 2),
    Board("Rk3566", "Cortex-A55", 1.8, 4),
    Board("RK3566", "Cortex-A55", 1.8, 4),
    Board("RK3568", "Cortex-A55", 2.0, 4),
    Board("RZG2L", "Cortex-A55", 1.5, 2),
    Board("Radxa Zero 3W", "Cortex-A55", 1.416, 4),
    Board("T527", "Cortex-A55", 2.2, 4, ("Cortex-A55", 1.8, 4)),
    Board("RK3588", "Cortex-A76", 2.4, 4, ("Cortex-A55", 1.8, 4)),
    Board("BCM2712 Overclock", "Cortex-A76", 2.9, 4),
    Board("BCM2712, ", "Cortex-A76", 2.4, 4, profile="raspberry-pi-5"),
    Board("855+", "Cortex-A76", 2.96, 1, ("Cortex-A55", 1.8, 4)),
    Board("765G", "Cortex-A76", 2.4, 2, ("Cortex-A55", 1.8, 6), profile="snapdragon-765g"),
    Board("AGX Orin", "Cortex-A78AE", 2.2, 12, profile="jetson-agx-orin"),
    Board("Orin Nano", "Cortex-A78AE", 1.5, 6, profile="jetson-orin-nano"),
    Board("AGX Xavier", "Carmel", 2.2, 8),
    Board("Snapdragon 888", "Cortex-X1", 2.84, 1, ("Cortex-A55", 1.8, 4)),
    Board("Orion O6", "Cortex-A720", 2.6, 4, ("Cortex-A520", 1.8, 4)),
    Board("8 Gen 2", "Cortex-X3", 3.2, 1, ("Cortex-A510", 2.0, 3), profile="snapdragon-8-gen-2"),
    Board("9300", "Cortex-X4", 3.25, 1, ("Cortex-A720", 2.0, 4)),
)
"""Clocks are those of the heading, for the Jetsons those of the data sheet. Kryo 280 and 260 are a
Cortex-A73, Kryo 485 is a Cortex-A76. 32-bit processors and those of other makers are left out."""

DOT_PRODUCT = tuple(name for name, core in CORES.items() if core.year >= 2017)
"""Cores that multiply int8 by dot product (ARMv8.2 and later)."""
HALF_PRECISION = (*DOT_PRODUCT, "Carmel")
"""Cores that compute in fp16; on others a row that is labelled so computes in fp32."""


@dataclass(frozen=True)
class Place:
    """The cores that a row ran on.

    Attributes:
        device: Heading, day and choice of cores, as a reader would tell them.
        core: Where one thread runs.
        peak_macs_per_s: Of that core in fp32; None for a core of no Arm design.
        count: How many such cores there are.
        profile: The profile of the device, if there is one.
    """

    device: str
    core: str
    peak_macs_per_s: float | None
    count: int
    profile: str | None


def place_of(soc: str, title: str, day: str, powersave: str) -> Place | None:
    """The cores of a row; None where the processor is not among `BOARDS`."""
    board = next((one for one in BOARDS if one.heading in soc), None)
    if board is None:
        return None
    core, clock_ghz, count = board.core, board.clock_ghz, board.count
    which = ""
    if powersave == "1":
        if board.slow is None:
            return None
        (core, clock_ghz, count), which = board.slow, ", slow cores"
    elif powersave == "0" and board.slow is not None:
        which = ", all cores"
    known = CORES.get(core)
    peak = None if known is None else clock_ghz * 1e9 * known.fp32_flop_per_cycle / 2
    return Place(f"{title}{which} ({day[:7]})", core, peak, count, board.profile)
