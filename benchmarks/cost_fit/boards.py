"""Which core a published ncnn row on one thread ran on, and how fast that core can be.

The headings of ncnn's benchmark table name the processor; the fastest core is taken, which is where
a single thread runs. Left out are rows that may have run elsewhere: cores of no Arm design, and
ARMv8.0 processors that are labelled fp16, where numbers are stored so and computed in fp32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cores import CORES, OneThread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FASTEST = {
    "AX630C": ("Cortex-A53", 1.2),
    "QRB2210": ("Cortex-A53", 2.0),
    "RK3228H": ("Cortex-A53", 1.3),
    "BCM2837B0": ("Cortex-A53", 1.4),
    "BCM2710A1": ("Cortex-A53", 1.0),
    "Jetson Nano": ("Cortex-A57", 1.43),
    "BCM2711B0": ("Cortex-A72", 1.8),
    "RK3399": ("Cortex-A72", 1.8),
    "A311D": ("Cortex-A73", 2.2),
    "Kirin 970": ("Cortex-A73", 2.4),
    "Snapdragon 660": ("Cortex-A73", 2.2),
    "Rk3566": ("Cortex-A55", 1.8),
    "RK3566": ("Cortex-A55", 1.8),
    "RK3568": ("Cortex-A55", 2.0),
    "Snapdragon 675": ("Cortex-A76", 2.0),
    "RK3588": ("Cortex-A76", 2.4),
    "BCM2712, ": ("Cortex-A76", 2.4),
    "855+": ("Cortex-A76", 2.96),
    "AGX Orin": ("Cortex-A78AE", 2.2),
    "Orin Nano": ("Cortex-A78AE", 1.5),
    "Orion O6": ("Cortex-A720", 2.6),
    "8 Gen 2": ("Cortex-X3", 3.2),
    "9300": ("Cortex-X4", 3.25),
}
"""By a part of the heading: the fastest core and its clock in GHz, as the heading or, for the
Jetsons, the data sheet has them. Kryo 260 is a Cortex-A73, Kryo 460 and 485 are Cortex-A76."""


def one_thread_rows(rows: Iterable[Mapping[str, str]]) -> list[OneThread]:
    """The fastest row of each network and precision on each known processor.

    Args:
        rows: Of the published table, as text.
    """
    best: dict[tuple[str, str, str], OneThread] = {}
    for row in rows:
        latency_s = float(row["latency_ms"]) / 1e3
        if (
            (row["runtime"], row["unit"], row["threads"]) != ("ncnn", "cpu", "1")
            or row["precision"] not in ("fp32", "fp16")
            or not latency_s > 0
        ):
            continue
        found = next((core for part, core in FASTEST.items() if part in row["soc"]), None)
        if found is None:
            continue
        name, clock_ghz = found
        lanes = 2 if row["precision"] == "fp16" else 1
        one = OneThread(
            device=row["soc"],
            core=name,
            peak_macs_per_s=clock_ghz * 1e9 * CORES[name].fp32_flop_per_cycle / 2 * lanes,
            network=row["model"],
            group=row["precision"],
            latency_s=latency_s,
        )
        key = (one.device, one.group, one.network)
        if key not in best or latency_s < best[key].latency_s:
            best[key] = one
    return list(best.values())
