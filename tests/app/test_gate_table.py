"""Reports and budgets files as CI servers meet them, each with how the gate has to end.

The exit code is 0 PASS, 1 FAIL, 2 bad input, 3 UNJUDGED. What a single limit says of a single
figure stands in tests/gate; here are files.
"""

from __future__ import annotations

import copy
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from gated_reports import build_report, quantity
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import edgedistill
from edgedistill.app.baseline import baseline_of
from edgedistill.core.evidence import Evidence, Quantity, Wider
from edgedistill.core.figure import LADDER
from edgedistill.core.limits import EVERY
from edgedistill.errors import InputError
from edgedistill.render.document import report_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgedistill.core.report import Report

PASS, FAIL, BAD_INPUT, UNJUDGED = 0, 1, 2, 3
MODEL = b"a model"


def figure(low: float, value: float, high: float, *evidence: Evidence) -> Quantity:
    """With the same interval at each confidence up to 0.999, and the value's distance twice there.

    The interval is `low` to `high` up to 0.99 and twice as wide beyond.
    """
    far = 2 * low - value, 2 * high - value
    rungs = tuple(
        Wider(confidence=at, low=low if at <= 0.99 else far[0], high=high if at <= 0.99 else far[1])
        for at in LADDER[:4]
    )
    made = quantity(low, value, high, evidence=(*evidence, Evidence.MEASURED_ON_DEVICE)[0])
    return made.model_copy(update={"wider": rungs})


MS = figure(1.8, 2.0, 2.2)
OLD = MS.model_copy(update={"wider": ()})
NARROW = figure(0.01, 0.01, 0.01)


def sound(target: str = "host", **facts: Any) -> Report:
    """A report whose model has the bytes of `MODEL`."""
    report = build_report(
        **{"p50": MS, "p90": MS, "p95": MS, "drop": NARROW, "target": target, **facts}
    )
    sha256 = hashlib.sha256(MODEL).hexdigest()
    row = report.rows[0].model_copy(update={"model_sha256": sha256})
    conditions = report.conditions and report.conditions.model_copy(update={"device": target})
    return report.model_copy(update={"rows": (row,), "conditions": conditions})


@dataclass
class Meeting:
    """Reports and a budgets file on disk."""

    folder: Path
    reports: list[str] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name / "report.json"
        path.parent.mkdir(exist_ok=True)
        (path.parent / "model.onnx").write_bytes(MODEL)
        path.write_text(text, encoding="utf-8")
        self.reports.append(str(path))
        return path

    def ends(self, budgets: str | None, **rest: Any) -> tuple[int, str]:
        """Exit code of the gate, and all that it says."""
        file = None
        if budgets is not None:
            file = self.folder / "budgets.yaml"
            file.write_text(budgets, encoding="utf-8")
        try:
            result = edgedistill.judge(*self.reports, budgets=file, **rest)
        except InputError as error:
            return BAD_INPUT, str(error)
        return result.outcome.exit_code, str(result)


@pytest.fixture
def meeting(tmp_path: Path) -> Meeting:
    return Meeting(tmp_path)


def budget(confidence: float | None = None, **limits: Any) -> str:
    document: dict[str, Any] = {"schema_version": 1, "targets": {"host": limits}}
    if confidence is not None:
        document["confidence"] = confidence
    return yaml.safe_dump(document)


