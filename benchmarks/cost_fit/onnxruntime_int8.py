"""ONNX Runtime CPU in int8 on processors with dot product: eight networks on one board.

There is little: Qualcomm published what convolutional networks take on an RB3 Gen 2 (QCS6490, four
Cortex-A78) as int8 with the processor alone. The rows of release v0.46.1 are used; an earlier
release has the same networks at half the speed in graphs of twice the nodes, whose quantization was
not folded into their operators. No such set exists for processors without dot product, and nothing
is said of them. Nor of a vision transformer, whose one row is six times as slow as its work.

Another device is known by its data sheet alone. How wrong that is cannot be read from one board: it
is what families unseen here and whole devices unseen in fp32 say together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from boards import one_thread_rows
from built import BUILT, read_built
from cores import CORES, efficiencies, slopes
from folds import balanced, by_group, held_out
from onnxruntime_fp32 import BOARDS, CLASSIFICATION, YOLOBENCH, by_data_sheet
from priors import ONNX_RUNTIME_INT8
from result import FITTED_ON, Result
from rows import family
from table import error_of

from edgedistill.core.shape_document import ShapeDocument
from edgedistill.cost.accuracy import interval_of_devices
from edgedistill.cost.fitting import Measurement, fit
from edgedistill.cost.roofline import Columns

if TYPE_CHECKING:
    from folds import Floats, Guess
    from rows import Published
    from table import Table

NAME = "onnxruntime-cpu-int8-dotprod"
BYTES = 1.0
DEVICE = "RB3 Gen 2 (QCS6490)"
CORE, CLOCK_GHZ, THREADS = "Cortex-A78", 2.7, 4
SOURCE = (
    "Qualcomm AI Hub Models v0.46.1 (2026-02-12), w8a8 by ONNX Runtime on the processor of an RB3 "
    "Gen 2 Vision Kit, BSD-3-Clause; threads not stated, one a fast core assumed"
)
LISTED = {
    "resnet18": ("ops_classification.json", "resnet18"),
    "resnet50": ("ops_classification.json", "resnet50"),
    "resnet101": ("ops_classification.json", "resnet101"),
    "squeezenet1_1": ("ops_classification.json", "squeezenet1_1"),
    "shufflenet_v2": ("ops_classification.json", "shufflenet_v2_x0.5"),
    "googlenet": ("ops_ncnn.json", "googlenet"),
}
"""The row's network: file and name of its operator list; found by its MACs."""
BUILT_HERE = {"resnext50": "gluon_resnext50_32x4d", "wideresnet50": "wide_resnet50_2"}
"""The row's network: the same architecture among those built here."""


def run(published: Published, table: Table) -> Result:
    """Fits the board, prints what leaving families out says, and gives the shape."""
    rows = measurements(published)
    unseen = held_out(rows, ONNX_RUNTIME_INT8, lambda one: one.family, bytes_per_element=BYTES)
    few = interval_of_devices(by_group(unseen, lambda one: one.family))
    known = slopes(one_thread_rows(published.rows))
    far = interval_of_devices(_of_other_devices(published, unseen))
    table.add(f"{NAME}, family unseen", unseen, few)
    for guess in unseen:
        table.add(f"    {guess.measurement.network}", [guess], few)
    fitted = fit(balanced(rows), ONNX_RUNTIME_INT8, bytes_per_element=BYTES)
    peak = CLOCK_GHZ * 1e9 * CORES[CORE].fp32_flop_per_cycle / 2
    part = fitted.scales[DEVICE].macs_per_s / peak
    dotprod = {name: core for name, core in CORES.items() if core.dotprod and not core.i8mm}
    document = ShapeDocument(
        schema_version=1,
        name=NAME,
        engine="onnxruntime-cpu",
        precision="int8",
        isa_levels=("dotprod",),
        bytes_per_element=BYTES,
        shape=fitted.shape,
        efficiency=part,
        core_efficiencies=efficiencies([(CORE, part)], known, dotprod),
        spreads=ONNX_RUNTIME_INT8.spreads,
        largest_overhead_fraction=fitted.largest_overhead_fraction(rows),
        intervals={"few-measurements": few, "pooled": far, "data-sheet": far},
        errors={"few-measurements": error_of(unseen)},
        measurements=len(rows),
        devices=(DEVICE,),
        threads=(THREADS,),
        families=tuple(sorted({one.family for one in rows})),
        sources=(SOURCE, YOLOBENCH, CLASSIFICATION, published.ncnn_source),
        fitted_on=FITTED_ON,
    )
    return Result(document)


def measurements(published: Published) -> list[Measurement]:
    """The rows whose networks have an operator list."""
    built = read_built(BUILT)
    found = []
    for row in published.rows:
        if (
            (row["runtime"], row["precision"], row["quality"]) != ("onnx-cpu", "w8a8", "ok")
            or "RB3 Gen 2" not in row["device"]
            or not row["date"].startswith("v0.46.1")
        ):
            continue
        name = row["model"]
        if name in LISTED:
            file, network = LISTED[name]
            columns, kind = published.lists[file][network], family(network)
        elif name in BUILT_HERE:
            network_here = built[BUILT_HERE[name]]
            columns, kind = Columns.of(network_here.operators), network_here.family
        else:
            continue
        found.append(
            Measurement(
                device=DEVICE,
                family=kind,
                network=name,
                columns=columns,
                latency_s=float(row["latency_ms"]) / 1e3,
                threads=THREADS,
            )
        )
    return found


def _of_other_devices(published: Published, unseen: list[Guess]) -> dict[str, Floats]:
    """Log ratios as they may be elsewhere: of a device unseen in fp32, plus of a family here."""
    rows = published.onnx_runtime_fp32(read_built(BUILT))
    known = slopes(one_thread_rows(published.rows))
    of_families = [float(part.mean()) for part in by_group(unseen, lambda one: one.family).values()]
    ratios: dict[str, Floats] = {}
    for device in BOARDS:
        guesses = by_data_sheet(rows, device, known)
        off = float(np.median([one.log_ratio for one in guesses]))
        ratios[device] = np.array([sign * off + one for sign in (-1, 1) for one in of_families])
    return ratios
