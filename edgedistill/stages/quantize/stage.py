"""The stage: a float ONNX file and calibration samples in, an int8 ONNX file out, with proof."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from edgedistill.core.report import Int8Check
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import plain
from edgedistill.cost import load_model
from edgedistill.stages.quantize.backends import Request
from edgedistill.stages.quantize.burden import burdens
from edgedistill.stages.quantize.calibration import open_calibration
from edgedistill.stages.quantize.check import (
    Coverage,
    coverage_in_file,
    coverage_in_runtime,
)
from edgedistill.stages.quantize.drafts import Draft, Workshop
from edgedistill.stages.quantize.ladder import climb
from edgedistill.stages.quantize.placement import products_of_activations
from edgedistill.stages.quantize.promises import (
    promise_limits,
    promise_output,
    promise_share,
    promise_size,
)
from edgedistill.stages.quantize.reasons import float_reasons
from edgedistill.stages.quantize.requirements import require_quantizable
from edgedistill.stages.quantize.session import open_session
from edgedistill.stages.quantize.transform import prepare, tidy

if TYPE_CHECKING:
    from edgedistill.core.attempts import Attempts
    from edgedistill.core.judging import Judge
    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.quantizing import CalibrationMethodName, Quantize
    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.backends import Backend
    from edgedistill.stages.quantize.calibration import Calibrating

MODEL = "model.onnx"


@dataclass(frozen=True)
class Quantization:
    """Quantizes a float ONNX file to int8 QDQ in a target's scheme.

    It writes `model.onnx`, with the float file's inputs, outputs and metadata.

    Attributes:
        model: The float ONNX file.
        dataset: Whose calibration samples show the ranges of the activations.
        config: How to calibrate, and how much must run in int8.
        scheme: How int8 stands for real numbers on the target's runtime.
        runs_here: Whether the target's runtime is this machine's own, so that what it really
            runs can be seen; else the placement of quantizers is checked in the file.
        judge: Says whether the accuracy is kept; where it is not, ways of keeping it are tried,
            see `ladder`. None: plain int8, come what may.
        backend: Another maker of the int8 file; what it makes is taken as it is, and no other way
            of keeping accuracy is tried. None: our own.
    """

    model: Path
    dataset: Calibrating
    config: Quantize
    scheme: QuantizationScheme
    runs_here: bool
    judge: Judge | None = None
    backend: Backend | None = None

    def run(self, context: StageContext) -> StageResult:
        """Calibrates, quantizes, and proves that the heavy operators run in int8.

        Returns:
            Facts: `check` (an `Int8Check`), `calibration`, `size_bytes` of both files and whether
            the new one is `smaller`.

        Raises:
            InputError: If model, scheme or calibration samples make it impossible.
            PromiseError: If too little runs in int8, the output is not finite or of another
                shape, or the file asks more of a runtime than the float file did.
        """
        source = load_model(self.model)
        require_quantizable(source, self.scheme, self.model)
        session = open_session(self.model, context.threads)
        samples = open_calibration(self.dataset.calibration, session)
        written = context.folder / MODEL
        with tempfile.TemporaryDirectory(dir=context.folder, prefix=".work-") as work:
            folder = Path(work)
            prepared = prepare(source, folder)
            workshop = Workshop(source, prepared, samples, self.scheme, folder, context)
            made = self._made(workshop)
            result = made.model
            coverage = self._covered(workshop, result, floating=len(made.floating))
        onnx.save_model(result, written)
        promise_limits(source, result, sixteen_bits=self.scheme.fall_back != "float")
        promise_output(self.model, written, samples, context.threads)
        sizes = {"fp32": self.model.stat().st_size, "int8": written.stat().st_size}
        if not made.floating:
            promise_size(sizes, self.scheme)
        return StageResult(
            facts={
                "check": plain(self._checked(coverage, made)),
                "backend": self.config.backend,
                "calibration": {"method": made.calibration, "samples": len(samples)},
                "size_bytes": sizes,
                "smaller": sizes["int8"] < sizes["fp32"],
            }
        )

    def _made(self, workshop: Workshop) -> _Made:
        """The int8 model, and what was tried before it."""
        if self.backend is not None:
            return _Made(self._made_elsewhere(workshop, self.backend), self.config.calibration)
        draft, attempts = Draft(self.config.calibration), None
        if self.judge is not None and self.config.methods:
            self._covered(workshop, workshop.build(draft))  # else all that follows is in vain
            climbed = climb(workshop, self.judge, self.config)
            draft, attempts = climbed.draft, climbed.attempts
        return _Made(
            model=workshop.build(draft),
            calibration=draft.calibration,
            floating=draft.floating,
            attempts=attempts,
            mac_share=_mac_share(workshop, draft),
        )

    def _covered(
        self, workshop: Workshop, model: onnx.ModelProto, *, floating: int = 0
    ) -> Coverage:
        """What runs in int8, which must be enough.

        Args:
            workshop: Where the model was built.
            model: The int8 model.
            floating: How many of its heavy operators are in float on purpose.

        Raises:
            PromiseError: If too little runs in int8.
        """
        file = workshop.folder / "covered.onnx"
        onnx.save_model(model, file)
        coverage = (
            coverage_in_runtime(file, workshop.folder, workshop.context.threads)
            if self.runs_here
            else coverage_in_file(model)
        )
        arranged = workshop.float_graph(Draft(self.config.calibration))
        products = len(products_of_activations(onnx.load_model(arranged).graph))
        promise_share(
            coverage,
            self.config.min_int8_share,
            self.scheme,
            here=self.runs_here,
            meant_in_float=floating + products,
        )
        return coverage

    def _made_elsewhere(self, workshop: Workshop, backend: Backend) -> onnx.ModelProto:
        request = Request(
            prepared=workshop.float_graph(Draft(self.config.calibration)),
            samples=workshop.samples,
            scheme=self.scheme,
            method=self.config.calibration,
            folder=workshop.folder,
            context=workshop.context,
        )
        return tidy(backend.quantize(request), workshop.source)

    def _checked(self, coverage: Coverage, made: _Made) -> Int8Check:
        fallen = made.attempts.fallen_back if made.attempts else ()
        return Int8Check(
            scheme=self.scheme.label,
            int8_operators=len(coverage.int8),
            float_operators=len(coverage.floating),
            float_names=coverage.floating,
            float_reasons=float_reasons(
                coverage.floating,
                made.model,
                maker=self.config.backend,
                seen_running=self.runs_here,
                on_purpose={one.name: one.reason for one in fallen if one.to == "float"},
            ),
            verified="in-runtime" if self.runs_here else "unverified",
            int8_mac_share=made.mac_share,
            attempts=made.attempts,
        )


@dataclass(frozen=True)
class _Made:
    """An int8 model, and how it came to be."""

    model: onnx.ModelProto
    calibration: CalibrationMethodName
    floating: frozenset[str] = frozenset()
    attempts: Attempts | None = None
    mac_share: float | None = None


def _mac_share(workshop: Workshop, draft: Draft) -> float | None:
    """Share of the multiply-accumulates that a draft puts into int8; None where nobody can tell."""
    prepared = workshop.float_graph(draft)
    model = onnx.load_model(prepared)
    floating = draft.floating | set(products_of_activations(model.graph))
    found = burdens(model, prepared, next(iter(workshop.samples)))
    total = sum(burden.macs for burden in (found or {}).values())
    if not found or not total:
        return None
    return sum(one.macs for name, one in found.items() if name not in floating) / total
