from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from edgedistill.core.report import Choice
from edgedistill.core.verdict import Check, Outcome, Verdict
from edgedistill.render.table import show_reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.report import Report

CHECKS = (
    Check("latency_p50_ms", 3.0, Outcome.PASS, None, "Median latency 2 ms"),
    Check("min_accuracy", 0.95, Outcome.FAIL, None, "Accuracy 92.5 %"),
    Check("max_worst_group_drop", 0.1, Outcome.UNJUDGED, None, "Give the data group labels"),
)


def shown(report: Report, checks: tuple[Check, ...] = CHECKS, width: int | None = None) -> str:
    stream = io.StringIO()
    verdict = Verdict(run=report.run, target=report.target, checks=checks)
    show_reports([(report, verdict)], stream, width=width)
    return stream.getvalue()


def test_waterfall_and_verdict_are_shown_without_colour_codes(
    make_report: Callable[..., Report],
) -> None:
    text = shown(make_report())
    assert "\x1b" not in text
    lines = [line for line in text.splitlines() if "92.50 %" in line]
    assert len(lines) == 4
    assert "→ int8" in lines[3]
    assert "5.00x (4.50 to 5.50)" in lines[3]
    told = "measured-on-device (intervals at 95 %)"
    assert f"accuracy: {told}; latency: {told}" in text
    assert "\nFAIL     host\n" in text
    assert "  PASS     latency_p50_ms: Median latency 2 ms" in text
    assert "  FAIL     min_accuracy: Accuracy 92.5 %" in text
    assert "  UNJUDGED max_worst_group_drop: Give the data group labels" in text
    assert "Ships: model.onnx: It is fastest" in text


def test_a_target_without_a_device_has_no_milliseconds(make_report: Callable[..., Report]) -> None:
    text = shown(make_report(measured=False), checks=())
    assert " ms" not in text
    assert "UNJUDGED host: there is nothing to judge" in text


def test_markup_and_control_characters_are_shown_not_obeyed(
    make_report: Callable[..., Report],
) -> None:
    report = make_report(
        target_title="[red]x[/red] \x1b[31mred",
        choice=Choice(step="int8", model="[bold]m", decided=False, reason=":smile: \x07"),
    )
    text = shown(report)
    assert "[red]x[/red] \ufffd[31mred" in text
    assert "Ships: [bold]m (undecided): :smile: \ufffd" in text
    assert "\x1b" not in text


def test_disturbed_measurements_are_marked(make_report: Callable[..., Report]) -> None:
    assert "(disturbed)" in shown(make_report(stable=False))


@pytest.mark.parametrize("width", [80, 100, 130])
def test_a_narrow_terminal_still_shows_every_figure_whole(
    make_report: Callable[..., Report], width: int
) -> None:
    table, _, _ = shown(make_report(), width=width).partition("accuracy: ")
    assert max(len(line) for line in table.splitlines()) <= width
    assert "…" not in table
    for step in ("teacher", "distilled", "pruned", "→ int8"):
        assert step in table
    assert table.count("(90.00 to 94.00)") == 4
    assert table.count("(4.50 to 5.50)") == 3
    assert ("78 k" in table) == (width > 80)


@pytest.mark.parametrize("width", [80, 100, 130, None])
def test_several_students_stand_before_the_waterfall_of_the_one_that_ships(
    make_students: Callable[..., Report], width: int | None
) -> None:
    text = shown(make_students(), width=width)
    students, _, waterfall = text.partition(" · cpu · small")
    assert "…" not in students
    assert "on front" in students
    assert "→ small" in students
    assert "  wide" in students
    assert students.count(" yes") == 2
    assert "→ int8" in waterfall
    if width is not None:
        assert max(len(line) for line in students.splitlines()) <= width


def test_the_name_of_a_student_cannot_steer_the_terminal(
    make_students: Callable[..., Report],
) -> None:
    text = shown(make_students(names=("[red]a\x1b[31m", "wide")))
    assert "\x1b" not in text
    assert "[red]a\ufffd[31m" in text


def test_a_teacher_behind_an_endpoint_has_its_accuracy_and_the_absent_sign(
    make_report: Callable[..., Report], make_asked_report: Callable[..., Report]
) -> None:
    (line,) = [
        line
        for line in shown(make_asked_report(make_report())).splitlines()
        if line.strip().startswith("teacher")
    ]
    assert "92.50 %" in line
    assert line.split()[-5:] == ["-"] * 5
