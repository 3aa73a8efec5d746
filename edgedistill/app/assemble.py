"""From stored steps to the report of one target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill import tasks
from edgedistill.app.choose import choose
from edgedistill.app.environment import versions
from edgedistill.app.predictions import read_evaluation
from edgedistill.app.reach import runs_here
from edgedistill.app.shipping import MODEL_FILE
from edgedistill.bench.latency import latency
from edgedistill.bench.samples import read_samples
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.report import Int8Check, Provenance, Report, Row
from edgedistill.core.strict import plain
from edgedistill.cost.graph import count
from edgedistill.data import open_dataset
from edgedistill.store import file_sha256, text_sha256
from edgedistill.units import bytes_to_mb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.pipeline import Finished
    from edgedistill.app.resolve import Resolved
    from edgedistill.app.road import Road, TargetRoad
    from edgedistill.bench.samples import Samples
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
    rows = clerk.rows()
    profile = resolved.profiles[target]
    samples = clerk.samples
    return Report(
        schema_version=1,
        run=resolved.recipe.name,
        target=target,
        target_title=profile.title,
        runtime=resolved.runtime(target)[0],
        budget=resolved.recipe.targets[target].budget,
        rows=rows,
        choice=clerk.choice(rows),
        conditions=samples.conditions if samples else None,
        class_names=clerk.dataset.class_names,
        preprocessing=plain(clerk.dataset.preprocessing),
        notes=notes,
        provenance=_provenance(resolved, road, clerk.dataset, target),
    )


@dataclass(frozen=True)
class _Clerk:
    target: str
    resolved: Resolved
    road: TargetRoad
    finished: Finished
    data: Path

    @property
    def dataset(self) -> Dataset:
        return open_dataset(self.data)

    @property
    def samples(self) -> Samples | None:
        measured = self.road.measurement
        return None if measured is None else read_samples(self.finished.folder(measured))

    @property
    def evidence(self) -> Evidence:
        profile = self.resolved.profiles[self.target]
        here = runs_here(profile, self.resolved.runtime(self.target)[1])
        return Evidence.MEASURED_ON_DEVICE if here else Evidence.MEASURED_ON_STAND_IN

    def rows(self) -> tuple[Row, ...]:
        dataset = self.dataset
        teacher = self._evaluate("teacher", "validation", dataset)
        samples = self.samples
        return tuple(self._row(step, dataset, teacher, samples) for step in self.road.exports)

    def choice(self, rows: tuple[Row, ...]) -> Choice:
        by_step: Mapping[Step, Row] = {row.step: row for row in rows}
        int8 = by_step.get("int8")
        fp32 = [row for row in rows if row.precision == "fp32"][-1]
        samples = self.samples
        faster: Quantity | None = None
        if int8 is not None and samples is not None:
            faster = latency(
                samples, "int8", reference=fp32.step, evidence=Evidence.MEASURED_ON_DEVICE
            ).speedup
        return choose(
            fp32,
            int8,
            speedup=faster,
            budget=self.resolved.recipe.targets[self.target].budget,
            runtime=self.resolved.runtime(self.target)[1],
        )

    def _row(
        self, step: Step, dataset: Dataset, teacher: Evaluation, samples: Samples | None
    ) -> Row:
        export = self.road.exports[step]
        model = self.finished.folder(export) / MODEL_FILE
        own = self._evaluate(step, "validation", dataset)
        test = self._evaluate(step, "test", dataset) if dataset.test else None
        cost = count(model)
        seen = self.evidence
        compared = step != "teacher"
        return Row(
            step=step,
            precision="int8" if step == "int8" else "fp32",
            model_sha256=file_sha256(model),
            accuracy=tasks.accuracy(own, evidence=seen),
            test_accuracy=tasks.accuracy(test, evidence=seen) if test else None,
            accuracy_drop=tasks.accuracy_drop(teacher, own, evidence=seen) if compared else None,
            agreement=tasks.agreement(teacher, own, evidence=seen) if compared else None,
            worst_class=tasks.worst_class(teacher, own, evidence=seen) if compared else None,
            worst_group=tasks.worst_group(teacher, own, evidence=seen) if compared else None,
            latency=latency(
                samples,
                step,
                reference="teacher" if compared else None,
                evidence=Evidence.MEASURED_ON_DEVICE,
            )
            if samples
            else None,
            size_mb=counted(bytes_to_mb(cost.size_bytes), "bytes of the ONNX file / 10^6"),
            macs=counted(cost.macs, "multiply-accumulates of one inference, counted in the graph"),
            parameters=counted(cost.parameters, "weights of the ONNX graph"),
            int8=Int8Check.read(self.finished.facts(export)["check"], file=export.name)
            if step == "int8"
            else None,
        )

    def _evaluate(self, step: Step, split: str, dataset: Dataset) -> Evaluation:
        return read_evaluation(self.finished.folder(self.road.predictions[step]), split, dataset)


def _provenance(resolved: Resolved, road: Road, dataset: Dataset, target: str) -> Provenance:
    recipe = resolved.recipe
    used = [step for step in road.plan.steps if target in step.targets]
    hf = any(
        model is not None and model.source.startswith("hf:")
        for model in (recipe.teacher, recipe.student)
    )
    return Provenance(
        recipe_sha256=text_sha256(resolved.lock()),
        data_sha256=dataset.sha256,
        data_source=dataset.source,
        seed=recipe.seed,
        versions=versions(hf=hf),
        steps={f"{step.name}-{step.key[:16]}": step.title for step in used},
    )
