"""What `quantize` found out, for a terminal and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import columns, figures
from edgedistill.render.attempts import attempt_sections
from edgedistill.render.escaping import table, told
from edgedistill.render.opening import opening_program, opening_words
from edgedistill.units import format_percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.quantized import AgreementKind, QuantizedCandidate, QuantizeReport

_HEADS = ("candidate", "agreement", "relative error", "median latency", "speed-up", "size", "int8")
_MEANS: dict[AgreementKind, str] = {
    "top-1": "share of samples to which both give the same class",
    "signal": "share of the float output's variance that is kept",
    "values": "share of whole numbers that are the same",
}


def quantize_page(report: QuantizeReport) -> str:
    """A table of the candidates, what ships and why, for a terminal."""
    ships = report.choice.name
    rows = [
        (f"{'→' if one.name == ships else ' '} {one.name}", *_cells(one))
        for one in report.candidates
    ]
    used = report.samples
    lines = [
        f"{_visible(report.model)} on {report.target_title}: {used.calibration} samples calibrate, "
        f"{used.judging} others judge",
        "",
        columns.table([("  " + _HEADS[0], *_HEADS[1:]), *rows], right=range(1, 6)),
        "",
        f"Agreement with the float model: {_MEANS[report.agreement_kind]}; "
        f"{_asked(report)} asked for.",
        *(f"Not made: {one.name}. {one.reason}" for one in report.not_made),
        f"Ships {report.choice.file} ({ships}{_undecided(report)}): {report.choice.reason}.",
        *_told_opening(report),
        *(f"Note: {note}" for note in report.notes),
    ]
    return "\n".join(lines) + "\n"


def _told_opening(report: QuantizeReport) -> Iterator[str]:
    session = report.session
    if session is not None and (session.provider_options or session.graph_optimization == "none"):
        yield _visible(f"Open it with {session.provider}: {opening_words(session)}.")


def _asked(report: QuantizeReport) -> str:
    """The limits and their verb."""
    agreement = format_percent(report.min_agreement)
    if report.max_relative_error is None:
        return f"{agreement} is"
    return f"{agreement}, and a relative error of at most {report.max_relative_error:.4g}, are"


def quantize_markdown(report: QuantizeReport) -> str:
    """The report as GitHub-flavoured Markdown."""
    sections = [
        f"# {told(report.model)} on {told(report.target_title)}",
        f"**Ships {report.choice.name}{_undecided(report)}**: {told(report.choice.reason)}.",
        table(
            tuple(head.capitalize() for head in _HEADS),
            (
                (f"**{name}, ships**" if one.name == report.choice.name else name, *_cells(one))
                for one in report.candidates
                for name in [told(one.name)]
            ),
        ),
        f"Agreement with the float model is the {_MEANS[report.agreement_kind]}, with its interval "
        f"at 95 % confidence. {_asked(report)} asked for. The relative "
        "error is the root mean square of the difference from the float outputs over that of their "
        "spread.",
        *_schemes(report),
        *attempt_sections((one.name, one.int8) for one in report.candidates),
        *_opening(report),
        "## Samples",
        _samples(report),
        *_preprocessing(report),
        "## What this rests on",
        *_rests_on(report),
        *(f"- {told(note)}" for note in report.notes),
    ]
    return "\n\n".join(sections) + "\n"


def _cells(one: QuantizedCandidate) -> tuple[str, ...]:
    latency = one.latency
    error = figures.ABSENT if one.relative_error is None else f"{100 * one.relative_error:.2g} %"
    return (
        figures.accuracy(one.agreement),
        error,
        figures.milliseconds(latency.p50_ms if latency else None),
        figures.factor(latency.speedup if latency else None),
        figures.megabytes(one.size_mb),
        figures.coverage(one.int8),
    )


def _undecided(report: QuantizeReport) -> str:
    return "" if report.choice.decided else ", undecided"


def _schemes(report: QuantizeReport) -> Iterator[str]:
    twins = [one for one in report.candidates if one.scheme is not None]
    if twins or report.not_made:
        yield "## Int8 candidates"
    for one in twins:
        assert one.scheme is not None
        verdict = "agrees enough" if one.broken is None else one.broken
        yield f"- {told(one.name)}: {told(one.scheme)}; {told(verdict)}."
    for lost in report.not_made:
        yield f"- {told(lost.name)} could not be made: {told(lost.reason)}"


def _opening(report: QuantizeReport) -> Iterator[str]:
    program = opening_program(report.session, report.choice.file)
    if program is not None:
        yield f"## How to open it on {told(report.target_title)}"
        yield f"```python\n{program}\n```"


def _samples(report: QuantizeReport) -> str:
    used = report.samples
    return (
        f"{used.found} {used.kind} were found in {told(used.source)}. {used.calibration} of them "
        f"calibrated, {used.judging} others judged; none did both. The model takes "
        + ", ".join(f"{told(one.name)}: {told(one.written())}" for one in report.inputs)
        + "."
    )


def _preprocessing(report: QuantizeReport) -> Iterator[str]:
    if report.preprocessing is None:
        return
    said = {
        "model": "the model's metadata",
        "given": "whoever ran this",
        "given over model": "whoever ran this, over the model's metadata",
    }[report.preprocessing_from or "given"]
    shown = ", ".join(
        f"{key} {value}" for key, value in report.preprocessing.items() if value is not None
    )
    yield f"Preprocessing, as {said} says: {told(shown)}."


def _rests_on(report: QuantizeReport) -> Iterator[str]:
    kinds = {
        "Agreement": [one.agreement for one in report.candidates],
        "Latency": [one.latency.p50_ms if one.latency else None for one in report.candidates],
    }
    for name, found in kinds.items():
        yield f"- {name}: {_evidence(found)}."
    if report.conditions is not None:
        conditions = report.conditions
        yield (
            f"- Measured on {told(conditions.processor)}, {told(conditions.runtime)}, "
            f"{told(conditions.provider)}, {conditions.threads} thread(s)."
        )


def _evidence(found: list[Quantity | None]) -> str:
    """How figures were got, each way once with its method."""
    ways = dict.fromkeys(
        f"{figure.evidence.value} ({told(figure.method)})" for figure in found if figure is not None
    )
    return "; ".join(ways) or "none"


def _visible(text: str) -> str:
    """Text without the control characters that could steer a terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
