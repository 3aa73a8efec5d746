"""What a report needs of a teacher that is an ONNX file, asked before anything is trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edgedistill.cost.graph import count
from edgedistill.errors import Fault, InputError
from edgedistill.models import GraphModule
from edgedistill.stages.export.adopted import fitted
from edgedistill.stages.export.contract import CLASS_NAMES_KEY, read_class_names

if TYPE_CHECKING:
    from edgedistill.data import Dataset
    from edgedistill.models import Network, Signature


def require_reportable(network: Network, dataset: Dataset) -> None:
    """Refuses ONNX files that would spoil the report at the end of the run.

    Args:
        network: The teacher; one that is made of torch modules alone passes.
        dataset: The data it is to teach.

    Raises:
        InputError: If a file says that it tells other classes apart, or the same in another order,
            or an operator's work cannot be counted.
    """
    for graph in network.module.modules():
        if isinstance(graph, GraphModule) and graph.file is not None:
            _require_classes(graph, graph.file, dataset.class_names)
            _require_countable(graph, graph.file, network.signature)


def _require_classes(graph: GraphModule, file: Path, expected: tuple[str, ...]) -> None:
    declared = read_class_names(file)
    if declared is not None and declared != expected:
        raise InputError(
            Fault(
                file=file,
                field=CLASS_NAMES_KEY,
                given=", ".join(declared),
                problem=f"{graph.field}'s classes are not the data's in the data's order, which is "
                f"{', '.join(expected)}",
                remedy="Use a model made for these classes, or order the data's classes alike",
            )
        )


def _require_countable(graph: GraphModule, file: Path, signature: Signature) -> None:
    with TemporaryDirectory(prefix="edgedistill-") as folder:
        fit = Path(folder) / "model.onnx"
        fit.write_bytes(fitted(graph, signature).SerializeToString())
        try:
            count(fit)
        except InputError as error:
            faults = [dataclasses.replace(fault, file=file) for fault in error.faults]
            raise InputError(*faults) from error
