"""A report file that is read lightly says the same as one that is read whole."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from gated_reports import build_report, quantity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgedistill.app.baseline import baseline_of
from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Wider
from edgedistill.core.figures import figures_of, reference_of
from edgedistill.core.figures_file import read_figures, read_reference
from edgedistill.core.limits import EVERY
from edgedistill.core.report import Int8Check, Report
from edgedistill.errors import InputError
from edgedistill.render.document import read_baseline, read_report, report_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDE = quantity(0.1, 0.2, 0.3).model_copy(
    update={"wider": (Wider(confidence=0.99, low=0.05, high=0.4),)}
)


def whole() -> Report:
    """A report with every figure that a limit can be set on."""
    report = build_report(
        p50=WIDE,
        p90=WIDE,
        p95=WIDE,
        accuracy=WIDE,
        drop=WIDE,
        worst_class=WIDE,
        worst_group=WIDE,
        peak_memory=WIDE,
        energy=WIDE,
        stable=False,
        budget=Budget(latency_p50_ms=1.0, max_size_ratio=1.1, evidence="estimated"),
    )
    check = Int8Check(
        scheme="U8S8",
        int8_operators=1,
        float_operators=0,
        verified="in-runtime",
        int8_mac_share=0.75,
    )
    row = report.rows[0].model_copy(
        update={"int8": check, "instructions": WIDE, "parity_error": WIDE}
    )
    return report.model_copy(update={"rows": (row,)})


@pytest.mark.parametrize(
    "report",
    [
        whole(),
        build_report(),
        build_report(p50=WIDE, conditions=None),
        build_report(schema_version=2, target="raspberry-pi-5"),
    ],
    ids=["everything", "little", "no conditions", "other target"],
)
def test_a_report_file_gives_the_figures_of_the_report(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(report_text(report), encoding="utf-8")
    assert read_figures(path) == figures_of(report) == figures_of(read_report(path))


def test_every_figure_of_a_limit_is_found() -> None:
    assert set(figures_of(whole()).figures) == {limit.of for limit in EVERY.values()}


def test_a_network_that_is_not_int8_has_no_share_in_int8(tmp_path: Path) -> None:
    report = build_report()
    row = report.rows[0].model_copy(update={"precision": "fp16"})
    path = tmp_path / "report.json"
    path.write_text(report_text(report.model_copy(update={"rows": (row,)})), encoding="utf-8")
    share = read_figures(path).figures["min_int8_share"]
    assert (share.value, share.exact) == (0.0, True)


DOCUMENT: dict[str, Any] = json.loads(report_text(whole()))
ROW = ("rows", 0)


def broken(place: tuple[str | int, ...], value: object) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    part: Any = document
    for name in place[:-1]:
        part = part[name]
    if value is ...:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    return document


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("schema_version",), 3, "comes from a newer edgedistill"),
        (("schema_version",), True, "schema_version: is no version"),
        (("schema_version",), ..., "schema_version: is no version"),
        (("kind",), "edgedistill-baseline", "is not an edgedistill report"),
        (("target",), 7, "target: is not text (given: 7)"),
        (("rows",), {}, "rows: is not a list"),
        (("rows",), [], "choice.step 'int8' has no row"),
        (("choice", "step"), "pruned", "choice.step 'pruned' has no row"),
        (("choice", "model"), "../model.onnx", "choice.model: is not a plain file name"),
        (("choice", "model"), "m" * 300, "choice.model: is not a plain file name"),
        ((*ROW, "model_sha256"), None, "rows.0.model_sha256: is not text"),
        ((*ROW, "accuracy", "value"), ..., "rows.0.accuracy.value: is missing"),
        ((*ROW, "accuracy", "value"), "0.9", "rows.0.accuracy.value: is not a number"),
        ((*ROW, "accuracy", "value"), True, "rows.0.accuracy.value: is not a number"),
        ((*ROW, "accuracy", "low"), 0.9, "the interval does not hold the value"),
        ((*ROW, "accuracy", "confidence"), 0.0, "rows.0.accuracy.confidence: is no confidence"),
        ((*ROW, "accuracy", "samples"), 0, "rows.0.accuracy.samples"),
        ((*ROW, "accuracy", "evidence"), "guessed", "Choose one of: measured-on-device"),
        ((*ROW, "accuracy", "valeu"), 1, "Did you mean 'value'?"),
        ((*ROW, "accuracy", "wider", 0, "low"), 0.15, "does not hold the one before"),
        ((*ROW, "accuracy", "wider", 0, "confidence"), 0.9, "wider is not rising"),
        ((*ROW, "accuracy", "wider", 0, "high"), ..., "wider.0.high: is missing"),
        ((*ROW, "latency"), [], "rows.0.latency: is not a mapping"),
        ((*ROW, "latency", "stable"), ..., "rows.0.latency.stable: is missing"),
        ((*ROW, "size_mb", "value"), 10**400, "is not a finite number"),
        ((*ROW, "int8", "int8_mac_share"), 1.5, "is not between 0 and 1"),
        (("conditions", "device"), ..., "conditions.device: is missing"),
        (("budget", "latency_p50_ms"), 0.0, "budget.latency_p50_ms: is not above 0"),
        (("budget", "latency_p50_ms"), "1 ms", "budget.latency_p50_ms: is not a number"),
        (("budget", "max_size_md"), 1.0, "Did you mean 'max_size_mb'?"),
        (("budget", "evidence"), "guessed", "Give measured or estimated"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    place: tuple[str | int, ...], value: object, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(broken(place, value)), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_figures(path)
    assert words in str(caught.value)


def places(part: object, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if here:
        yield here
    named = part.items() if isinstance(part, dict) else []
    listed = enumerate(part) if isinstance(part, list) else []
    for name, below in (*named, *listed):
        yield from places(below, (*here, name))


JUDGED = [
    place
    for place in places(DOCUMENT)
    if place[0] in ("budget", "choice", "run", "target", "schema_version")
    or (place[0] == "rows" and place[2:3] and str(place[2]).startswith(("acc", "lat", "size")))
]
VALUES = st.sampled_from(
    [None, True, -1, 0, 1e300, 10**400, "", "x", [], {}, ..., [{}], {"a": 1}, math.pi]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.sampled_from(JUDGED), value=VALUES)
def test_what_is_judged_is_refused_wherever_the_whole_schema_refuses_it(
    place: tuple[str | int, ...], value: object, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(broken(place, value)), encoding="utf-8")
    try:
        found = read_figures(path)
    except InputError:
        return
    try:
        full = read_report(path)
    except InputError:
        # The light reader reads less; what it did read is as in the sound report, and a figure that
        # is not there is never a PASS.
        sound = figures_of(whole())
        assert found.figures.items() <= sound.figures.items()
        assert replace(found, figures=sound.figures) == sound
    else:
        assert found == figures_of(full)


BASELINE: dict[str, Any] = json.loads(report_text(baseline_of(whole(), "model.onnx")))


@pytest.mark.parametrize("model", [None, "model.onnx"])
def test_a_baseline_file_gives_the_figures_of_the_baseline(
    model: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(report_text(baseline_of(whole(), model)), encoding="utf-8")
    assert read_reference(path) == reference_of(read_baseline(path))
    assert read_reference(path).figures == figures_of(whole()).figures


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    place=st.sampled_from([*places(BASELINE), ("data_sha256",), ("more",)]),
    value=st.one_of(VALUES, st.sampled_from(["../model.onnx", "a" * 64, "C:\\x", "a/b", ".."])),
)
def test_a_baseline_is_refused_wherever_the_whole_schema_refuses_it(
    place: tuple[str | int, ...], value: object, tmp_path: Path
) -> None:
    document = copy.deepcopy(BASELINE)
    part: Any = document
    for name in place[:-1]:
        part = part[name]
    if value is ...:
        part.pop(place[-1], None) if isinstance(part, dict) else part.pop()
    else:
        part[place[-1]] = value
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        found = read_reference(path)
    except InputError:
        return
    try:
        full = read_baseline(path)
    except InputError:
        # What is not read here is not judged either: names, and the rest of the conditions.
        assert place[0] in ("run", "edgedistill_version", "conditions", "schema_version")
    else:
        assert found == reference_of(full)
