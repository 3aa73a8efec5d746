"""What the steps of a run have stored about one network, as a row of the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from edgedistill import tasks
from edgedistill.app.asked_teacher import read_asked_evaluation
from edgedistill.app.latencies import EstimatedLatencies, MeasuredLatencies, reason_of
from edgedistill.app.predictions import read_evaluation
from edgedistill.app.reach import runs_here
from edgedistill.app.shipping import MODEL_FILE
from edgedistill.bench.instructions import instructions
from edgedistill.bench.samples import read_samples
from edgedistill.core.engine import engine_of
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.report import Int8Check, Row
from edgedistill.cost.energy import energy_per_inference, power_mode
from edgedistill.cost.graph import count
from edgedistill.cost.memory import peak_memory
from edgedistill.cost.model_file import file_size_mb
from edgedistill.data import open_dataset
from edgedistill.errors import InputError
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.app.latencies import Latencies
    from edgedistill.app.pipeline import Finished
    from edgedistill.app.plan import PlannedStep
    from edgedistill.app.resolve import Resolved
    from edgedistill.app.road import Branch, TargetRoad
    from edgedistill.app.variants import Variant
    from edgedistill.bench.samples import Samples
    from edgedistill.core.profile import TargetProfile
    from edgedistill.core.report import Precision, Step
    from edgedistill.data import Dataset
    from edgedistill.tasks import Evaluation


@dataclass(frozen=True)
class Rows:
    """Reads what is stored about the networks of one target.

    Attributes:
        target: The target's name.
        resolved: The recipe and profiles.
        road: Where the target's results stand in the plan.
        finished: The stored steps.
        data: The folder of the prepared data.
        untold: Why rows have no peak memory, each reason once.
    """

    target: str
    resolved: Resolved
    road: TargetRoad
    finished: Finished
    data: Path
    untold: dict[str, None] = field(default_factory=dict)

    @cached_property
    def dataset(self) -> Dataset:
        """The prepared data."""
        return open_dataset(self.data)

    @cached_property
    def samples(self) -> Samples | None:
        """Of the latency measurement; None where there was none."""
        measured = self.road.measurement
        return None if measured is None else read_samples(self.finished.folder(measured))

    @cached_property
    def latencies(self) -> Latencies:
        """From the device, or by the cost model where it is not at hand."""
        if self.samples is not None:
            return MeasuredLatencies(self.samples)
        files = {name: self.file(step) for name, step in self.road.exports.items()}
        there = {name: file for name, file in files.items() if file.is_file()}
        return EstimatedLatencies(there, self.profile, self.resolved.runtime(self.target)[0])

    @property
    def profile(self) -> TargetProfile:
        """The target's."""
        return self.resolved.profiles[self.target]

    def file(self, export: PlannedStep) -> Path:
        """Where a step writes its ONNX file."""
        return self.finished.folder(export) / MODEL_FILE

    def row(self, branch: Branch, step: Step) -> Row:
        """A step of the waterfall before the candidates of the last network."""
        return self._row(branch, step, {"step": step}, "fp32")

    def variant(self, branch: Branch, variant: Variant) -> Row:
        """A candidate of the last network."""
        named = {"step": variant.step, "variant": variant.name}
        return self._row(branch, variant.name, named, variant.step)

    @cached_property
    def teacher(self) -> Evaluation:
        """The teacher's answers on the validation split."""
        return self.evaluation(self.road.branches[0], "teacher", "validation")

    def evaluation(self, branch: Branch, name: str, split: str) -> Evaluation:
        """The answers of one network, a step's or a candidate's, on one split."""
        folder = self.finished.folder(branch.predictions[name])
        read = read_evaluation if name in branch.exports else read_asked_evaluation
        return read(folder, split, self.dataset)

    @property
    def evidence(self) -> Evidence:
        """How answers of an ONNX file were got."""
        here = runs_here(self.profile, self.resolved.runtime(self.target)[1])
        return Evidence.MEASURED_ON_DEVICE if here else Evidence.MEASURED_ON_STAND_IN

    def _row(self, branch: Branch, name: str, named: dict[str, Any], precision: Precision) -> Row:
        export = branch.exports.get(name)
        own = self.evaluation(branch, name, "validation")
        test = self.evaluation(branch, name, "test") if self.dataset.test else None
        # A teacher behind an endpoint answers on a machine of its own.
        seen = self.evidence if export else Evidence.MEASURED_ON_STAND_IN
        teacher, compared = self.teacher, name != "teacher"
        return Row(
            **named,
            accuracy=tasks.accuracy(own, evidence=seen),
            test_accuracy=tasks.accuracy(test, evidence=seen) if test else None,
            accuracy_drop=tasks.accuracy_drop(teacher, own, evidence=seen) if compared else None,
            agreement=tasks.agreement(teacher, own, evidence=seen) if compared else None,
            worst_class=tasks.worst_class(teacher, own, evidence=seen) if compared else None,
            worst_group=tasks.worst_group(teacher, own, evidence=seen) if compared else None,
            **(self._file(branch, name, export, precision) if export else _NO_FILE),
        )

    def _file(
        self, branch: Branch, name: str, export: PlannedStep, precision: Precision
    ) -> dict[str, Any]:
        """What an ONNX file is and costs."""
        model = self.file(export)
        cost = count(model)
        reference = "teacher" if name != "teacher" and "teacher" in branch.exports else None
        latency = self.latencies.latency(branch.measured_as[name], reference)
        mode = power_mode(self.profile)
        return {
            "precision": precision,
            "model_sha256": file_sha256(model),
            "latency": latency,
            "size_mb": file_size_mb(model),
            "macs": counted(
                cost.macs, "multiply-accumulates of one inference, counted in the graph"
            ),
            "parameters": counted(cost.parameters, "weights of the ONNX graph"),
            "peak_memory_mb": self._peak_memory(model),
            "energy_mj": energy_per_inference(latency.p50_ms, mode) if latency and mode else None,
            "instructions": self._instructions(branch.measured_as[name]),
            "parity_error": self._parity_error(export),
            "int8": Int8Check.read(self.finished.facts(export)["check"], file=export.name)
            if precision == "int8"
            else None,
        }

    def _instructions(self, name: str) -> Quantity | None:
        """Of one inference, where the device's kernel counted them."""
        if self.samples is None:
            return None
        return instructions(self.samples, name, evidence=Evidence.MEASURED_ON_DEVICE)

    def _parity_error(self, export: PlannedStep) -> Quantity | None:
        """What the export stage proved of a file, or of the exported file it was made from."""
        root = export.inputs.get("model", export.key)
        parity = self.finished.steps[root].facts.get("parity")
        if not parity or not parity["spread"] > 0:
            return None
        error = parity["max_difference"] / parity["spread"]
        return Quantity(
            value=error,
            low=error,
            high=error,
            confidence=1.0,
            evidence=Evidence.MEASURED_ON_STAND_IN,
            samples=parity["samples"],
            method="largest difference of a logit between the network and its ONNX file over the "
            "standard deviation of the logits; exact on these samples",
        )

    def _peak_memory(self, model: Path) -> Quantity | None:
        """Of a processor's own runtime, whose allocation planner is known."""
        if engine_of(self.resolved.runtime(self.target)[1]) != "onnxruntime-cpu":
            return None
        try:
            return peak_memory(model, machine=self.profile.machine)
        except InputError as error:  # the file runs, but its sizes cannot be told beforehand
            self.untold.setdefault(reason_of(error))
            return None


_NO_FILE: dict[str, Any] = dict.fromkeys(
    ("precision", "model_sha256", "latency", "size_mb", "macs", "parameters")
)
"""Of a teacher behind an endpoint."""
