from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.report import Choice, Latency
from edgedistill.core.verdict import Check, Outcome, Verdict
from edgedistill.render.escaping import escape
from edgedistill.render.markdown import report_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from markdown_it.token import Token

    from edgedistill.core.report import Report, Row

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b",
    "a\\|b",
    "**bold** _it_ `code` ~~x~~",
    "[link](javascript:alert(1))",
    "![img](http://x/y.png)",
    "<http://evil.example>",
    "&lt;b&gt; &#60;",
    "# heading",
    "- item",
    "1. item",
    "12) item",
    "> quote",
    "=== ---",
    "***",
    "```",
    "a\nb",
    "| --- |",
    "ends with \\",
    "[a]: http://x",
]


def every(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from every(token.children or [])


def verdict_of(report: Report, *checks: Check) -> Verdict:
    return Verdict(run=report.run, target=report.target, checks=checks)


def shown(markdown: str) -> str:
    """The text that a reader of the page sees."""
    kinds = {"text", "text_special", "code_inline"}
    return " ".join(t.content for t in every(READER.parse(markdown)) if t.type in kinds)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text_wherever_it_stands(text: str) -> None:
    expected = " ".join(text.split())
    for frame, kinds in [
        ("{}", {"paragraph_open", "paragraph_close"}),
        ("- {}", {"bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"}),
    ]:
        tokens = READER.parse(frame.format(escape(text)))
        blocks = {t.type for t in tokens} - {"inline", "paragraph_open", "paragraph_close"}
        assert blocks <= kinds
        (inline,) = (t for t in tokens if t.type == "inline")
        assert {t.type for t in inline.children or []} <= {"text", "text_special"}
        assert "".join(t.content for t in inline.children or []) == expected


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_text_stays_one_cell_of_a_table(text: str) -> None:
    tokens = READER.parse(f"| a | b |\n| --- | --- |\n| x {escape(text)} | y |\n")
    cells = [t for t in tokens if t.type == "inline"]
    assert [t.content for t in (cells[0], cells[1], cells[3])] == ["a", "b", "y"]
    assert len(cells) == 4
    found = "".join(t.content for t in cells[2].children or [])
    hidden = {"Cc", "Cf", "Zl", "Zp"}
    visible = "".join(
        " " if c in "\n\r\t" else "\ufffd" if unicodedata.category(c) in hidden else c for c in text
    )
    assert found.split() == f"x {visible}".split()


def test_no_hostile_name_becomes_markup_in_a_report(make_report: Callable[..., Report]) -> None:
    for text in HOSTILE:
        report = make_report(
            run="demo",
            worst_name=text,
            target_title=text,
            notes=(text,),
            choice=Choice(step="int8", model=text, decided=False, reason=text),
        )
        check = Check("max_size_mb", 1.0, Outcome.PASS, None, text)
        page = report_markdown(report, verdict_of(report, check))
        tokens = list(every(READER.parse(page)))
        forbidden = {"html_block", "html_inline", "link_open", "image", "s_open", "em_open"}
        assert not forbidden & {token.type for token in tokens}
        assert shown(page).count(" ".join(text.split()).split()[0]) >= 4


def test_direction_and_control_characters_are_made_visible() -> None:
    assert escape("a\u202eb\x1b[31m") == "a\ufffdb\ufffd\\[31m"


def test_the_verdict_comes_first(make_report: Callable[..., Report]) -> None:
    report = make_report()
    check = Check("latency_p50_ms", 3.0, Outcome.FAIL, None, "Median latency 4 ms")
    page = report_markdown(report, verdict_of(report, check))
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings[0] == "# This machine: FAIL"
    assert headings[1] == "## Verdict against the budget"
    assert "| `latency_p50_ms` | 3 | **FAIL** | Median latency 4 ms |" in page


def test_the_waterfall_shows_every_step_with_interval_and_evidence(
    make_report: Callable[..., Report],
) -> None:
    report = make_report()
    page = report_markdown(report, verdict_of(report))
    rows = [line for line in page.splitlines() if "4.65 M" in line]
    assert [line.split("|")[1].strip() for line in rows] == [
        "teacher (fp32)",
        "distilled (fp32)",
        "pruned (fp32)",
        "**int8 (int8), ships**",
    ]
    for line in rows:
        assert "92.50 % (90.00 to 94.00)" in line
        assert "2 ms (1.9 to 2.1)" in line
        assert Evidence.MEASURED_ON_DEVICE.value in line
        assert "0.1235 MB" in line
    assert "5.00x (4.50 to 5.50)" in rows[3]
    assert "cat: +2.00 points (+0.00 to +5.00)" in page
    assert "97.00 % (96.00 to 98.00)" in page
    assert "9 of 10 heavy operators, U8S8, in-runtime" in page
    assert "stayed in float: conv\\_head" in page
    assert "The teacher was trained by this run" in page
    assert "nothing to judge" in page


def test_without_a_measurement_no_latency_is_shown(make_report: Callable[..., Report]) -> None:
    report = make_report(measured=False)
    page = report_markdown(report, verdict_of(report))
    assert "No latency" in page
    assert " ms" not in page
    assert "Conditions" not in page


def test_a_disturbed_measurement_and_an_open_choice_are_said(
    make_report: Callable[..., Report],
) -> None:
    choice = Choice(step="pruned", model="model.onnx", decided=False, reason="intervals overlap")
    report = make_report(stable=False, choice=choice)
    page = report_markdown(report, verdict_of(report))
    assert "disturbed" in page
    assert "**undecided**" in page
    assert "**pruned (fp32), ships**" in page


def test_several_students_are_compared_and_the_front_is_shown(
    make_students: Callable[..., Report],
) -> None:
    report = make_students()
    page = report_markdown(report, verdict_of(report))
    table = page.partition("## Students of the same teacher")[2].partition("##")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[4:6]]
    assert rows == [
        [
            "**small, ships**",
            "int8",
            "80.00 % (79.00 to 81.00)",
            "1 ms (0.9 to 1.1)",
            "0.1235 MB",
            "1 M",
            "yes",
        ],
        [
            "wide",
            "int8",
            "88.00 % (87.00 to 89.00)",
            "1.5 ms (1.35 to 1.65)",
            "0.1235 MB",
            "1.5 M",
            "yes",
        ],
    ]
    images = [token for token in every(READER.parse(page)) if token.type == "image"]
    assert [token.attrs["src"] for token in images] == ["pareto.svg"]
    assert "## What each step cost and gained: small" in page
    assert "model.onnx, student small, step int8: It is fastest" in page


