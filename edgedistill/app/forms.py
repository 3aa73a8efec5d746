"""A network as the files in which it may ship, made quickly, so that their cost can be told."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.app.attempt import Attempt
from edgedistill.app.variants import variants
from edgedistill.core.stage import StageContext
from edgedistill.stages.export.stage import MODEL, Exporting
from edgedistill.stages.quantize import DynamicQuantization, HalfPrecision, Quantization

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from edgedistill.app.variants import Variant
    from edgedistill.core.profile import Runtime
    from edgedistill.core.quantizing import Quantize
    from edgedistill.core.recipe import Export
    from edgedistill.core.stage import Stage
    from edgedistill.data import Dataset, Split
    from edgedistill.models import Network

FP32 = "fp32"
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

    def write(
        self,
        network: Network,
        folder: Path,
        context: StageContext,
        *,
        only: Collection[str] | None = None,
    ) -> Mapping[str, Path]:
        """Writes the network in every form in which it may ship here.

        Args:
            network: The network.
            folder: Where to.
            context: Seed and threads.
            only: The forms that are wanted; None for all. Int8 files come from the fp32 file.

        Returns:
            Form to file; forms that cannot be made and are not required are left out.

        Raises:
            InputError: If the network cannot be exported or quantized.
            PromiseError: If a file is not what was promised.
        """
        stages: dict[str, Callable[[Path], Stage]] = {FP32: lambda _: self._exporting(network)}
        for variant in self.variants:
            stages[variant.name] = partial(self._making, variant)
        files: dict[str, Path] = {}
        for name, make in stages.items():
            if only is not None and name not in {FP32, *only}:
                continue
            inner = _context(context, folder / name)
            make(folder / FP32 / MODEL).run(inner)
            if (inner.folder / MODEL).is_file():
                files[name] = inner.folder / MODEL
        return {name: file for name, file in files.items() if only is None or name in only}

    @property
    def default(self) -> str:
        """The form that the runtime's profile recommends where no latency decides."""
        return self.variants[0].name if self.variants and self._int8_by_default else FP32

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The forms beside fp32."""
        return () if self.quantize is None else variants(self.runtime, self.quantize, learned=False)

    @property
    def _int8_by_default(self) -> bool:
        return self.runtime.default_precision == "int8" and self.variants[0].step == "int8"

    def _exporting(self, network: Network) -> Stage:
        return Exporting(
            network=network,
            dataset=self.dataset,
            config=self.export,
            opset=self.opset,
            max_ir_version=self.max_ir_version,
            shapes=self.runtime.shapes,
        )

    def _making(self, variant: Variant, model: Path) -> Stage:
        """What makes one form of the exported network."""
        assert self.quantize is not None
        if variant.scheme is None:
            return Attempt(HalfPrecision(model, self.dataset), variant.name)
        stage: Stage
        if variant.kind == "dynamic":
            share = self.quantize.min_int8_share
            stage = DynamicQuantization(
                model, self.dataset, share, variant.scheme, runs_here=self.runs_here
            )
        else:
            stage = Quantization(
                model=model,
                dataset=_Quick(_first(self.dataset.calibration)),
                config=self.quantize.model_copy(update={"calibration": "min-max"}),
                scheme=variant.scheme,
                runs_here=self.runs_here,
            )
        return stage if variant.required else Attempt(stage, variant.name)


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
