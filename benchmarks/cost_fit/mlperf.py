"""Rows of MLPerf Inference on processors: TensorFlow Lite and ArmNN.

They are the only public rows of networks that were narrowed: MobileNet v1 and v2 at widths 0.25 to
1.4. One submitter measured with several versions of each runtime; a board with one version counts
as a device of its own, and a board that appears in two rounds is taken from the later one. Thread
counts are not stated; the submitters' programs take all processors.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from rows import family

from edgedistill.cost.fitting import Measurement

if TYPE_CHECKING:
    from rows import Published

LISTS = "ops_classification.json"


BOARDS = {
    "BCM2711 Cortex-A72": ("Raspberry Pi 4", 4),
    "Jetson AGX Xavier (Carmel CPU)": ("Jetson AGX Xavier", 8),
    "Jetson AGX Orin (A78AE CPU)": ("Jetson AGX Orin", 12),
}
"""By the processor as the table names it: the board, and how many processors it has. Boards with
unlike cores are left out: which of them worked is not stated."""

_VERSION = re.compile(r"-v(\d+\.\d+(?:\.\d+)?|master)")
_OFTEN = 10
"""A board and version with fewer networks than this is left out."""


def measurements(
    published: Published,
    runtime: str,
    precision: str,
    *,
    threads: int | None = None,
    divisions: tuple[str, ...] = ("open",),
) -> list[Measurement]:
    """The rows of a runtime whose networks have an operator list.

    Args:
        published: The folder of published figures.
        runtime: A pattern that matches the beginning of the runtime as the table names it.
        precision: fp32 or int8.
        threads: How many worked; all processors where absent.
        divisions: Of MLPerf; ResNet-50 stands in the closed one alone.
    """
    latest: dict[tuple[str, str], tuple[str, Measurement]] = {}
    for row in published.rows:
        network = re.sub("-(precision|fp32|int8)", "", row["model"])
        if (
            row["soc"] not in BOARDS
            or not re.match(runtime, row["runtime"])
            or (row["precision"], row["unit"], row["quality"]) != (precision, "cpu", "ok")
            or not any(f" {division}/" in row["source"] for division in divisions)
            or network not in published.lists[LISTS]
        ):
            continue
        board, processors = BOARDS[row["soc"]]
        found = _VERSION.search(row["runtime"])
        one = Measurement(
            device=f"{board}, {found.group(1) if found else 'unstated'}",
            family=family(network),
            network=network,
            columns=published.lists[LISTS][network],
            latency_s=float(row["latency_ms"]) / 1e3,
            threads=threads or processors,
        )
        key = (one.device, network)
        if key not in latest or latest[key][0] <= row["source"]:
            latest[key] = (row["source"], one)
    every = [one for _, one in latest.values()]
    counts = Counter(one.device for one in every)
    return [one for one in every if counts[one.device] >= _OFTEN]


def board_of(one: Measurement) -> str:
    """The board of a measurement, whatever the runtime's version."""
    return one.device.rsplit(", ", 1)[0]


def width_of(network: str) -> float:
    """The width of a network of the MobileNet kind; 1 where its name tells none.

    >>> width_of("mobilenet-v1-0.25-128"), width_of("efficientnet-lite0")
    (0.25, 1.0)
    """
    found = re.fullmatch(r"(?:mobilenet-v[12]|mnasnet)-([\d.]+)-\d+", network)
    return float(found.group(1)) if found else 1.0
