"""How well the Jetson Nano's families of networks are foretold, each by a fit that has not seen it.

    python benchmarks/cost_fit/families.py [--folder FOLDER]

The networks are those of `architectures.json` beside those of the published lists. Two figures a
family: by a fit that knows the nine networks with published lists only, and by one that knows all
families but this one. Below, the kinds of operators whose share of the time goes with the error.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from built import BUILT, read_built
from fit import PUBLISHED
from folds import Guess, balanced, guessed, held_out
from priors import ONNX_RUNTIME_FP32
from rows import Published
from table import Table

from edgedistill.cost.fitting import Fitted, Measurement, fit
from edgedistill.cost.roofline import KINDS, operator_latencies_s

if TYPE_CHECKING:
    from edgedistill.core.operator_kind import Kind

BYTES = 4.0
NANO = "Jetson Nano"


def by_family(title: str, guesses: list[Guess]) -> None:
    """Prints the error of all and of each family."""
    table = Table()
    table.add(title, guesses)
    for name in sorted({guess.measurement.family for guess in guesses}):
        table.add(f"  {name}", [one for one in guesses if one.measurement.family == name])


def shares(fitted: Fitted, one: Measurement) -> dict[Kind, float]:
    """The part of a network's estimated time that each kind of operator has."""
    parts = operator_latencies_s(
        one.columns,
        fitted.shape,
        fitted.scales[one.device],
        bytes_per_element=fitted.bytes_per_element,
        threads=one.threads,
    )
    total = np.bincount(one.columns.kinds, weights=parts, minlength=len(KINDS)) / parts.sum()
    return {kind: float(total[place]) for place, kind in enumerate(KINDS) if total[place] > 0}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=PUBLISHED)
    parser.add_argument("--each", action="store_true", help="also print each network")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"SKIPPED: no folder {arguments.folder}")
        return
    published = Published(arguments.folder)
    known = published.onnx_runtime_fp32()
    rows = published.onnx_runtime_fp32(read_built(BUILT))
    seen = {(one.device, one.network) for one in known}
    asked = [one for one in rows if (one.device, one.network) not in seen]
    few = guessed(known, asked, ONNX_RUNTIME_FP32, bytes_per_element=BYTES)
    by_family("by the nine networks with published lists", few)
    guesses = held_out(
        rows,
        ONNX_RUNTIME_FP32,
        lambda one: f"{one.device} {one.family}",
        asked=lambda one: one.device == NANO,
    )
    by_family("each family by all the others", guesses)
    whole = fit(balanced(rows), ONNX_RUNTIME_FP32, bytes_per_element=BYTES)
    if arguments.each:
        for guess in guesses:
            one = guess.measurement
            parts = sorted(shares(whole, one).items(), key=lambda item: -item[1])[:5]
            print(
                f"{one.family:16} {one.network:48} {1e3 * one.latency_s:8.0f} ms "
                f"{guess.estimate_s / one.latency_s:5.2f}  "
                + " ".join(f"{kind.value} {100 * part:.0f}" for kind, part in parts)
            )
    print(whole.shape)
    print(whole.scales[NANO])


if __name__ == "__main__":
    main()
