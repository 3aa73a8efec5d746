"""`report.md`: the verdict first, then what each step cost and gained, then what it rests on.

Text that comes from models and data is escaped and stays text, whatever it looks like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.attempts import attempt_sections
from edgedistill.render.candidates import candidate_sections
from edgedistill.render.damage import damage_sections
from edgedistill.render.escaping import table, told
from edgedistill.render.learning import learning_sections
from edgedistill.render.operators import operator_sections
from edgedistill.render.pareto import PARETO_FILE
from edgedistill.render.pruning import pruning_sections
from edgedistill.render.wording import (
    DISTURBED,
    accuracy_legend,
    condition_facts,
    disturbed,
    latency_legends,
    provenance_facts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.report import Report, Row
    from edgedistill.core.verdict import Check, Verdict


def report_markdown(report: Report, verdict: Verdict) -> str:
    """The report of one target as GitHub-flavoured Markdown."""
    sections = [
        f"# {told(report.target_title)}: {verdict.outcome}",
        f"Run {told(report.run)}, target {told(report.target)}, runtime {told(report.runtime)}.",
        *_verdict(verdict),
        *_students(report),
        *_waterfall(report),
        *_takes(report),
        *operator_sections(report),
        *learning_sections(report.learning),
        *pruning_sections(report),
        *_against_teacher(report),
        *damage_sections(report.damage),
        *_choice(report),
        *candidate_sections(report),
        *_int8(report),
        *attempt_sections((row.variant or row.step, row.int8) for row in _int8_rows(report)),
        *_conditions(report),
        *_notes(report),
        *_provenance(report),
    ]
    return "\n\n".join(sections) + "\n"


def _verdict(verdict: Verdict) -> list[str]:
    title = "## Verdict against the budget"
    if not verdict.checks:
        return [title, f"**{verdict.outcome}**: there is nothing to judge, no budget is set."]
    return [
        title,
        table(
            ("Budget", "Limit", "Outcome", "Why"),
            (_check(check) for check in verdict.checks),
        ),
    ]


def _check(check: Check) -> tuple[str, ...]:
    return (f"`{check.budget}`", f"{check.limit:g}", f"**{check.outcome}**", told(check.reason))


def _students(report: Report) -> list[str]:
    """Every student as it would ship, where there are several."""
    if not report.students:
        return []
    rows = []
    for one in report.students:
        name, row = told(one.name), one.shipped()
        rows.append(
            (
                f"**{name}, ships**" if one.name == report.choice.student else name,
                one.choice.step,
                figures.accuracy(row.accuracy),
                figures.milliseconds(row.latency.p50_ms if row.latency else None),
                figures.megabytes(row.size_mb),
                figures.count(row.macs),
                figures.front(one),
            )
        )
    head = ("Student", "Step", "Accuracy", "Median latency", "Size", "MACs", "On the front")
    among = ", the teacher among them," if report.rows[0].has_file else ""
    return [
        "## Students of the same teacher",
        table(head, rows),
        f"![Accuracy against cost of every network]({PARETO_FILE})",
        "Each student is the one of its steps that would ship if it were alone. On the front is "
        f"what no network here{among} beats: at least as accurate and as fast, "
        "and better in one. Where a latency is neither measured nor estimated, "
        "multiply-accumulates stand for it.",
    ]


def _waterfall(report: Report) -> list[str]:
    head = ("Step", "Accuracy", "Median latency", "Evidence", "Speed-up")
    rows = [
        (
            _step(report, row),
            figures.accuracy(row.accuracy),
            figures.milliseconds(row.latency.p50_ms if row.latency else None),
            figures.evidence(row.latency.p50_ms if row.latency else None),
            figures.factor(row.latency.speedup if row.latency else None),
            figures.megabytes(row.size_mb),
            figures.count(row.macs),
            figures.count(row.parameters),
        )
        for row in report.rows
    ]
    whose = "" if report.choice.student is None else f": {told(report.choice.student)}"
    return [
        f"## What each step cost and gained{whose}",
        table((*head, "Size", "MACs", "Parameters"), rows),
        _legend(report),
    ]


def _step(report: Report, row: Row) -> str:
    kind = row.variant or row.precision or "behind an endpoint"
    name = f"{row.step} ({told(kind)})"
    return f"**{name}, ships**" if row.step == report.choice.step else name


def _legend(report: Report) -> str:
    lines = [told(line) for line in (*accuracy_legend(report), *latency_legends(report))]
    if disturbed(report):
        lines.append(f"**{DISTURBED}**: latencies are uncertain.")
    return "\n\n".join(lines)


def _takes(report: Report) -> list[str]:
    """Memory and energy, where any of them can be told."""
    rows = [row for row in report.rows if row.peak_memory_mb or row.energy_mj]
    if not rows:
        return []
    cells = (
        (
            _step(report, row),
            figures.megabytes(row.peak_memory_mb),
            figures.evidence(row.peak_memory_mb),
            figures.millijoules(row.energy_mj),
            figures.evidence(row.energy_mj),
        )
        for row in rows
    )
    last = rows[-1]
    told_by = [one for one in (last.peak_memory_mb, last.energy_mj) if one]
    return [
        "## Memory and energy",
        table(("Step", "Peak memory", "Evidence", "Energy of one inference", "Evidence"), cells),
        f"Of {_step(report, last)}:",
        "\n".join(f"- {told(method)}" for method in dict.fromkeys(one.method for one in told_by)),
    ]


def _against_teacher(report: Report) -> list[str]:
    rows = [
        (
            _step(report, row),
            figures.points(row.accuracy_drop),
            figures.accuracy(row.agreement),
            _named(row, "class"),
            _named(row, "group"),
            figures.accuracy(row.test_accuracy),
        )
        for row in report.rows
    ]
    head = ("Step", "Accuracy lost", "Agrees with teacher", "Worst class", "Worst group")
    tail = [
        table(
            ("Step", "90th percentile", "95th percentile"),
            (
                (
                    _step(report, row),
                    figures.milliseconds(row.latency.p90_ms),
                    figures.milliseconds(row.latency.p95_ms),
                )
                for row in report.rows
                if row.latency
            ),
        )
    ]
    return [
        "## Against the teacher",
        table((*head, "Accuracy on test"), rows),
        "Accuracy lost is the teacher's minus the model's on the same samples; the intervals of "
        "worst class and worst group hold for all of them at once. The test split decides nothing.",
        *(["## Slow runs", *tail] if any(row.latency for row in report.rows) else []),
    ]


def _named(row: Row, what: str) -> str:
    figure = row.worst_class if what == "class" else row.worst_group
    return figures.ABSENT if figure is None else f"{told(figure.name)}: {figures.worst(figure)}"


def _choice(report: Report) -> list[str]:
    choice = report.choice
    decided = "" if choice.decided else " (**undecided**)"
    student = "" if choice.student is None else f"student {told(choice.student)}, "
    variant = f", as {told(choice.variant)}" if choice.variant and report.candidates else ""
    return [
        "## Which model ships",
        f"{told(choice.model)}, {student}step {choice.step}{variant}{decided}: "
        f"{told(choice.reason)}",
    ]


def _int8_rows(report: Report) -> Sequence[Row]:
    """Every candidate that was made; of a report without them the waterfall."""
    return [one.row for one in report.candidates if one.row is not None] or report.rows


def _int8(report: Report) -> list[str]:
    lines = []
    for row in _int8_rows(report):
        if row.int8 is not None:
            lines.append(f"- {told(row.variant or row.step)}: {told(figures.coverage(row.int8))}")
            reasons = row.int8.float_reasons
            lines += [
                f"  - stayed in float: {told(name)}"
                + (f": {told(reasons[name])}" if name in reasons else "")
                for name in row.int8.float_names
            ]
    return ["## Is int8 really int8", "\n".join(lines)] if lines else []


def _conditions(report: Report) -> list[str]:
    conditions = report.conditions
    if conditions is None:
        return []
    return ["## Conditions of the latency measurement", _facts(condition_facts(conditions))]


def _notes(report: Report) -> list[str]:
    lines = [f"- {told(note)}" for note in report.notes]
    return ["## Notes", "\n".join(lines)] if lines else []


def _provenance(report: Report) -> list[str]:
    made = report.provenance
    facts = {
        **provenance_facts(report),
        **{f"Version of {name}": version for name, version in sorted(made.versions.items())},
        **{f"Step {name}": key for name, key in sorted(made.steps.items())},
    }
    return ["## Provenance", _facts(facts)]


def _facts(facts: dict[str, str]) -> str:
    return table(("What", "Which"), ((told(key), told(value)) for key, value in facts.items()))