WARN = {"limit": 1.0, "on_unjudged": "warn"}
ESTIMATE = quantity(1.8, 2.0, 2.2, evidence=Evidence.ESTIMATED).model_copy(
    update={"confidence": 0.9}
)
# name, facts of the report, budgets file, exit code, words that are told
TABLE: list[tuple[str, dict[str, Any], str, int, str]] = [
    ("inside", {}, budget(latency_p50_ms=3), PASS, "inside"),
    ("touched exactly", {}, budget(latency_p50_ms=2.2), PASS, "inside"),
    ("touched from outside", {}, budget(latency_p50_ms=1.8), UNJUDGED, "samples"),
    ("a hair over", {}, budget(latency_p50_ms=2.1999999), UNJUDGED, "samples"),
    ("a hair outside", {}, budget(latency_p50_ms=1.7999999), FAIL, "outside"),
    ("straddles", {}, budget(latency_p50_ms=2.1), UNJUDGED, "400 samples instead of 100"),
    ("outside", {}, budget(latency_p50_ms=1), FAIL, "outside"),
    ("unit as text", {}, budget(latency_p50_ms="3 ms"), PASS, "3 ms"),
    ("wrong unit", {}, budget(latency_p50_ms="3 s"), BAD_INPUT, "is in s, and this limit is in ms"),
    ("wrong unit of a size", {}, budget(max_size_mb="3 MiB"), BAD_INPUT, "is in MiB"),
    ("percentage", {}, budget(max_accuracy_drop="2 %"), PASS, "2 %"),
    ("percentage as a number", {}, budget(max_accuracy_drop=2), BAD_INPUT, "a percentage such as"),
    ("unknown metric", {}, budget(latency_p59_ms=3), BAD_INPUT, "Did you mean 'latency_p"),
    ("no such metric at all", {}, budget(speed=3), BAD_INPUT, "Known keys: evidence"),
    ("limit is NaN", {}, budget(latency_p50_ms=float("nan")), BAD_INPUT, "not a finite number"),
    ("limit is infinite", {}, budget(latency_p50_ms=float("inf")), BAD_INPUT, "not a finite"),
    ("limit is 0", {}, budget(latency_p50_ms=0), BAD_INPUT, "is not above 0"),
    ("limit is negative", {}, budget(max_size_mb=-1), BAD_INPUT, "is not above 0"),
    ("limit is text", {}, budget(latency_p50_ms="fast"), BAD_INPUT, "is not a number"),
    ("limit is null", {}, budget(latency_p50_ms=None), BAD_INPUT, "is not a number"),
    ("limit is true", {}, budget(latency_p50_ms=True), BAD_INPUT, "is not a number"),
    ("no limit", {}, budget(), UNJUDGED, "No limit is set"),
    ("missing metric", {"p95": None}, budget(latency_p95_ms=3), UNJUDGED, "no 95th percentile"),
    ("no latency", {"p50": None}, budget(latency_p50_ms=3), UNJUDGED, "No latency was measured"),
    ("missing energy", {}, budget(max_energy_mj=3), UNJUDGED, "no energy"),
    ("missing instructions", {}, budget(max_instructions=1e6), UNJUDGED, "--device-report"),
    ("missing parity", {}, budget(max_parity_error=1e-3), UNJUDGED, "Run compress again"),
    ("missing share of int8", {}, budget(min_int8_share="90 %"), UNJUDGED, "fixed shapes"),
    ("missing groups", {}, budget(max_worst_group_drop=0.1), UNJUDGED, "group labels"),
    (
        "estimate where a measurement is wanted",
        {"p50": ESTIMATE},
        budget(latency_p50_ms=99),
        UNJUDGED,
        "wants a measurement",
    ),
    (
        "estimate outside where a measurement is wanted",
        {"p50": ESTIMATE},
        budget(latency_p50_ms=0.1),
        UNJUDGED,
        "wants a measurement",
    ),
    (
        "estimate where it is enough tells its own confidence",
        {"p50": ESTIMATE},
        budget(latency_p50_ms=99, evidence="estimated"),
        PASS,
        "at 90 % confidence, estimated",
    ),
    (
        "estimate of an extreme percentile",
        {"p50": ESTIMATE, "p95": None},
        budget(latency_p95_ms=99, evidence="estimated"),
        UNJUDGED,
        "an estimate speaks of the median only",
    ),
    (
        "emulated milliseconds",
        {"p50": figure(1.8, 2.0, 2.2, Evidence.EMULATED)},
        budget(latency_p50_ms=99, evidence="estimated"),
        UNJUDGED,
        "emulated, which proves nothing",
    ),
    (
        "a stand-in's milliseconds",
        {"p50": figure(1.8, 2.0, 2.2, Evidence.MEASURED_ON_STAND_IN)},
        budget(latency_p50_ms=99),
        UNJUDGED,
        "measured-on-stand-in, which proves nothing",
    ),
    ("no conditions", {"conditions": None}, budget(latency_p50_ms=3), UNJUDGED, "conditions"),
    ("disturbed, inside", {"stable": False}, budget(latency_p50_ms=3), PASS, "inside"),
    ("disturbed, outside", {"stable": False}, budget(latency_p50_ms=1), UNJUDGED, "disturbed"),
    (
        "two checks ask for 97.5 %, which is there",
        {},
        budget(latency_p50_ms=2.2, latency_p90_ms=2.2),
        PASS,
        "at 99 % confidence",
    ),
    (
        "six checks ask for more, and the wider interval straddles",
        {"worst_class": NARROW},
        budget(
            latency_p50_ms=2.3,
            latency_p90_ms=3,
            latency_p95_ms=3,
            max_accuracy_drop=0.1,
            max_worst_class_drop=0.1,
            min_accuracy=0.1,
        ),
        UNJUDGED,
        "at 99.5 % confidence",
    ),
    (
        "the same six where the file asks for less",
        {"worst_class": NARROW, "accuracy": figure(0.9, 0.9, 0.9)},
        budget(
            0.9,
            latency_p50_ms=2.3,
            latency_p90_ms=3,
            latency_p95_ms=3,
            max_accuracy_drop=0.1,
            max_worst_class_drop=0.1,
            min_accuracy=0.1,
        ),
        PASS,
        "at 99 % confidence",
    ),
    (
        "a report without wider intervals",
        {"p50": OLD, "p90": OLD},
        budget(latency_p50_ms=99, latency_p90_ms=99),
        UNJUDGED,
        "Make the report again",
    ),
    (
        "a confidence that the samples do not reach",
        {},
        budget(0.99999, latency_p50_ms=99),
        UNJUDGED,
        "Take more samples",
    ),
    ("exact figures ask for none", {}, budget(0.99999, max_size_mb=1), PASS, "exact"),
    ("size outside", {}, budget(max_size_mb=0.49), FAIL, "outside"),
    ("one fails, one cannot be judged", {}, budget(max_size_mb=0.1, max_energy_mj=1), FAIL, ""),
    ("warning beside a pass", {}, budget(max_size_mb=1, max_energy_mj=WARN), PASS, "WARNING"),
    ("warning alone", {}, budget(max_energy_mj=WARN), UNJUDGED, "WARNING"),
    ("warning beside a fail", {}, budget(max_size_mb=0.1, max_energy_mj=WARN), FAIL, "WARNING"),
    ("a limit that warns and fails", {}, budget(latency_p50_ms=WARN), FAIL, "outside"),
    ("relative without a baseline", {}, budget(max_size_ratio=9), UNJUDGED, "--baseline"),
    (
        "wrong version",
        {},
        "schema_version: 2\ntargets: {host: {max_size_mb: 1}}",
        BAD_INPUT,
        "is no",
    ),
    (
        "cut off",
        {},
        "schema_version: 1\ntargets: {host: {max_size_mb: 1",
        BAD_INPUT,
        "budgets.yaml",
    ),
    ("a target twice", {}, "schema_version: 1\ntargets:\n  a: {}\n  a: {}\n", BAD_INPUT, "already"),
    ("missing target", {}, budget().replace("host", "pi"), UNJUDGED, "no report of it was given"),
    ("missing report", {"target": "pi"}, budget(max_size_mb=1), UNJUDGED, "has no limits for pi"),
]


