"""Rows of the published table that have an operator list, as measurements."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from edgedistill.cost.fitting import Measurement
from edgedistill.cost.published import read_operator_lists
from edgedistill.cost.roofline import Columns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from built import Built

BUILT_FOR = "Deeplite clsbench"
"""The source whose networks were built here."""
DEFAULT_THREADS = 4
"""Of a row that states none: ONNX Runtime takes one a core, and these boards have four."""
_PROVIDER_UNKNOWN = "ok(runtime/precision to verify)"
FILES = ("ops_classification.json", "ops_ncnn.json", "ops_yolobench_v3_v5.json")


class Published:
    """The folder of published figures: `latency.csv` and the operator lists beside it."""

    ncnn_source = "ncnn, benchmark/README.md, CPU on one thread, BSD-3-Clause"
    """How ncnn's table is cited."""

    def __init__(self, folder: Path) -> None:
        self.lists = {
            name: {
                network: Columns.of(operators)
                for network, operators in read_operator_lists(folder / name).items()
            }
            for name in FILES
        }
        with (folder / "latency.csv").open(encoding="utf-8", newline="") as file:
            self.rows = list(csv.DictReader(file))
        with (folder / "operator_lists.csv").open(encoding="utf-8", newline="") as file:
            self.named = {
                (row["source"], row["model"]): (row["operator_list_file"], row["operator_list"])
                for row in csv.DictReader(file)
            }

    def onnx_runtime_fp32(
        self, extra: Mapping[str, Built] | None = None, *, unit: str = "CPU"
    ) -> list[Measurement]:
        """ONNX Runtime in fp32: CPU of Raspberry Pi 4 and 5 and Jetson Nano, GPU of the latter.

        Args:
            extra: Networks that were built here, for rows of the Jetson Nano without a list.
            unit: CPU or GPU. Of the GPU the execution provider is not known, which is no reason to
                leave a row out: the profile says so.
        """
        found = []
        accepted = {"ok"} if unit == "CPU" else {"ok", _PROVIDER_UNKNOWN}
        for row in self.rows:
            if row["runtime"] != f"ONNX Runtime {unit}" or row["quality"] not in accepted:
                continue
            yolo = f"{row['model']}_{row['input_shape'].split('x')[-1]}"
            place = self.named.get((row["source"], row["model"]))
            if yolo in self.lists["ops_yolobench_v3_v5.json"]:
                place = ("ops_yolobench_v3_v5.json", yolo)
            if place:
                found.append(self._measurement(row, place))
            elif row["source"] == BUILT_FOR and extra and row["model"] in extra:
                found.append(self._built(row, extra[row["model"]]))
        return found

    def _built(self, row: dict[str, str], network: Built) -> Measurement:
        return Measurement(
            device=row["device"],
            family=network.family,
            network=row["model"],
            columns=Columns.of(network.operators),
            latency_s=float(row["latency_ms"]) / 1e3,
            threads=int(row["threads"] or DEFAULT_THREADS),
        )

    def _measurement(
        self, row: dict[str, str], place: tuple[str, str], *, device: str | None = None
    ) -> Measurement:
        file, network = place
        return Measurement(
            device=device or row["device"],
            family=family(network),
            network=network,
            columns=self.lists[file][network],
            latency_s=float(row["latency_ms"]) / 1e3,
            threads=int(row["threads"] or DEFAULT_THREADS),
        )


def family(network: str) -> str:
    """The family of a network: its name without depth, width, size and precision.

    >>> family("yolo5d67w25_160"), family("mobilenet-v2-1.4-224"), family("resnet152")
    ('yolo5', 'mobilenet-v2', 'resnet')
    """
    for pattern, name in _FAMILIES:
        if re.match(pattern, network):
            return name
    return network.removesuffix("_int8")


_FAMILIES = (
    (r"yolo3", "yolo3"),
    (r"yolo5", "yolo5"),
    (r"mobilenet[-_]?v2", "mobilenet-v2"),
    (r"mobilenet[-_]?v3", "mobilenet-v3"),
    (r"mobilenet", "mobilenet-v1"),
    (r"resnet", "resnet"),
    (r"vgg", "vgg"),
    (r"squeezenet", "squeezenet"),
    (r"shufflenet", "shufflenet"),
    (r"efficientnet", "efficientnet"),
    (r"yolo-fastest", "yolo-fastest"),
)
