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
from edgedistill.stages.export.contract import contract, require_preprocessing
from edgedistill.stages.export.from_torch import export_torch
from edgedistill.stages.export.from_transformers import (
    MAX_OPSET,
    export_transformers,
    is_transformers,
)
from edgedistill.stages.export.graph import finish, require_inference, usable_opset
from edgedistill.stages.export.parity import prove_parity

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from edgedistill.core.recipe import Export
    from edgedistill.data.dataset import Dataset
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
        module = copy.deepcopy(self.network.module).eval()
        file = context.folder / MODEL
        opset = usable_opset(
            self.config.opset, max_opset=self.opset, max_ir_version=self.max_ir_version
        )
        exporter = self._write(module, file, opset)
        parity = prove_parity(
            file,
            copy.deepcopy(self.network.module).eval(),
            self.network.signature,
            self.dataset.validation,
            max_difference=self.config.max_difference,
            threads=context.threads,
            static=self.shapes == "static",
        )
        written = onnx.load(file)
        return StageResult(
            facts={
                "exporter": exporter,
                "opset": written.opset_import[0].version,
                "ir_version": written.ir_version,
                "shapes": self.shapes,
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "size_bytes": file.stat().st_size,
                "parity": asdict(parity),
            }
        )

    def _write(self, module: nn.Module, file: Path, opset: int) -> str:
        """Exports, brings the graph into its lasting form and checks it; names the exporter."""
        _require_size(module)
        exporter = self._export(module, file, opset)
        model = onnx.load(file)
        finish(
            model,
            self.network.signature,
            static=self.shapes == "static",
            max_ir_version=self.max_ir_version,
            metadata=contract(self.network.preprocessing, self.dataset.class_names),
        )
        require_inference(model)
        file.write_bytes(model.SerializeToString(deterministic=True))
        _check(file)
        require_preprocessing(file, self.network.preprocessing)
        return exporter

    def _export(self, module: nn.Module, file: Path, opset: int) -> str:
        static = self.shapes == "static"
        if is_transformers(module) and export_transformers(
            self.network, module, file, opset=min(opset, MAX_OPSET), static=static
        ):
            return "optimum"
        export_torch(self.network, module, file, opset=opset, static=static)
        return "torch"


def _require_size(module: nn.Module) -> None:
    tensors = [*module.parameters(), *module.buffers()]
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if size > MAX_BYTES:
        raise InputError(
            Fault(
                field="student.source",
                given=f"{size} bytes of weights",
                problem="the network is larger than an ONNX file can be (2 GB)",
                remedy="Choose a smaller network",
            )
        )


def _check(file: Path) -> None:
    try:
        onnx.checker.check_model(file, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise PromiseError(
            stage="export",
            promised="a valid ONNX model",
            found=str(error).splitlines()[0],
            remedy="Try another opset under stages.export",
        ) from error
