"""From stored steps to the report of one target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.app.attempt import is_needed, why_not_made
from edgedistill.app.choose import choose
from edgedistill.app.choose_student import Contender, choose_student
from edgedistill.app.damage import damage_of
from edgedistill.app.environment import versions
from edgedistill.app.latencies import both_ways
from edgedistill.app.learned import learned, pruned
from edgedistill.app.operator_times import times_of_operators
from edgedistill.app.outcome import waterfall_file
from edgedistill.app.race import Offer
from edgedistill.app.rows import Rows
from edgedistill.core.front import rows_on_front
from edgedistill.core.report import Candidate, Provenance, Report, StudentResult
from edgedistill.core.strict import plain
from edgedistill.data.packaged import packaged_licence
from edgedistill.store import text_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.app.choose import Decision
    from edgedistill.app.pipeline import Finished
    from edgedistill.app.resolve import Resolved
    from edgedistill.app.road import Branch, Road
    from edgedistill.core.budget import Budget
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.opening import OpenedWith
    from edgedistill.core.profile import Runtime
    from edgedistill.core.report import Choice, Row
    from edgedistill.data import Dataset


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
    rows = Rows(target, resolved, road.targets[target], finished, finished.folder(road.data))
    clerk = _Clerk(rows, several=len(rows.road.branches) > 1)
    results = {branch.student: clerk.result(branch) for branch in rows.road.branches}
    choice = clerk.student_choice(results)
    student = choice.student or next(iter(results))
    shown = results[student]
    branch = next(one for one in rows.road.branches if one.student == student)
    return Report(
        schema_version=2,
        run=resolved.recipe.name,
        target=target,
        target_title=rows.profile.title,
        runtime=resolved.runtime(target)[0],
        session=_opened_with(shown.shipped, resolved.runtime(target)[1]),
        budget=resolved.recipe.targets[target].budget,
        rows=shown.rows,
        choice=choice,
        candidates=shown.candidates,
        students=_student_results(results) if clerk.several else (),
        learning=learned(target, road.plan, finished),
        pruning=pruned(rows.road.branches, road.plan, finished),
        damage=damage_of(rows, branch, shown.shipped),
        operator_times=times_of_operators(rows, shown.timed()),
        conditions=rows.samples.conditions if rows.samples else None,
        class_names=rows.dataset.class_names,
        preprocessing=plain(rows.dataset.preprocessing),
        notes=(*notes, *clerk.notes()),
        provenance=_provenance(resolved, road, rows.dataset, target),
    )


def _opened_with(shipped: Row, runtime: Runtime) -> OpenedWith | None:
    return None if shipped.precision is None else runtime.opened_with(shipped.precision)


@dataclass(frozen=True)
class _Result:
    """What is told of one student."""

    rows: tuple[Row, ...]
    """The teacher's first, the best beside fp32 last."""
    choice: Choice
    candidates: tuple[Candidate, ...]
    measured_as: str
    """What the one that would ship is called in the measurement."""

    @property
    def shipped(self) -> Row:
        return next(row for row in self.rows if row.step == self.choice.step)

    def timed(self) -> dict[str, str]:
        """Teacher and what ships, as the report calls them, to their names in the measurement."""
        teacher = {"teacher": "teacher"} if self.rows[0].has_file else {}
        if self.choice.step == "teacher":
            return teacher
        return {**teacher, self.shipped.variant or self.choice.step: self.measured_as}


def _student_results(results: Mapping[str, _Result]) -> tuple[StudentResult, ...]:
    """Every student beside the others; the front is over the teacher and all their networks."""
    teacher = next(iter(results.values())).rows[0]
    own = [(name, row) for name, one in results.items() for row in one.rows[1:]]
    _, *on_front = rows_on_front([teacher, *(row for _, row in own)])
    front = {(name, row.step) for (name, row), on in zip(own, on_front, strict=True) if on}
    return tuple(
        StudentResult(
            name=name,
            rows=one.rows[1:],
            choice=one.choice.model_copy(
                update={"model": waterfall_file(one.shipped.variant or one.choice.step, name)}
            ),
            on_front=(name, one.choice.step) in front,
            candidates=one.candidates,
        )
        for name, one in results.items()
    )