def test_the_table_is_large_enough() -> None:
    assert len(TABLE) >= 40
    assert len({name for name, *_ in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("facts", "budgets", "code", "words"), [pytest.param(*row, id=name) for name, *row in TABLE]
)
def test_how_a_gate_ends(
    meeting: Meeting, facts: dict[str, Any], budgets: str, code: int, words: str
) -> None:
    meeting.write("host", report_text(sound(**facts)))
    ended, said = meeting.ends(budgets)
    assert (ended, words in said) == (code, True), said


TEXT = report_text(sound())
SIZE = budget(max_size_mb=1)
FILES = [
    ("empty", "", BAD_INPUT, "is cut off"),
    ("truncated", TEXT[: len(TEXT) // 2], BAD_INPUT, "is cut off"),
    ("newer", TEXT.replace('"schema_version": 1', '"schema_version": 9'), BAD_INPUT, "newer"),
    ("NaN", TEXT.replace('"value": 0.5', '"value": NaN'), BAD_INPUT, "holds NaN"),
    ("infinity", TEXT.replace('"value": 0.5', '"value": 1e999'), BAD_INPUT, "not a finite number"),
    ("text", TEXT.replace('"value": 0.5', '"value": "0.5"'), BAD_INPUT, "is not a number"),
    ("turned", TEXT.replace('"high": 0.5', '"high": 0.4'), BAD_INPUT, "does not hold the value"),
    ("twice", TEXT.replace("{", '{"run": "a", "run": "b",', 1), BAD_INPUT, "twice"),
    (
        "of another kind",
        TEXT.replace("edgedistill-report", "x"),
        BAD_INPUT,
        "is not an edgedistill",
    ),
    (
        "of another model",
        TEXT.replace(hashlib.sha256(MODEL).hexdigest(), "0" * 64),
        UNJUDGED,
        "is not the model",
    ),
]


@pytest.mark.parametrize(
    ("text", "code", "words"), [pytest.param(*row, id=name) for name, *row in FILES]
)
def test_how_a_gate_over_a_broken_report_ends(
    meeting: Meeting, text: str, code: int, words: str
) -> None:
    meeting.write("host", text)
    ended, said = meeting.ends(SIZE)
    assert (ended, words in said) == (code, True), said


def test_two_reports_of_one_target_are_both_held_to_its_limits(meeting: Meeting) -> None:
    meeting.write("first", TEXT)
    meeting.write("second", report_text(sound(size_mb=9.0)))
    ended, said = meeting.ends(SIZE)
    assert ended == FAIL
    assert (said.count("PASS     max_size_mb"), said.count("FAIL     max_size_mb")) == (1, 1)


@pytest.mark.parametrize(
    ("target", "size_mb", "code", "words"),
    [
        ("host", 0.5, PASS, "inside"),
        ("host", 0.45, UNJUDGED, ""),
        ("host", 0.4, FAIL, "outside"),
        ("pi", 0.5, UNJUDGED, "the baseline is of pi"),
    ],
)
def test_a_size_against_a_baseline(
    meeting: Meeting, target: str, size_mb: float, code: int, words: str
) -> None:
    old = sound(target, size_mb=size_mb)
    row = old.rows[0].model_copy(update={"model_sha256": "f" * 64})
    file = meeting.folder / "baseline.json"
    file.write_text(report_text(baseline_of(old.model_copy(update={"rows": (row,)}), None)))
    meeting.write("host", TEXT)
    limits = {"max_size_ratio": 1.2}
    if code == UNJUDGED and target == "host":
        limits = {"max_size_ratio": 1.2, "max_latency_p50_ratio": 9.0}
    inputs = edgedistill.GateInputs(baselines=(file,))
    ended, said = meeting.ends(budget(**limits), inputs=inputs)
    assert (ended, words.lower() in said.lower()) == (code, True), said


DOCUMENT: dict[str, Any] = json.loads(TEXT)


def places(part: object, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place of a document."""
    if here:
        yield here
    named = part.items() if isinstance(part, dict) else []
    listed = enumerate(part) if isinstance(part, list) else []
    for name, below in (*named, *listed):
        yield from places(below, (*here, name))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([[], {}, [{}], {"a": 1}, 10**400]),
)
PROMISED = {"latency_p50_ms": 2.2, "max_size_mb": 0.5, "max_accuracy_drop": 0.01}


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.sampled_from(list(places(DOCUMENT))), value=VALUES)
@example(place=("rows", 0, "size_mb", "high"), value=0.1)
@example(place=("rows", 0, "latency"), value=None)
def test_no_change_of_a_report_makes_what_is_not_inside_a_pass(
    meeting: Meeting, place: tuple[str | int, ...], value: object
) -> None:
    document = copy.deepcopy(DOCUMENT)
    part: Any = document
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    meeting.reports.clear()
    meeting.write("host", json.dumps(document))
    ended, _ = meeting.ends(budget(**PROMISED))  # anything but an InputError would end the test
    if ended != PASS:
        return
    row = next(row for row in document["rows"] if row["step"] == document["choice"]["step"])
    held = {
        "latency_p50_ms": row["latency"]["p50_ms"],
        "max_size_mb": row["size_mb"],
        "max_accuracy_drop": row["accuracy_drop"],
    }
    for name, figure_found in held.items():
        assert figure_found["high"] <= PROMISED[name]
        for rung in figure_found["wider"]:
            if figure_found["confidence"] < 0.975 and rung["confidence"] == 0.99:
                assert rung["high"] <= PROMISED[name]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.one_of(st.text(max_size=40), st.text('{}[]:,"ea01 ', max_size=30)))
def test_no_text_as_a_report_or_as_budgets_is_a_pass(meeting: Meeting, text: str) -> None:
    with suppress(UnicodeEncodeError):
        text.encode()
        meeting.reports.clear()
        meeting.write("host", text)
        assert meeting.ends(None)[0] == BAD_INPUT
        meeting.reports.clear()
        meeting.write("host", TEXT)
        assert meeting.ends(text)[0] == BAD_INPUT


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["latency_p50_ms", "latency_p90_ms", "max_size_mb", "max_accuracy_drop"]),
    bound=st.floats(0.005, 3.0),
    slack=st.floats(0.0, 3.0),
    stable=st.booleans(),
)
def test_slack_never_worsens_how_a_gate_ends(
    meeting: Meeting, name: str, bound: float, slack: float, stable: bool
) -> None:
    limit = EVERY[name]
    top = 1.0 if limit.unit == "%" else 9.0
    meeting.reports.clear()
    meeting.write("host", report_text(sound(stable=stable)))
    rest = {"latency_p95_ms": 3.0} if name != "latency_p95_ms" else {}
    tight, loose = (
        meeting.ends(budget(**{name: min(one, top), **rest}))[0] for one in (bound, bound + slack)
    )
    ranks = {FAIL: 0, UNJUDGED: 1, PASS: 2}
    assert ranks[loose] >= ranks[tight]
