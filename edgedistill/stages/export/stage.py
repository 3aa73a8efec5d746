"""A network to ONNX, with a proof on real inputs that the file answers as the network does."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import onnx
import torch

from edgedistill.core.stage import StageContext, StageResult
from edgedistill.errors import Fault, InputError, PromiseError
from edgedistill.models.ensemble import Ensemble
from edgedistill.models.network import members
from edgedistill.models.onnx_graph import GraphModule
from edgedistill.stages.export.adopted import adopted, fitted, takes_one_sample
from edgedistill.stages.export.contract import contract, require_preprocessing
from edgedistill.stages.export.from_torch import export_torch
from edgedistill.stages.export.from_transformers import (
    MAX_OPSET,
    export_transformers,
    is_transformers,
)
from edgedistill.stages.export.graph import (
    MAX_TORCH_OPSET,
    finish,
    require_inference,
    usable_opset,
)
from edgedistill.stages.export.joined import joined, shared_opset, standard_opset
from edgedistill.stages.export.parity import prove_parity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from edgedistill.core.recipe import Export
    from edgedistill.data.dataset import Dataset
    from edgedistill.models.ensemble import Combine
    from edgedistill.models.network import Network

MODEL = "model.onnx"
MAX_BYTES = 2**31 - 1
"""A protobuf message, and so an ONNX file that is one file, cannot be larger."""


@dataclass(frozen=True)
class Exporting:
    """Writes a network as one ONNX file.

    Attributes:
        network: What is exported; it stays as it is.
        dataset: Whose validation inputs the proof runs on.
        config: The opset that is wanted and how near the answers must be.
        opset: The newest operator set the target's runtime accepts.
        max_ir_version: The newest ONNX file format it accepts.
        shapes: static: the model takes one sample at a time; dynamic: any number.
    """

    network: Network
    dataset: Dataset
    config: Export
    opset: int
    max_ir_version: int
    shapes: Literal["static", "dynamic"] = "dynamic"

    def run(self, context: StageContext) -> StageResult:
        """Exports, writes `model.onnx`, and proves the promise on the file.

        Raises:
            InputError: If the network cannot be exported, or the runtime is too old.
            MissingExtraError: If a transformers network is exported without optimum.
            PromiseError: If the file does not answer as the network does.
        """
        torch.set_num_threads(context.threads)
        file = context.folder / MODEL
        exporter = self._write(file)
        written = onnx.load(file)
        one_sample = takes_one_sample(written)
        parity = prove_parity(
            file,
            copy.deepcopy(self.network.module).eval(),
            self.network.signature,
            self.dataset.validation,
            max_difference=self.config.max_difference,
            threads=context.threads,
            static=one_sample,
        )
        opset = standard_opset(written)
        return StageResult(
            facts={
                "exporter": exporter,
                "opset": opset,
                "ir_version": written.ir_version,
                "within_limits": opset <= self.opset and written.ir_version <= self.max_ir_version,
                "shapes": "static" if one_sample else "dynamic",
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "size_bytes": file.stat().st_size,
                "parity": asdict(parity),
            }
        )

    def _write(self, file: Path) -> str:
        """Writes and checks the file; names what exported it.

        A teacher that is an ONNX file is taken as it is, whatever the limits and shapes that are
        asked for: it is there to be compared with, and runs where this machine's runtime takes it.
        """
        module = self.network.module
        _require_size(module)
        metadata = contract(self.network.preprocessing, self.dataset.class_names)
        if isinstance(module, GraphModule):
            exporter = "adopted"
            file.write_bytes(adopted(module, self.network.signature, metadata))
        else:
            exporter = self._make(file, metadata)
        _check(file, full=exporter in ("torch", "optimum"))
        require_preprocessing(file, self.network.preprocessing)
        return exporter

    def _make(self, file: Path, metadata: Mapping[str, str]) -> str:
        """Makes the graph and brings it into its lasting form; names the exporter."""
        static = self.shapes == "static"
        max_ir_version = self.max_ir_version
        module = self.network.module
        taken = [part for part in module.modules() if isinstance(part, GraphModule)]
        if isinstance(module, Ensemble) and taken:
            exporter = "joined"
            static = static or any(member.one_sample for member in taken)
            model = self._joined(module.combine, file, static=static)
            max_ir_version = max(max_ir_version, model.ir_version)
        else:
            opset = usable_opset(
                self.config.opset, max_opset=self.opset, max_ir_version=max_ir_version
            )
            exporter = _export(self.network, file, opset, static=static)
            model = onnx.load(file)
        finish(
            model,
            self.network.signature,
            static=static,
            max_ir_version=max_ir_version,
            metadata=metadata,
        )
        require_inference(model)
        file.write_bytes(model.SerializeToString(deterministic=True))
        return exporter

    def _joined(self, combine: Combine, file: Path, *, static: bool) -> onnx.ModelProto:
        """The graphs of all members in one; `file` is where torch writes them on the way."""
        signature, together = self.network.signature, members(self.network)
        graphs = {
            place: fitted(member.module, signature)
            for place, member in enumerate(together)
            if isinstance(member.module, GraphModule)
        }
        made = [place for place in range(len(together)) if place not in graphs]
        opset = shared_opset(list(graphs.values()), alone=not made)
        for place in made:
            _export(together[place], file, min(opset, MAX_TORCH_OPSET), static=static)
            graph = graphs[place] = onnx.load(file)
            ir_version = graph.ir_version
            finish(graph, signature, static=static, max_ir_version=ir_version, metadata={})
        return joined([graph for _, graph in sorted(graphs.items())], combine, opset=opset)


def _export(network: Network, file: Path, opset: int, *, static: bool) -> str:
    """Writes a torch network as it comes out of its exporter, which it names."""
    module = copy.deepcopy(network.module).eval()
    if is_transformers(module) and export_transformers(
        network, module, file, opset=min(opset, MAX_OPSET), static=static
    ):
        return "optimum"
    export_torch(network, module, file, opset=opset, static=static)
    return "torch"


def _require_size(module: nn.Module) -> None:
    tensors = [*module.parameters(), *module.buffers()]
    graphs = [part for part in module.modules() if isinstance(part, GraphModule)]
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    size += sum(len(graph.content) for graph in graphs)
    if size > MAX_BYTES:
        raise InputError(
            Fault(
                field="student.source",
                given=f"{size} bytes of weights",
                problem="the network is larger than an ONNX file can be (2 GB)",
                remedy="Choose a smaller network",
            )
        )


def _check(file: Path, *, full: bool) -> None:
    try:
        onnx.checker.check_model(file, full_check=full)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise PromiseError(
            stage="export",
            promised="a valid ONNX model",
            found=str(error).splitlines()[0],
            remedy="Try another opset under stages.export",
        ) from error
