"""Whether the operators of a file, with the fitted shape, foretell this machine's ONNX Runtime.

    python benchmarks/cost_fit/host_check.py [--cache FOLDER] [--rounds 15] [--only NAME]

Networks run interleaved on one thread, fp32, batch 1. The first one's median gives the speed of the
machine; the others are foretold from it. The shape is fitted to Arm processors, so that on another
processor the table says how far shapes carry, and no more; there is no bar. The last columns say
how long reading takes and how many parts in a hundred multiply-accumulates alone would be off.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from architectures import architectures

from edgedistill.catalog.shapes import shape_document
from edgedistill.core.cost_shape import CostScale
from edgedistill.cost.graph_operators import operators_of
from edgedistill.cost.roofline import Columns, latency_s
from edgedistill.models.quiet import quiet

if TYPE_CHECKING:
    from edgedistill.core.shape_document import ShapeDocument

SHAPE = "onnxruntime-cpu-fp32"
SIDE, OPSET, WARM_UP = 224, 18, 3
NETWORKS = (
    "resnet18",
    "tv_resnet50",
    "mobilenetv2_100.ra_in1k",
    "efficientnet_b0.ra_in1k",
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
)


@dataclass(frozen=True)
class Network:
    """A network on this machine.

    Attributes:
        name: What timm calls it.
        macs: Multiply-accumulates.
        relative: Its time by the shape, in multiples of one multiply-accumulate.
        reading_s: Time to read its operators from the file.
        session: What runs it.
    """

    name: str
    macs: int
    relative: float
    reading_s: float
    session: onnxruntime.InferenceSession


def export(name: str, folder: Path) -> Path:
    """The network's file; written where it is not there yet."""
    file = folder / f"{name}-host.onnx"
    if not file.exists():
        (found,) = (one for one in architectures() if one.name == name)
        torch.manual_seed(0)
        with quiet():
            torch.onnx.export(
                found.build().eval(),
                (torch.zeros(1, 3, SIDE, SIDE),),
                file,
                dynamo=True,
                opset_version=OPSET,
                input_names=["input"],
                external_data=False,
                verbose=False,
            )
    return file


def opened(name: str, folder: Path, document: ShapeDocument) -> Network:
    """A network, read and ready to run on one thread."""
    file = export(name, folder)
    start = time.perf_counter()
    operators = operators_of(file)
    reading_s = time.perf_counter() - start
    relative = latency_s(
        Columns.of(operators),
        document.shape,
        CostScale(macs_per_s=1.0),
        bytes_per_element=document.bytes_per_element,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return Network(name, sum(one.macs for one in operators), relative, reading_s, session)


def measured_ms(networks: list[Network], rounds: int) -> list[float]:
    """Median of each network, all taking turns."""
    picture = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE), dtype=np.float32)
    samples: list[list[float]] = [[] for _ in networks]
    for turn in range(WARM_UP + rounds):
        for network, taken in zip(networks, samples, strict=True):
            start = time.perf_counter()
            network.session.run(None, {"input": picture})
            if turn >= WARM_UP:
                taken.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(taken) for taken in samples]


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="where exported networks stay")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", action="append", default=[])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.cache or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        document = shape_document(SHAPE)
        networks = [opened(name, folder, document) for name in arguments.only or NETWORKS]
        medians = measured_ms(networks, arguments.rounds)
    first, first_ms = networks[0], medians[0]
    print(
        f"{platform.machine()}, ONNX Runtime {onnxruntime.__version__}, one thread, fp32, batch 1, "
        f"median of {arguments.rounds}; shape {SHAPE}, scaled by {first.name}"
    )
    print(f"{'network':45}{'ms':>9}{'foretold':>10}{'off':>8}{'by MACs':>9}{'read s':>8}")
    for network, median in zip(networks, medians, strict=True):
        foretold = first_ms * network.relative / first.relative
        by_macs = first_ms * network.macs / first.macs
        print(
            f"{network.name:45}{median:9.1f}{foretold:10.1f}{100 * (foretold / median - 1):+7.0f}%"
            f"{100 * (by_macs / median - 1):+8.0f}%{network.reading_s:8.2f}"
        )


if __name__ == "__main__":
    main()