@dataclass(frozen=True)
class _Clerk:
    rows: Rows
    several: bool

    @property
    def budget(self) -> Budget:
        return self.rows.resolved.recipe.targets[self.rows.target].budget

    def notes(self) -> tuple[str, ...]:
        """What a reader must know about this target."""
        default = self.rows.profile.default_budget
        own = default is not None and self.budget == default.limits
        silences = self.rows.latencies.silences()
        counted = self.rows.samples.instructions if self.rows.samples else None
        uncounted = counted.reason if counted else None
        return (
            *(
                [f"The budget is the profile's default. {default.reason}"]
                if default and own
                else []
            ),
            *(f"Where there is no latency: {reason}." for reason in silences),
            *(f"Where there is no peak memory: {reason}." for reason in self.rows.untold),
            *([f"Instructions were not counted: {uncounted}."] if uncounted else []),
        )

    def result(self, branch: Branch) -> _Result:
        """The waterfall of one student, and which candidate of its last network would ship."""
        steps = tuple(self.rows.row(branch, step) for step in branch.steps)
        last = steps[-1]
        made = {
            one.name: self.rows.variant(branch, one)
            for one in branch.variants
            if self.rows.file(branch.exports[one.name]).is_file()
        }
        offers = [Offer("fp32", last), *(Offer(name, row) for name, row in made.items())]
        called = {"fp32": branch.measured_as.get(last.step, last.step)}
        called |= {name: branch.measured_as[name] for name in made}
        speedup = both_ways(self.rows.latencies, called)
        runtime = self.rows.resolved.runtime(self.rows.target)[1]
        found = choose(
            offers, speedup=speedup, budget=self.budget, default=runtime.default_precision
        )
        speedups = {name: speedup(name, "fp32") for name in made}
        return _Result(
            rows=(*steps, *([made[found.compressed]] if found.compressed else [])),
            choice=found.choice,
            candidates=self._candidates(branch, offers, found, speedups),
            measured_as=called[found.choice.variant or "fp32"],
        )

    def _candidates(
        self,
        branch: Branch,
        offers: list[Offer],
        found: Decision,
        speedups: Mapping[str, Quantity | None],
    ) -> tuple[Candidate, ...]:
        """Every candidate, those that could not be made last; none where there is fp32 alone."""
        if not branch.variants:
            return ()
        student = branch.student if self.several else None
        ships = found.choice.variant or "fp32"
        made = [
            Candidate(
                name=one.name,
                precision=one.precision,
                model=waterfall_file(one.row.variant or one.row.step, student),
                row=one.row,
                speedup=speedups.get(one.name),
                keeps_accuracy=one.name not in found.broken,
                ships=one.name == ships,
                reason=found.reasons[one.name],
            )
            for one in offers
        ]
        facts = {one: self.rows.finished.facts(branch.exports[one.name]) for one in branch.variants}
        missing = [
            Candidate(
                name=one.name,
                precision=one.step,
                model=None,
                row=None,
                ships=False,
                reason=reason,
            )
            for one, own in facts.items()
            if (reason := why_not_made(own)) is not None and is_needed(own)
        ]
        return (*made, *missing)

    def student_choice(self, results: Mapping[str, _Result]) -> Choice:
        """Which student ships, and which of its candidates."""
        if not self.several:
            return next(iter(results.values())).choice

        def speedup(one: str, other: str) -> Quantity | None:
            names = results[one].measured_as, results[other].measured_as
            return self.rows.latencies.speedup(*names)

        contenders = tuple(
            Contender(name=name, row=one.shipped, choice=one.choice)
            for name, one in results.items()
        )
        return choose_student(contenders, speedup=speedup, budget=self.budget)


def _provenance(resolved: Resolved, road: Road, dataset: Dataset, target: str) -> Provenance:
    recipe = resolved.recipe
    used = [step for step in road.plan.steps if target in step.targets]
    hf = any(model.source.startswith("hf:") for model in (*recipe.teacher.parts, *recipe.students))
    return Provenance(
        recipe_sha256=text_sha256(resolved.lock()),
        data_sha256=dataset.sha256,
        data_source=dataset.source,
        data_licence=recipe.data.licence or packaged_licence(dataset.source),
        seed=recipe.seed,
        versions=versions(hf=hf),
        steps={f"{step.name}-{step.key[:16]}": step.title for step in used},
    )
