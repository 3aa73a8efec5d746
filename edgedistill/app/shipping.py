"""The end of the road, per target: export, quantize, predict, measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.app.judges import JUDGING_CODE, Judging
from edgedistill.app.predictions import SplitPredictions
from edgedistill.app.reach import HOST, runs_here, transport
from edgedistill.bench.measure import Candidate, Measuring
from edgedistill.catalog.profiles import load
from edgedistill.core.strict import plain
from edgedistill.data import open_dataset
from edgedistill.stages.export.graph import file_limits
from edgedistill.stages.export.stage import Exporting
from edgedistill.stages.quantize.stage import Quantization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.learning import LearningRoad
    from edgedistill.app.plan import Plan, PlannedStep
    from edgedistill.app.resolve import Resolved
    from edgedistill.core.recipe import Benchmark, Quantize
    from edgedistill.core.report import Step

MODEL_FILE = "model.onnx"
"""The name of the ONNX file in the folder of a step that writes one."""
_MEASURED_SAMPLES = 8


@dataclass(frozen=True)
class ShippingRoad:
    """Plans the steps from a network to the figures of one target."""

    target: str
    resolved: Resolved
    learning: LearningRoad
    plan: Plan

    def export(self, step: Step, network: PlannedStep) -> PlannedStep:
        """The network as an ONNX file within the limits of the target's runtime."""
        config = self.resolved.recipe.stages_for(self.target).export
        runtime = self.resolved.runtime(self.target)[1]
        opset, ir_version = file_limits(
            config.opset, max_opset=runtime.max_opset, max_ir_version=runtime.max_ir_version
        )
        learning = self.learning
        read_back = learning.networks.teacher if step == "teacher" else learning.compressed

        def make(folders: Mapping[str, Path]) -> Exporting:
            return Exporting(
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

    def int8(
        self, config: Quantize, export: PlannedStep, *, teacher: PlannedStep, fp32: PlannedStep
    ) -> PlannedStep | None:
        """The int8 twin of an exported network; None where the target runs no int8.

        Args:
            config: How, and what may be tried to keep the accuracy.
            export: Writes the network's ONNX file.
            teacher: Holds the teacher's outputs, which accuracy is held against.
            fp32: Holds the exported network's own outputs.
        """
        profile = self.resolved.profiles[self.target]
        runtime = self.resolved.runtime(self.target)[1]
        scheme = runtime.int8
        if scheme is None:
            return None
        here = runs_here(profile, runtime)
        judging = Judging(
            budget=self.resolved.recipe.targets[self.target].budget,
            teacher_is_asked=self.learning.networks.teacher_is_asked,
            threads=self.resolved.threads,
        )

        def make(folders: Mapping[str, Path]) -> Quantization:
            dataset = open_dataset(folders["data"])
            return Quantization(
                model=folders["model"] / MODEL_FILE,
                dataset=dataset,
                config=config,
                scheme=scheme,
                runs_here=here,
                judge=judging.judge(
                    teacher=folders["teacher"], fp32=folders["fp32"], dataset=dataset
                ),
            )

        return self.plan.add(
            "quantize",
            f"quantize: {self.learning.called}int8 {scheme.label}, {config.calibration} "
            "calibration",
            config={
                "quantize": plain(config),
                "scheme": plain(scheme),
                "runs_here": here,
                "limits": judging.limits,
            },
            inputs={
                "data": self.learning.data(self.target),
                "teacher": teacher,
                "fp32": fp32,
                "model": export,
            },
            code=("data", "cost", "stages/quantize", *JUDGING_CODE),
            make=make,
            target=self.target,
        )

    def predictions(self, step: Step, export: PlannedStep) -> PlannedStep:
        """The outputs of an ONNX file on the evaluated splits, computed on this machine."""

        def make(folders: Mapping[str, Path]) -> SplitPredictions:
            host = load(HOST)
            return SplitPredictions(
                model=folders["model"] / MODEL_FILE,
                dataset=open_dataset(folders["data"]),
                device=host.name,
                runtime=host.runtimes[host.default_runtime],
            )

        return self.plan.add(
            "predict",
            f"predict: {self._called(step)}{step} on validation and test",
            config={},
            inputs={"data": self.learning.data(self.target), "model": export},
            code=("bench", "devices", "worker.py", "data"),
            make=make,
            target=self.target,
        )

    def measurement(self, config: Benchmark, exports: Mapping[str, PlannedStep]) -> PlannedStep:
        """Raw latency samples of all ONNX files of all students, interleaved on the device.

        Args:
            config: How many rounds.
            exports: What each is called in the samples, to the step that writes it.
        """
        profile = self.resolved.profiles[self.target]
        runtime = self.resolved.runtime(self.target)[1]

        def make(folders: Mapping[str, Path]) -> Measuring:
            samples = open_dataset(folders["data"]).validation
            return Measuring(
                candidates=tuple(
                    Candidate(name=name, model=folders[name] / MODEL_FILE) for name in exports
                ),
                inputs=samples.batch(np.arange(min(_MEASURED_SAMPLES, len(samples)))),
                config=config,
                transport=transport(),
                device=profile.name,
                runtime=runtime,
            )

        return self.plan.add(
            "measure",
            f"measure: latency on {profile.name}, {config.rounds} interleaved rounds",
            config={
                "benchmark": plain(config),
                "device": profile.name,
                "processor": plain(profile)["clusters"],
                "provider": runtime.provider,
                "runtime_threads": runtime.threads,
            },
            inputs={
                "data": self.learning.data(self.target),
                **exports,
            },
            code=("bench", "devices", "worker.py"),
            make=make,
            target=self.target,
        )

    def _called(self, step: Step) -> str:
        return "" if step == "teacher" else self.learning.called
