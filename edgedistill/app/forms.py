"""A network as the files in which it may ship, made quickly, so that their cost can be told."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.stage import StageContext
from edgedistill.stages.export.stage import MODEL, Exporting
from edgedistill.stages.quantize.stage import Quantization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme, Runtime
    from edgedistill.core.recipe import Export, Quantize
    from edgedistill.data import Dataset, Split
    from edgedistill.models import Network

FP32, INT8 = "fp32", "int8"
_QUICK_SAMPLES = 8
"""Ranges hardly move what a file costs, so few samples show them."""


@dataclass(frozen=True)
class _Quick:
    """Few calibration samples."""

    calibration: Split


@dataclass(frozen=True)
class Forms:
    """Makes the files.

    Attributes:
        dataset: Proves the export and shows the ranges.
        export: The recipe's export.
        quantize: The recipe's quantization; None where it has none.
        runtime: Where the files run.
        runs_here: Whether that is this machine's own runtime.
        opset: The newest operator set it accepts.
        max_ir_version: The newest file format it accepts.
    """

    dataset: Dataset
    export: Export
    quantize: Quantize | None
    runtime: Runtime
    runs_here: bool
    opset: int
    max_ir_version: int

    def write(self, network: Network, folder: Path, context: StageContext) -> Mapping[str, Path]:
        """Writes the network in every form in which it may ship here.

        Args:
            network: The network.
            folder: Where to; it must not exist.
            context: Seed and threads.

        Returns:
            Form to file.

        Raises:
            InputError: If the network cannot be exported or quantized.
            PromiseError: If a file is not what was promised.
        """
        inner = _context(context, folder / FP32)
        Exporting(
            network=network,
            dataset=self.dataset,
            config=self.export,
            opset=self.opset,
            max_ir_version=self.max_ir_version,
            shapes=self.runtime.shapes,
        ).run(inner)
        files = {FP32: inner.folder / MODEL}
        scheme = self.runtime.int8
        if self.quantize is not None and scheme is not None:
            files[INT8] = self._int8(files[FP32], scheme, _context(context, folder / INT8))
        return files

    def _int8(self, model: Path, scheme: QuantizationScheme, context: StageContext) -> Path:
        assert self.quantize is not None
        Quantization(
            model=model,
            dataset=_Quick(_first(self.dataset.calibration)),
            config=self.quantize.model_copy(update={"calibration": "min-max"}),
            scheme=scheme,
            runs_here=self.runs_here,
        ).run(context)
        return context.folder / MODEL


def _context(context: StageContext, folder: Path) -> StageContext:
    """The same seed and threads, another folder, and nothing told."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return StageContext(folder, context.seed, context.threads)


def _first(split: Split) -> Split:
    """The first samples of a split."""
    some = slice(0, _QUICK_SAMPLES)
    return dataclasses.replace(
        split,
        inputs={name: np.asarray(values[some]) for name, values in split.inputs.items()},
        labels=split.labels[some],
        groups=None if split.groups is None else split.groups[some],
        texts=None,
    )
