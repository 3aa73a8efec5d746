from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from gate_documents import FIGURE, HOSTILE, check, document, documents
from hypothesis import given, settings
from junitparser import JUnitXml

from edgedistill.core.gate_document import GateDocument
from edgedistill.core.verdict import Outcome
from edgedistill.render.junit import junit_xml

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


def read(found: GateDocument) -> ElementTree.Element:
    written = junit_xml(found)
    SCHEMA.validate(io.BytesIO(written))
    return ElementTree.fromstring(written)


def case(found: GateDocument, name: str) -> ElementTree.Element:
    (one,) = (one for one in read(found).iter("testcase") if one.get("name") == name)
    return one


def test_pass_is_a_case_without_a_result() -> None:
    passed = case(document(check(Outcome.PASS)), "latency_p95_ms")
    assert [child.tag for child in passed] == ["system-out"]
    assert passed.get("classname") == "edgedistill.gate.host"


@pytest.mark.parametrize(
    ("outcome", "warned", "tag", "kind"),
    [
        (Outcome.FAIL, False, "failure", "FAIL"),
        (Outcome.UNJUDGED, False, "error", "UNJUDGED"),
        (Outcome.UNJUDGED, True, "skipped", "WARNING"),
        (Outcome.FAIL, True, "failure", "FAIL"),
    ],
)
def test_what_did_not_pass_is_a_result_with_all_that_is_known(
    outcome: Outcome, warned: bool, tag: str, kind: str
) -> None:
    (result,) = case(document(check(outcome, warned=warned)), "latency_p95_ms")
    assert (result.tag, result.get("type")) == (tag, kind)
    assert result.get("message") == "The reason of latency_p95_ms"
    assert (result.text or "").splitlines() == [
        "The reason of latency_p95_ms",
        "limit: at most 5 ms",
        "figure: 4.2 ms (3.9 ms to 4.5 ms at 99 % confidence)",
        "evidence: measured-on-device, 200 samples",
        "method: order statistics",
    ]


def test_what_there_is_no_figure_of_says_so() -> None:
    (result,) = case(document(check(Outcome.UNJUDGED, figure=None, limit=None)), "latency_p95_ms")
    assert (result.text or "").splitlines()[1:] == ["limit: at most not a number", "figure: none"]


def test_a_target_without_a_limit_is_an_error() -> None:
    assert [child.tag for child in case(document(), "budget")] == ["error"]


def test_a_report_that_could_not_be_judged_is_an_error_named_by_its_file() -> None:
    doubt = "runs/x: the run is not complete. Finish it"
    (result,) = case(document(check(Outcome.PASS), doubts=(doubt,)), "runs/x")
    assert result.tag == "error"
    assert result.get("message") == "the run is not complete. Finish it"


def test_a_gate_over_nothing_is_an_error() -> None:
    nothing = GateDocument(outcome=Outcome.UNJUDGED, exit_code=3, targets=())
    assert read(nothing).get("errors") == "1"


def test_an_exit_code_that_no_check_explains_is_an_error_all_the_same() -> None:
    odd = replace(document(check(Outcome.PASS)), exit_code=3)
    assert read(odd).get("errors") == "1"


def test_a_gate_of_warnings_only_is_an_error_too() -> None:
    root = read(document(check(Outcome.UNJUDGED, warned=True)))
    assert [root.get(count) for count in ("tests", "errors", "failures")] == ["2", "1", "0"]


def test_targets_are_suites_told_apart_by_their_run() -> None:
    first, second = (document(check(Outcome.PASS), run=run) for run in ("a", "b"))
    both = replace(first, targets=first.targets + second.targets)
    assert [suite.get("name") for suite in read(both)] == ["host (a)", "host (b)"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    hostile = document(
        check(Outcome.FAIL, budget=name, reason=name, figure=FIGURE), target=name, run=name
    )
    root = read(hostile)
    assert {one.tag for one in root.iter()} == {"testsuites", "testsuite", "testcase", "failure"}


@given(documents)
@settings(max_examples=30, deadline=None)
def test_any_result_is_valid_and_looks_clean_only_where_the_exit_code_is_0(
    found: GateDocument,
) -> None:
    written = junit_xml(found)
    SCHEMA.validate(io.BytesIO(written))
    suites = JUnitXml.fromstring(written)
    results = [type(one).__name__ for suite in suites for case in suite for one in case.result]
    stated = (suites.tests, suites.failures, suites.errors)
    suites.update_statistics()  # junitparser counts for itself
    assert stated == (suites.tests, suites.failures, suites.errors)
    assert (found.exit_code == 0) == ({"Failure", "Error"}.isdisjoint(results))
    assert ("Failure" in results) == (found.exit_code == 1)
