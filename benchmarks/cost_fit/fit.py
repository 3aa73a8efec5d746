"""Fits the latency model to published figures and tells its error on what it has not seen.

    python benchmarks/cost_fit/fit.py [--folder FOLDER] [--only NAME ...] [--json FILE] [--write]

Beside each line stands the baseline that most people use: multiply-accumulates times a constant,
the constant fitted to the same device and the same training rows. With --write the shapes go to
targets/shapes and the scales into the profiles of the devices that were measured.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

import gpu
import ncnn
import onnxruntime_fp32
import onnxruntime_int8
import tflite_armnn
from rows import Published
from table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from result import Result

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT.parent / "shared" / "published"


def _ncnn(plan: ncnn.Plan) -> Callable[[Published, Table], Result]:
    return lambda published, table: ncnn.run(plan, published, table)


FITS: dict[str, Callable[[Published, Table], Result | None]] = {
    onnxruntime_fp32.NAME: onnxruntime_fp32.run,
    onnxruntime_int8.NAME: onnxruntime_int8.run,
    **{one.name: partial(tflite_armnn.run, one) for one in tflite_armnn.SUBJECTS},
    gpu.NAME: gpu.run,
    **{plan.name: _ncnn(plan) for plan in ncnn.PLANS},
}
"""By name: a fit that prints its lines, and gives what is to be written, if anything."""


def main() -> None:
    """Runs the chosen fits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=PUBLISHED, help="the published figures")
    parser.add_argument(
        "--only", nargs="+", default=[""], help=f"fits whose name begins so: {', '.join(FITS)}"
    )
    parser.add_argument("--json", type=Path, help="the table as JSON")
    parser.add_argument("--write", action="store_true", help="write shapes and cost blocks")
    arguments = parser.parse_args()
    chosen = [name for name in FITS if name.startswith(tuple(arguments.only))]
    if not chosen:
        known = ", ".join(FITS)
        parser.error(f"--only {' '.join(arguments.only)}: no such fit. Choose from: {known}")
    if not arguments.folder.is_dir():
        print(f"SKIPPED: no folder {arguments.folder}")
        return
    published = Published(arguments.folder)
    table = Table()
    for name in chosen:
        result = FITS[name](published, table)
        if arguments.write and result is not None:
            result.write(ROOT / "targets")
    if arguments.json:
        table.write(arguments.json)


if __name__ == "__main__":
    main()
