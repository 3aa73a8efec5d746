"""The end of the road, per target: export, quantize, predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill.app.attempt import Attempt, nothing_after
from edgedistill.app.back_ends import (
    backend_of_graph,
    backend_of_torch,
    is_of_torch,
    other_code,
)
from edgedistill.app.glance import GLANCE_CODE, GLANCED, nothing_where_slow
from edgedistill.app.judges import JUDGING_CODE, Judging
from edgedistill.app.predictions import SplitPredictions
from edgedistill.app.reach import HOST, runs_here
from edgedistill.catalog.profiles import load
from edgedistill.core.strict import plain
from edgedistill.data import open_dataset
from edgedistill.stages.export.graph import file_limits
from edgedistill.stages.export.stage import Exporting
from edgedistill.stages.quantize import DynamicQuantization, HalfPrecision, Quantization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.learning import LearningRoad
    from edgedistill.app.plan import Plan, PlannedStep
    from edgedistill.app.resolve import Resolved
    from edgedistill.app.variants import Variant
    from edgedistill.core.judging import Judge
    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.quantizing import Quantize
    from edgedistill.core.stage import Stage
    from edgedistill.stages.quantize.backends import Backend

MODEL_FILE = "model.onnx"
"""The name of the ONNX file in the folder of a step that writes one."""


@dataclass(frozen=True)
class ShippingRoad:
    """Plans the steps from a network to the files of one target and their outputs."""

    target: str
    resolved: Resolved
    learning: LearningRoad
    plan: Plan

    def export(self, step: str, network: PlannedStep) -> PlannedStep:
        """The network as an ONNX file within the limits of the target's runtime.

        Args:
            step: The step of the waterfall, or the candidate that it is for.
            network: The step that has the network; where it made none, there is no file.
        """
        config = self.resolved.recipe.stages_for(self.target).export
        runtime = self.resolved.runtime(self.target)[1]
        opset, ir_version = self._file_limits()
        learning = self.learning
        read_back = learning.networks.teacher if step == "teacher" else learning.compressed

        def make(folders: Mapping[str, Path]) -> Stage:
            return nothing_after(folders["network"]) or Exporting(
                network=read_back(folders["network"]),
                dataset=open_dataset(folders["data"]),
                config=config,
                opset=opset,
                max_ir_version=ir_version,
                shapes=runtime.shapes,
            )

        return self.plan.add(
            "export",
            f"export: {self._called(step)}{step} to ONNX, opset {opset}, {runtime.shapes} batch",
            config={
                "opset": opset,
                "max_ir_version": ir_version,
                "shapes": runtime.shapes,
                "max_difference": config.max_difference,
            },
            inputs={"data": self.learning.data(self.target), "network": network},
            code=("data", "models", "tasks", "stages/export"),
            make=make,
            target=self.target,
        )

    def compressed(
        self,
        config: Quantize,
        export: PlannedStep,
        variant: Variant,
        known: Mapping[str, PlannedStep],
    ) -> PlannedStep:
        """A candidate made of an exported network.

        One that is not required and cannot be made, or that a first look found slow, leaves a step
        without a file, which says why.

        Args:
            config: How, and what may be tried to keep the accuracy.
            export: Writes the network's ONNX file.
            variant: Which candidate.
            known: `teacher` holds the teacher's outputs, which accuracy is held against, `fp32`
                the exported network's own, and `network` has the network itself; `glance`, where it
                is there, a first look at the latencies.
        """
        if variant.scheme is None or variant.kind == "dynamic":
            return self._unjudged(config, export, variant)
        scheme = variant.scheme
        judging = Judging(
            budget=self.resolved.recipe.targets[self.target].budget,
            teacher_is_asked=self.learning.networks.teacher_is_asked,
            threads=self.resolved.threads,
        )

        def make(folders: Mapping[str, Path]) -> Stage:
            nothing = nothing_after(folders["model"]) or nothing_where_slow(folders, variant.name)
            if nothing is not None:
                return nothing
            dataset = open_dataset(folders["data"])
            judge = judging.judge(teacher=folders["teacher"], fp32=folders["fp32"], dataset=dataset)
            stage = self._static(config, scheme, folders, judge)
            called = f"{self.learning.called}{variant.name}"
            return stage if variant.required else Attempt(stage, called)

        elsewhere = ("candidates", "fine_tune")
        settings = {key: value for key, value in plain(config).items() if key not in elsewhere}
        needed = {"teacher", "fp32", GLANCED} | ({"network"} if is_of_torch(config) else set())
        deciding = GLANCE_CODE if GLANCED in known else ()
        return self.plan.add(
            "quantize",
            f"quantize: {self.learning.called}{_way(variant, config)}",
            config={
                "quantize": settings,
                "scheme": _numbers(scheme),
                "required": variant.required,
                "runs_here": self._runs_here(),
                "limits": judging.limits,
            },
            inputs={
                "data": self.learning.data(self.target),
                **{role: step for role, step in known.items() if role in needed},
                "model": export,
            },
            code=("data", "cost", "stages/quantize", *JUDGING_CODE, *deciding, *other_code(config)),
            make=make,
            target=self.target,
        )

    def plain(
        self, config: Quantize, export: PlannedStep, scheme: QuantizationScheme, name: str
    ) -> PlannedStep:
        """Static int8 without a look at its accuracy, to see how fast it is.

        Args:
            config: How; by our own back end.
            export: Writes the network's ONNX file.
            scheme: How int8 stands for real numbers.
            name: The candidate that it is a first look at.
        """
        called = f"{self.learning.called}{name}"

        def make(folders: Mapping[str, Path]) -> Stage:
            return Attempt(self._static(config, scheme, folders, judge=None), called)

        return self.plan.add(
            "quantize",
            f"quantize: {called}, plain, for a first look",
            config={
                "quantize": {
                    "calibration": config.calibration,
                    "min_int8_share": config.min_int8_share,
                },
                "scheme": _numbers(scheme),
                "runs_here": self._runs_here(),
            },
            inputs={"data": self.learning.data(self.target), "model": export},
            code=("data", "cost", "stages/quantize"),
            make=make,
            target=self.target,
        )

    def _static(
        self,
        config: Quantize,
        scheme: QuantizationScheme,
        folders: Mapping[str, Path],
        judge: Judge | None,
    ) -> Quantization:
        """The stage that makes static int8, by the folders of the steps it reads."""
        return Quantization(
            model=folders["model"] / MODEL_FILE,
            dataset=open_dataset(folders["data"]),
            config=config,
            scheme=scheme,
            runs_here=self._runs_here(),
            judge=judge,
            backend=self._backend(config, folders),
        )

    def _backend(self, config: Quantize, folders: Mapping[str, Path]) -> Backend | None:
        """Who else makes the int8 file; None for our own."""
        if not is_of_torch(config):
            return backend_of_graph(config)
        network, (opset, _) = self.learning.compressed(folders["network"]), self._file_limits()
        static = self.resolved.runtime(self.target)[1].shapes == "static"
        return backend_of_torch(network, opset=opset, static=static)

    def _file_limits(self) -> tuple[int, int]:
        """Operator set and IR version of the target's files."""
        config = self.resolved.recipe.stages_for(self.target).export
        runtime = self.resolved.runtime(self.target)[1]
        return file_limits(
            config.opset, max_opset=runtime.max_opset, max_ir_version=runtime.max_ir_version
        )

    def _unjudged(self, config: Quantize, export: PlannedStep, variant: Variant) -> PlannedStep:
        """Dynamic int8 or fp16, for which there is one way only."""
        share, scheme, here = config.min_int8_share, variant.scheme, self._runs_here()
        called = f"{self.learning.called}{variant.name}"

        def make(folders: Mapping[str, Path]) -> Stage:
            model, dataset = folders["model"] / MODEL_FILE, open_dataset(folders["data"])
            if scheme is None:
                return Attempt(HalfPrecision(model, dataset), called)
            dynamic = DynamicQuantization(model, dataset, share, scheme, runs_here=here)
            return Attempt(dynamic, called)

        return self.plan.add(
            "quantize",
            f"quantize: {called}",
            config={"half": True}
            if scheme is None
            else {"min_int8_share": share, "scheme": _numbers(scheme), "runs_here": here},
            inputs={"data": self.learning.data(self.target), "model": export},
            code=("data", "cost", "stages/quantize"),
            make=make,
            target=self.target,
        )

    def predictions(self, name: str, export: PlannedStep) -> PlannedStep:
        """The outputs of an ONNX file on the evaluated splits, computed on this machine.

        Args:
            name: The step of the waterfall, or the candidate.
            export: What writes the file.
        """

        def make(folders: Mapping[str, Path]) -> Stage:
            host = load(HOST)
            return nothing_after(folders["model"]) or SplitPredictions(
                model=folders["model"] / MODEL_FILE,
                dataset=open_dataset(folders["data"]),
                device=host.name,
                runtime=host.runtimes[host.default_runtime],
            )

        return self.plan.add(
            "predict",
            f"predict: {self._called(name)}{name} on validation and test",
            config={},
            inputs={"data": self.learning.data(self.target), "model": export},
            code=("bench", "devices", "worker.py", "data"),
            make=make,
            target=self.target,
        )

    def _runs_here(self) -> bool:
        profile = self.resolved.profiles[self.target]
        return runs_here(profile, self.resolved.runtime(self.target)[1])

    def _called(self, name: str) -> str:
        return "" if name == "teacher" else self.learning.called


def _way(variant: Variant, config: Quantize) -> str:
    """How a candidate is made, in a few words."""
    tuned = ", of the fine-tuned network" if variant.tuned else ""
    who = "" if config.backend == "edgedistill" else f", by {config.backend}"
    return f"{variant.name}, {config.calibration} calibration{who}{tuned}"


def _numbers(scheme: QuantizationScheme) -> dict[str, Any]:
    """What of a scheme decides over bytes: targets that differ in its reason share the step."""
    return {key: value for key, value in plain(scheme).items() if key != "reason"}
