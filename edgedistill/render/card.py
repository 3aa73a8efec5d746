"""`model-card.md`: what the model is, what it can do, what it cannot, and how that is known.

In the model-card format of the Hugging Face hub (Mitchell et al. 2019, arXiv 1810.03993): metadata
as YAML, then Markdown. Text that comes from recipes, models and data is escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.evidence import Evidence
from edgedistill.core.manifest import MANIFEST_FILE
from edgedistill.render import figures
from edgedistill.render.card_metadata import metadata
from edgedistill.render.card_program import packages, program
from edgedistill.render.escaping import table, told
from edgedistill.render.model_quantities import model_quantities
from edgedistill.render.opening import opening_program
from edgedistill.render.wording import condition_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.learned import LearningStep
    from edgedistill.core.model_facts import ModelFacts, Tensor
    from edgedistill.core.report import Report
    from edgedistill.core.verdict import Verdict

CARD_FILE = "model-card.md"
_SHOWN_CLASSES = 30
"""Names of classes that are told; the model file holds all of them."""
_MEASURED = (Evidence.MEASURED_ON_DEVICE, Evidence.COUNTED)


def model_card(report: Report, verdict: Verdict, facts: ModelFacts) -> str:
    """The card of the model that ships to one target.

    Args:
        report: Of the target.
        verdict: What the gate says of the report.
        facts: What the report does not hold.
    """
    sections = [
        f"# {told(report.run)} for {told(report.target_title)}",
        *_what(report, verdict, facts),
        *_making(report, facts),
        *_figures(report),
        *_limits(report),
        *_running(report, facts),
        *_conditions(report),
        *_licences(report),
        *_provenance(report),
    ]
    return metadata(report, facts) + "\n" + "\n\n".join(sections) + "\n"


def _what(report: Report, verdict: Verdict, facts: ModelFacts) -> list[str]:
    shipped, names = report.shipped(), report.class_names
    classes = ", ".join(told(name) for name in names[:_SHOWN_CLASSES])
    more = f" and {len(names) - _SHOWN_CLASSES} more" if len(names) > _SHOWN_CLASSES else ""
    kind = shipped.variant or shipped.precision or shipped.step
    doors = [("Takes", one) for one in facts.inputs] + [("Gives", one) for one in facts.outputs]
    return [
        f"An ONNX classifier ({told(kind)}) for {told(report.target)} with the runtime "
        f"{told(report.runtime)}, made by edgedistill. It tells {len(names)} classes apart: "
        f"{classes}{more}.",
        table(("", "Name", "Type", "Shape"), (_door(what, one) for what, one in doors)),
        f"The output holds one logit for each class. Against its budget the gate says "
        f"**{verdict.outcome}** ({len(verdict.checks)} checks; report.md has each).",
    ]


def _door(what: str, tensor: Tensor) -> tuple[str, ...]:
    shape = " x ".join(str(axis) for axis in tensor.shape)
    return (what, told(tensor.name), told(tensor.dtype), told(shape))


def _making(report: Report, facts: ModelFacts) -> list[str]:
    lines = [f"Teacher: {told(', '.join(facts.teacher))}."]
    if facts.student is None:
        lines.append("Student: none; the teacher itself was compressed.")
    else:
        lines.append(f"Student: {told(facts.student)}.")
    for step in _lessons(report):
        before, after = step.accuracy_before, step.accuracy_after
        change = (
            ""
            if before is None or after is None
            else f" (validation accuracy {100 * before:.2f} % before, {100 * after:.2f} % after)"
        )
        lines.append(f"{told(step.title)}{change}.")
    lines += [
        f"Pruned to {told(one.goal)} {one.asked:g}: {told(one.reason)}."
        for one in report.pruning
        if report.choice.student in (one.student, None)
    ]
    int8 = report.shipped().int8
    if int8 is not None:
        lines.append(f"Int8: {told(figures.coverage(int8))}.")
    lines.append(f"Why this one ships: {told(report.choice.reason)}.")
    return ["## How it was made", _bullets(lines)]


def _lessons(report: Report) -> Iterator[LearningStep]:
    """The steps in which the model that ships learned, not those of other candidates.

    Where there are several students, the title of a step begins with whose it is.
    """
    others = tuple(f"{one.name}: " for one in report.students if one.name != report.choice.student)
    tuned = (report.shipped().variant or "").endswith("-tuned")
    for step in report.learning:
        _, _, title = step.title.partition(": ")
        if not title.startswith(others) and (step.name != "fine-tune" or tuned):
            yield step


def _figures(report: Report) -> list[str]:
    pairs = zip(model_quantities(report.shipped()), model_quantities(report.rows[0]), strict=True)
    rows, methods = [], []
    for own, teacher in pairs:
        figure = own.figure
        if figure is not None:
            values = (own.form(figure), own.form(teacher.figure))
            rows.append((own.title, *values, figures.evidence(figure), _samples(figure)))
            methods.append(f"{own.title}: {told(figure.method)}{_confidence(figure)}.")
    return [
        "## Figures",
        "Each with its interval where it is not exact, and with how it was got.",
        table(("Figure", "This model", "Teacher", "Evidence", "Observations"), rows),
        _bullets(methods),
    ]


def _confidence(figure: Quantity) -> str:
    exact = figure.evidence is Evidence.COUNTED
    return "" if exact else f"; {100 * figure.confidence:.3g} % interval"


def _samples(figure: Quantity) -> str:
    return figures.ABSENT if figure.evidence is Evidence.COUNTED else f"{figure.samples:,}"


def _limits(report: Report) -> list[str]:
    return [
        "## Intended use and limits",
        f"It is meant to tell these classes apart in samples like those of "
        f"{told(report.provenance.data_source)}, prepared as shown below, on the device above. "
        "It always names one of its classes, also for what is none of them.",
        _bullets([*_losses(report), *_unmeasured(report)]),
    ]


def _losses(report: Report) -> Iterator[str]:
    shipped, damage = report.shipped(), report.damage
    for what, worst in (("class", shipped.worst_class), ("group", shipped.worst_group)):
        if worst is not None:
            yield (
                f"The {what} that lost most against the teacher is {told(worst.name)}: "
                f"{figures.worst(worst)}."
            )
    if damage is not None:
        yield (
            f"On {figures.accuracy(damage.flipped.lost)} of the {told(damage.split)} samples "
            f"{told(damage.before)} is right and it is wrong; on "
            f"{figures.accuracy(damage.flipped.gained)} it is the other way round."
        )
        if damage.calibration_error is not None:
            error = damage.calibration_error
            yield (
                "Its probabilities are off from the share of right answers by "
                f"{figures.accuracy(error.after)} on average, those of {told(damage.before)} by "
                f"{figures.accuracy(error.before)}."
            )


def _unmeasured(report: Report) -> Iterator[str]:
    """What nobody looked at, or not where it counts."""
    shipped = report.shipped()
    yield (
        "The validation samples took part in choosing this model, so its accuracy there leans "
        "optimistic."
    )
    if shipped.test_accuracy is None:
        yield "There is no test split: nothing was measured on samples that decided nothing."
    latency = shipped.latency
    told_of = {
        "Accuracy": shipped.accuracy,
        "Latency": None if latency is None else latency.p50_ms,
        "Peak memory": shipped.peak_memory_mb,
        "Energy": shipped.energy_mj,
    }
    for name, figure in told_of.items():
        if figure is None:
            yield f"{name} was neither measured nor estimated."
        elif figure.evidence not in _MEASURED:
            yield f"{name} is {figure.evidence.value}, not measured on the device."
    if latency is not None and not latency.stable:
        yield "The device was disturbed while latency was measured."
    if shipped.int8 is not None and shipped.int8.verified == "unverified":
        yield "That int8 runs as int8 was checked in the file, not in the device's runtime."
    if shipped.worst_group is None:
        yield "No groups of samples were compared."
    if not report.choice.decided:
        yield "That this candidate is the best one is undecided."
    yield (
        "Samples of another origin, noise, drift over time, deliberate attacks and harm to people "
        "were not looked at."
    )


def _running(report: Report, facts: ModelFacts) -> list[str]:
    lines = [
        "## How to run it",
        f"In the folder of this file, after `pip install {packages(report)}`:",
        f"```python\n{program(report, facts)}```",
    ]
    on_target = opening_program(report.session, report.choice.model)
    if on_target is not None:
        title = told(report.target_title)
        lines += [
            f"That runs on the processor of any machine. On {title} open the session so:",
            f"```python\n{on_target}\n```",
        ]
    return lines


def _conditions(report: Report) -> list[str]:
    if report.conditions is None:
        return []
    return ["## Conditions of the latency measurement", _table(condition_facts(report.conditions))]


def _licences(report: Report) -> list[str]:
    licence = report.provenance.data_licence
    data = "of the data is unknown" if licence is None else f"of the data: {told(licence)}"
    return [
        "## Licences",
        f"Licence {data}. The licence of the model is for whoever publishes it to state: it "
        "follows from those of the data, the teacher and the student, and is not guessed here.",
    ]


def _provenance(report: Report) -> list[str]:
    made = report.provenance
    versions = {f"Version of {name}": version for name, version in sorted(made.versions.items())}
    facts = {
        "Model (SHA-256)": str(report.shipped().model_sha256),
        "Recipe (SHA-256)": made.recipe_sha256,
        "Data": made.data_source,
        "Data (SHA-256)": made.data_sha256,
        "Seed": str(made.seed),
        **versions,
    }
    notes = [_bullets([told(note) for note in report.notes])] if report.notes else []
    return [
        "## Provenance",
        f"{MANIFEST_FILE} lists every file with its hash; `edgedistill verify FOLDER` holds them "
        "against it. report.json has every figure.",
        _table(facts),
        *notes,
    ]


def _table(facts: Mapping[str, str]) -> str:
    return table(("What", "Which"), ((told(key), told(value)) for key, value in facts.items()))


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
