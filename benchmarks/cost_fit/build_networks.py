"""Builds published architectures, exports them, and keeps the operator lists of those that agree.

    python benchmarks/cost_fit/build_networks.py --cache FOLDER [--folder FOLDER] [--only NAME]

A network is kept if it is the one that was measured: parameters within 1 % of its row, and
multiply-accumulates too, as the row's source counts them. That source (fvcore) counts two for each
element that is batch-normalized and five for each that is layer-normalized, and rounds to ten
million. Rows that are no measurement of what they count are left out. The networks go through the
exporter and the reader that a user's network goes through.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))

from architectures import architectures
from built import BUILT, Built, read_built, write_built

from edgedistill.cost.graph import count
from edgedistill.cost.graph_operators import operators_of
from edgedistill.models.quiet import quiet

if TYPE_CHECKING:
    from zoo.architecture import Architecture

PUBLISHED = Path(__file__).resolve().parents[2].parent / "shared" / "published"
SOURCE, RUNTIME = "Deeplite clsbench", "ONNX Runtime CPU"
TOLERANCE = 0.01
ROUNDING_MACS = 5e6
OPSET = 20
"""The first that has GELU as an operator: the exporters of 2023 wrote it in an order that the
runtime makes one again, today's write it in one that it does not."""
_BATCH_NORM, _OTHER_NORMS = nn.modules.batchnorm._BatchNorm, (nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True)
class Row:
    """What was published of a network."""

    input_shape: str
    macs: float
    parameters: float

    @property
    def sizes(self) -> tuple[int, ...]:
        """Batch, channels, height and width."""
        return tuple(int(size) for size in self.input_shape.split("x"))


def published_rows(folder: Path) -> dict[str, Row]:
    """The rows of the networks by name."""
    with (folder / "latency.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["model"]: Row(
                row["input_shape"], 1e6 * float(row["macs_m"]), 1e6 * float(row["params_m"])
            )
            for row in csv.DictReader(file)
            if row["source"] == SOURCE and row["runtime"] == RUNTIME
        }


def normalized_macs(architecture: Architecture, sizes: tuple[int, ...]) -> tuple[float, int]:
    """What the source counts for normalizations, and the parameters; nothing is computed."""
    counted = 0.0

    def hook(module: nn.Module, _: Any, output: torch.Tensor) -> None:
        nonlocal counted
        counted += output.numel() * (2.0 if isinstance(module, _BATCH_NORM) else 5.0)

    with torch.device("meta"):
        network = architecture.build().eval()
    for module in network.modules():
        if isinstance(module, (_BATCH_NORM, *_OTHER_NORMS)):
            module.register_forward_hook(hook)
    with torch.no_grad():
        network(torch.zeros(sizes, device="meta"))
    return counted, sum(parameter.numel() for parameter in network.parameters())


def export(architecture: Architecture, sizes: tuple[int, ...], file: Path) -> None:
    """Writes the network with random weights; no two alike, since the exporter joins equal ones."""
    torch.manual_seed(0)
    network = architecture.build().eval()
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.5, 1.5)
    with quiet():
        torch.onnx.export(
            network,
            (torch.zeros(sizes),),
            file,
            dynamo=True,
            opset_version=OPSET,
            input_names=["input"],
            output_names=["output"],
            external_data=False,
            verbose=False,
        )


def built(architecture: Architecture, row: Row, cache: Path) -> Built | None:
    """The network's operators, or none where it is not the one that was measured; prints both."""
    file = cache / f"{architecture.name}.onnx"
    if not file.exists():
        export(architecture, row.sizes, file)
    graph = count(file)
    normalized, parameters = normalized_macs(architecture, row.sizes)
    macs = graph.macs + normalized
    agrees = (
        abs(macs - row.macs) <= TOLERANCE * row.macs + ROUNDING_MACS
        and abs(parameters - row.parameters) <= TOLERANCE * row.parameters
    )
    print(
        f"{'kept' if agrees else 'REFUSED':8}{architecture.family:17}{architecture.name:50}"
        f"{macs / 1e6:10.1f} {row.macs / 1e6:9.0f} {100 * (macs / row.macs - 1):+6.2f} % |"
        f"{parameters / 1e6:8.2f} {row.parameters / 1e6:8.2f} "
        f"{100 * (parameters / row.parameters - 1):+6.2f} %",
        flush=True,
    )
    if architecture.doubt:
        print(f"{'DOUBTED':8}{architecture.doubt}")
    if not agrees or architecture.doubt:
        return None
    return Built(
        family=architecture.family,
        input_shape=row.input_shape,
        macs=graph.macs,
        parameters=parameters,
        operators=operators_of(file),
    )


def main() -> None:
    """Builds all, or those named, and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=PUBLISHED)
    parser.add_argument("--cache", type=Path, required=True, help="where exported networks stay")
    parser.add_argument("--only", action="append", default=[])
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"SKIPPED: no folder {arguments.folder}")
        return
    arguments.cache.mkdir(parents=True, exist_ok=True)
    rows = published_rows(arguments.folder)
    kept = read_built(BUILT) if arguments.only else {}
    print(f"{'':75}{'MACs [M]':>10} published         |  params [M] published")
    for architecture in architectures():
        if arguments.only and architecture.name not in arguments.only:
            continue
        network = built(architecture, rows[architecture.name], arguments.cache)
        if network:
            kept[architecture.name] = network
        else:
            kept.pop(architecture.name, None)
    write_built(BUILT, kept)
    print(f"{len(kept)} networks of {len({one.family for one in kept.values()})} families")


if __name__ == "__main__":
    main()