def test_one_student_is_compared_with_nobody(make_report: Callable[..., Report]) -> None:
    report = make_report()
    page = report_markdown(report, verdict_of(report))
    assert "Students" not in page
    assert "pareto" not in page


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_of_a_student_stays_text(
    make_students: Callable[..., Report], text: str
) -> None:
    report = make_students(names=(text, "wide"))
    tokens = list(every(READER.parse(report_markdown(report, verdict_of(report)))))
    assert not {"html_block", "html_inline", "link_open", "s_open", "em_open"} & {
        token.type for token in tokens
    }
    assert [token.attrs["src"] for token in tokens if token.type == "image"] == ["pareto.svg"]


def test_a_teacher_behind_an_endpoint_has_its_accuracy_and_the_absent_sign(
    make_report: Callable[..., Report],
    make_students: Callable[..., Report],
    make_asked_report: Callable[..., Report],
) -> None:
    verdict = Verdict(run="demo", target="host", checks=())
    text = report_markdown(make_asked_report(make_report()), verdict)
    (line,) = [line for line in text.splitlines() if line.startswith("| teacher (behind an")][:1]
    accuracy, *absent = [cell.strip() for cell in line.strip("|").split("|")][1:]
    assert accuracy.startswith("92.50 %")
    assert absent == ["-"] * 6
    assert "Model teacher (SHA-256)" not in text
    assert "Model int8 (SHA-256)" in text
    several = report_markdown(make_asked_report(make_students()), verdict)
    assert "the teacher among them" not in several


def test_an_estimate_says_so_and_no_runs_are_claimed(make_report: Callable[..., Report]) -> None:
    report = make_report()
    rows = tuple(_estimated(row) for row in report.rows)
    report = report.model_copy(update={"rows": rows, "conditions": None})
    page = report_markdown(report, verdict_of(report))
    assert "estimated, with 90 % interval" in page
    assert "runs each" not in page


def test_memory_and_energy_stand_with_interval_and_method(
    make_report: Callable[..., Report],
) -> None:
    report = make_report()
    assert "## Memory and energy" not in report_markdown(report, verdict_of(report))
    figure = _estimate(8.0, 10.0, 12.0)
    rows = tuple(
        row.model_copy(update={"peak_memory_mb": figure, "energy_mj": figure})
        for row in report.rows
    )
    page = report_markdown(report.model_copy(update={"rows": rows}), verdict_of(report))
    assert "| 10 MB (8 to 12) | estimated | 10 mJ (8 to 12) | estimated |" in page
    assert page.count("- operators on a roofline") == 1


def _estimate(low: float, value: float, high: float) -> Quantity:
    return Quantity(
        value=value,
        low=low,
        high=high,
        confidence=0.9,
        evidence=Evidence.ESTIMATED,
        samples=154,
        method="operators on a roofline",
    )


def _estimated(row: Row) -> Row:
    latency = Latency(p50_ms=_estimate(1.5, 2.0, 2.6), stable=True)
    return row.model_copy(update={"latency": latency})
