from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.core.budget import Budget
from edgedistill.core.report import Choice
from edgedistill.core.verdict import Outcome
from edgedistill.gate.judge import judge
from edgedistill.render import figures
from edgedistill.render.page.page import report_page, verdict_summary

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    Make = Callable[..., Any]


HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">&quot;\u2028\u202e'
SEEN = '</script><script>alert(1)</script><img src=x onerror="alert(2)">&quot;\ufffd\ufffd'


def test_the_same_facts_give_the_same_bytes(make_candidates: Make, page_of: Make) -> None:
    report = make_candidates()
    assert page_of(report) == report_page(report, judge(report))


def test_the_page_is_html_without_a_fault(make_candidates: Make, tree_of: Make) -> None:
    root = tree_of(make_candidates())
    names = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(names) == len(set(names))
    links = [one.get("href", "") for one in root.iter("a") if one.get("href", "").startswith("#")]
    assert {link[1:] for link in links} <= set(names)


def test_the_verdict_comes_first_with_every_check(
    make_report: Make, tree_of: Make, words_of: Make
) -> None:
    report = make_report()
    root = tree_of(report)
    first = next(root.iter("section"))
    assert first.get("id") == "verdict"
    text = " ".join(" ".join(first.itertext()).split())
    for check in judge(report).checks:
        assert check.budget in text
        assert check.title[1:] in text
        assert check.outcome.value in text
        assert check.reason in text


def test_every_figure_stands_there_with_its_interval_and_its_evidence(
    make_report: Make, words_of: Make
) -> None:
    report = make_report()
    words = words_of(report)
    for row in report.rows:
        for written in (
            figures.accuracy(row.accuracy),
            figures.points(row.accuracy_drop),
            figures.milliseconds(row.latency.p50_ms),
            figures.milliseconds(row.latency.p90_ms),
            figures.factor(row.latency.speedup),
            figures.megabytes(row.size_mb),
        ):
            for part in written.rstrip(")").split(" ("):
                assert part in words
    assert "measured-on-device measured on the target itself" in words


@pytest.mark.parametrize("outcome", ["PASS", "FAIL", "UNJUDGED"])
def test_an_outcome_is_a_word_and_a_sign_not_a_colour_alone(
    make_report: Make, words_of: Make, outcome: str
) -> None:
    sign = {"PASS": "✓", "FAIL": "✕", "UNJUDGED": "?"}[outcome]
    assert f"{sign} {outcome}" in words_of(make_report())


def test_conditions_hashes_seed_and_licence_stand_there(make_report: Make, words_of: Make) -> None:
    report = make_report()
    made = report.provenance.model_copy(update={"data_licence": "CC-BY-4.0"})
    words = words_of(make_report(provenance=made))
    assert "Licence of the data CC-BY-4.0" in words
    for fact in ("a processor", "avx512_vnni", "onnxruntime 1.31.1", "b" * 64, "c" * 64, "Seed 7"):
        assert fact in words
    assert "Licence of the data unknown" in words_of(report)


def test_names_from_models_and_data_stay_text(make_report: Make, tree_of: Make) -> None:
    report = make_report(
        worst_name=HOSTILE,
        target_title=HOSTILE,
        run=HOSTILE,
        notes=(HOSTILE,),
        choice=Choice(step="int8", model=HOSTILE, decided=True, reason=HOSTILE),
    )
    root: Element = tree_of(report)
    assert len(list(root.iter("script"))) == 3  # plots, library, the page's own
    assert not list(root.iter("img"))
    assert not [one for one in root.iter() if any(name.startswith("on") for name in one.attrib)]
    assert root.find("head/title").text == f"{SEEN}: FAIL"
    assert root.find("body/header/h1").text == SEEN


def test_a_report_without_latency_says_so(make_report: Make, words_of: Make) -> None:
    words = words_of(make_report(measured=False))
    assert "No latency: nothing was measured on this target and nothing was estimated." in words
    assert "Accuracy against multiply-accumulates" in words


def test_a_disturbed_machine_is_told(make_report: Make, words_of: Make) -> None:
    assert "The machine was disturbed while measuring" in words_of(make_report(stable=False))
    assert "The machine was disturbed while measuring" not in words_of(make_report())


def test_a_teacher_behind_an_endpoint_has_answers_and_no_point_in_the_plot(
    make_report: Make,
    make_asked_report: Make,
    words_of: Make,
) -> None:
    words = words_of(make_asked_report(make_report()))
    assert "teacher (behind an endpoint)" in words
    assert "3 networks, of which" in words


def test_every_student_and_candidate_is_in_the_table_of_networks(
    make_students: Make,
    make_candidates: Make,
    words_of: Make,
) -> None:
    words = words_of(make_students(names=("small", "wide")))
    for name in ("small distilled", "small int8", "wide distilled", "wide int8"):
        assert name in words
    assert "int8-U8U8" in words_of(make_candidates())


def test_without_a_budget_there_is_nothing_to_judge(make_report: Make, words_of: Make) -> None:
    report = make_report(budget=Budget())
    assert "There is nothing to judge, no budget is set." in words_of(report)
    assert verdict_summary(judge(report)) == "There is nothing to judge, no budget is set."


def test_a_warning_is_never_shown_as_kept(make_report: Make) -> None:
    verdict = judge(make_report())
    warned = tuple(
        replace(check, warns=check.outcome is Outcome.UNJUDGED) for check in verdict.checks
    )
    page = report_page(make_report(), replace(verdict, checks=warned))
    assert "1 of 3 limits kept, 1 broken, 1 could not be judged and only warned." in page
    assert '</span> UNJUDGED</strong><span class="note">only a warning</span>' in re.sub(
        r">\s+<", "><", page
    )


def test_the_summary_counts_every_outcome(make_report: Make) -> None:
    verdict = judge(make_report())
    assert verdict_summary(verdict) == "1 of 3 limits kept, 1 broken, 1 could not be judged."
