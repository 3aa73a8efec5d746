"""From stored steps to the report of one target."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from edgedistill import tasks
from edgedistill.app.asked_teacher import read_asked_evaluation
from edgedistill.app.choose import choose
from edgedistill.app.choose_student import Contender, choose_student
from edgedistill.app.environment import versions
from edgedistill.app.latencies import EstimatedLatencies, MeasuredLatencies, reason_of
from edgedistill.app.learned import learned, pruned
from edgedistill.app.outcome import waterfall_file
from edgedistill.app.predictions import read_evaluation
from edgedistill.app.reach import runs_here
from edgedistill.app.shipping import MODEL_FILE
from edgedistill.bench.samples import read_samples
from edgedistill.core.engine import engine_of
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.front import rows_on_front
from edgedistill.core.report import Int8Check, Provenance, Report, Row, StudentResult
from edgedistill.core.strict import plain
from edgedistill.cost.energy import energy_per_inference, power_mode
from edgedistill.cost.graph import count
from edgedistill.cost.memory import peak_memory
from edgedistill.cost.model_file import file_size_mb
from edgedistill.data import open_dataset
from edgedistill.errors import InputError
from edgedistill.store import file_sha256, text_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.latencies import Latencies
    from edgedistill.app.pipeline import Finished
    from edgedistill.app.plan import PlannedStep
    from edgedistill.app.resolve import Resolved
    from edgedistill.app.road import Branch, Road, TargetRoad
    from edgedistill.bench.samples import Samples
    from edgedistill.core.budget import Budget
    from edgedistill.core.profile import TargetProfile
    from edgedistill.core.report import Choice, Step
    from edgedistill.data import Dataset
    from edgedistill.tasks import Evaluation


def assemble(
    target: str, *, resolved: Resolved, road: Road, finished: Finished, notes: tuple[str, ...]
) -> Report:
    """The report of one target, from what the run stored.

    Args:
        target: The target's name.
        resolved: The recipe and profiles.
        road: Where the target's results stand in the plan.
        finished: The stored steps.
        notes: What a reader must know.
    """
    clerk = _Clerk(target, resolved, road.targets[target], finished, finished.folder(road.data))
    branches = clerk.road.branches
    waterfalls = {branch.student: clerk.rows(branch) for branch in branches}
    choices = {one.student: clerk.choice(one, waterfalls[one.student]) for one in branches}
    choice = choices[branches[0].student]
    students: tuple[StudentResult, ...] = ()
    if len(branches) > 1:
        choice = clerk.student_choice(waterfalls, choices)
        students = _student_results(waterfalls, choices)
    profile = resolved.profiles[target]
    return Report(
        schema_version=1,
        run=resolved.recipe.name,
        target=target,
        target_title=profile.title,
        runtime=resolved.runtime(target)[0],
        budget=resolved.recipe.targets[target].budget,
        rows=waterfalls[choice.student or branches[0].student],
        choice=choice,
        students=students,
        learning=learned(target, road.plan, finished),
        pruning=pruned(branches, road.plan, finished),
        conditions=clerk.samples.conditions if clerk.samples else None,
        class_names=clerk.dataset.class_names,
        preprocessing=plain(clerk.dataset.preprocessing),
        notes=(*notes, *clerk.notes()),
        provenance=_provenance(resolved, road, clerk.dataset, target),
    )


def _student_results(
    waterfalls: Mapping[str, tuple[Row, ...]], choices: Mapping[str, Choice]
) -> tuple[StudentResult, ...]:
    """Every student beside the others; the front is over the teacher and all their networks."""
    teacher = next(iter(waterfalls.values()))[0]
    own = [(name, row) for name, rows in waterfalls.items() for row in rows[1:]]
    _, *on_front = rows_on_front([teacher, *(row for _, row in own)])
    front = {(name, row.step) for (name, row), on in zip(own, on_front, strict=True) if on}
    return tuple(
        StudentResult(
            name=name,
            rows=rows[1:],
            choice=choices[name].model_copy(
                update={"model": waterfall_file(choices[name].step, name)}
            ),
            on_front=(name, choices[name].step) in front,
        )
        for name, rows in waterfalls.items()
    )


@dataclass(frozen=True)
class _Clerk:
    target: str
    resolved: Resolved
    road: TargetRoad
    finished: Finished
    data: Path
    untold: dict[str, None] = field(default_factory=dict)
    """Why rows have no peak memory, each reason once."""

    @cached_property
    def dataset(self) -> Dataset:
        return open_dataset(self.data)

    @cached_property
    def samples(self) -> Samples | None:
        measured = self.road.measurement
        return None if measured is None else read_samples(self.finished.folder(measured))

    @cached_property
    def latencies(self) -> Latencies:
        """From the device, or by the cost model where it is not at hand."""
        if self.samples is not None:
            return MeasuredLatencies(self.samples)
        exports = self.road.exports
        files = {name: self.finished.folder(step) / MODEL_FILE for name, step in exports.items()}
        return EstimatedLatencies(files, self.profile, self.resolved.runtime(self.target)[0])

    @property
    def profile(self) -> TargetProfile:
        return self.resolved.profiles[self.target]

    @cached_property
    def teacher(self) -> Evaluation:
        """On the validation split."""
        return self._evaluate(self.road.branches[0], "teacher", "validation")

    @property
    def evidence(self) -> Evidence:
        here = runs_here(self.profile, self.resolved.runtime(self.target)[1])
        return Evidence.MEASURED_ON_DEVICE if here else Evidence.MEASURED_ON_STAND_IN

    @property
    def budget(self) -> Budget:
        return self.resolved.recipe.targets[self.target].budget

    def notes(self) -> tuple[str, ...]:
        """What a reader must know about this target."""
        default = self.profile.default_budget
        own = default is not None and self.budget == default.limits
        return (
            *(
                [f"The budget is the profile's default. {default.reason}"]
                if default and own
                else []
            ),
            *(f"Where there is no latency: {reason}." for reason in self.latencies.silences()),
            *(f"Where there is no peak memory: {reason}." for reason in self.untold),
        )

    def rows(self, branch: Branch) -> tuple[Row, ...]:
        """The waterfall of one student, the teacher first."""
        return tuple(self._row(branch, step) for step in branch.predictions)

    def choice(self, branch: Branch, rows: tuple[Row, ...]) -> Choice:
        """Which step of one student ships if it is the one that ships."""
        by_step: Mapping[Step, Row] = {row.step: row for row in rows}
        int8 = by_step.get("int8")
        fp32 = [row for row in rows if row.precision == "fp32"][-1]
        faster: Quantity | None = None
        if int8 is not None:
            faster = self._speedup(branch.measured_as["int8"], branch.measured_as[fp32.step])
        runtime = self.resolved.runtime(self.target)[1]
        return choose(fp32, int8, speedup=faster, budget=self.budget, runtime=runtime)

    def student_choice(
        self, waterfalls: Mapping[str, tuple[Row, ...]], choices: Mapping[str, Choice]
    ) -> Choice:
        """Which student ships, and which of its steps."""
        measured_as = {
            one.student: one.measured_as[choices[one.student].step] for one in self.road.branches
        }
        contenders = tuple(
            Contender(
                name=name,
                row=next(row for row in rows if row.step == choices[name].step),
                choice=choices[name],
            )
            for name, rows in waterfalls.items()
        )
        return choose_student(
            contenders,
            speedup=lambda one, other: self._speedup(measured_as[one], measured_as[other]),
            budget=self.budget,
        )

    def _speedup(self, name: str, reference: str) -> Quantity | None:
        """How much faster one network is than another; None where nobody can tell."""
        figures = self.latencies.latency(name, reference)
        return figures.speedup if figures else None

    def _row(self, branch: Branch, step: Step) -> Row:
        export = branch.exports.get(step)
        own = self._evaluate(branch, step, "validation")
        test = self._evaluate(branch, step, "test") if self.dataset.test else None
        # A teacher behind an endpoint answers on a machine of its own.
        seen = self.evidence if export else Evidence.MEASURED_ON_STAND_IN
        teacher, compared = self.teacher, step != "teacher"
        return Row(
            step=step,
            accuracy=tasks.accuracy(own, evidence=seen),
            test_accuracy=tasks.accuracy(test, evidence=seen) if test else None,
            accuracy_drop=tasks.accuracy_drop(teacher, own, evidence=seen) if compared else None,
            agreement=tasks.agreement(teacher, own, evidence=seen) if compared else None,
            worst_class=tasks.worst_class(teacher, own, evidence=seen) if compared else None,
            worst_group=tasks.worst_group(teacher, own, evidence=seen) if compared else None,
            **(self._file(branch, step, export) if export else _NO_FILE),
        )

    def _file(self, branch: Branch, step: Step, export: PlannedStep) -> dict[str, Any]:
        """What an ONNX file is and costs."""
        model = self.finished.folder(export) / MODEL_FILE
        cost = count(model)
        reference = "teacher" if step != "teacher" and "teacher" in branch.exports else None
        latency = self.latencies.latency(branch.measured_as[step], reference)
        mode = power_mode(self.profile)
        return {
            "precision": "int8" if step == "int8" else "fp32",
            "model_sha256": file_sha256(model),
            "latency": latency,
            "size_mb": file_size_mb(model),
            "macs": counted(
                cost.macs, "multiply-accumulates of one inference, counted in the graph"
            ),
            "parameters": counted(cost.parameters, "weights of the ONNX graph"),
            "peak_memory_mb": self._peak_memory(model),
            "energy_mj": energy_per_inference(latency.p50_ms, mode) if latency and mode else None,
            "int8": Int8Check.read(self.finished.facts(export)["check"], file=export.name)
            if step == "int8"
            else None,
        }

    def _peak_memory(self, model: Path) -> Quantity | None:
        """Of a processor's own runtime, whose allocation planner is known."""
        if engine_of(self.resolved.runtime(self.target)[1]) != "onnxruntime-cpu":
            return None
        try:
            return peak_memory(model, machine=self.profile.machine)
        except InputError as error:  # the file runs, but its sizes cannot be told beforehand
            self.untold.setdefault(reason_of(error))
            return None

    def _evaluate(self, branch: Branch, step: Step, split: str) -> Evaluation:
        folder = self.finished.folder(branch.predictions[step])
        read = read_evaluation if step in branch.exports else read_asked_evaluation
        return read(folder, split, self.dataset)


_NO_FILE: dict[str, Any] = dict.fromkeys(
    ("precision", "model_sha256", "latency", "size_mb", "macs", "parameters")
)
"""Of a teacher behind an endpoint."""


def _provenance(resolved: Resolved, road: Road, dataset: Dataset, target: str) -> Provenance:
    recipe = resolved.recipe
    used = [step for step in road.plan.steps if target in step.targets]
    hf = any(model.source.startswith("hf:") for model in (*recipe.teacher.parts, *recipe.students))
    return Provenance(
        recipe_sha256=text_sha256(resolved.lock()),
        data_sha256=dataset.sha256,
        data_source=dataset.source,
        seed=recipe.seed,
        versions=versions(hf=hf),
        steps={f"{step.name}-{step.key[:16]}": step.title for step in used},
    )
