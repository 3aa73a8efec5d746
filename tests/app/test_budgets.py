from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from gated_reports import build_report, quantity

import edgedistill
from edgedistill.core.evidence import Wider
from edgedistill.core.verdict import Outcome
from edgedistill.errors import InputError
from edgedistill.render.document import report_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.evidence import Quantity

PASS, FAIL, UNJUDGED = Outcome.PASS, Outcome.FAIL, Outcome.UNJUDGED


def laddered(low: float, value: float, high: float, *, at: float, wide: float) -> Quantity:
    """A figure whose interval at a higher confidence is wider by a factor."""
    rung = Wider(
        confidence=at, low=value - wide * (value - low), high=value + wide * (high - value)
    )
    return quantity(low, value, high).model_copy(update={"wider": (rung,)})


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., Path]:
    """Writes a report beside its model, in a folder of its target."""

    def write(target: str = "host", **facts: Any) -> Path:
        folder = tmp_path / target
        folder.mkdir()
        (folder / "model.onnx").write_bytes(target.encode())
        made = build_report(target=target, **facts)
        sha256 = hashlib.sha256(target.encode()).hexdigest()
        row = made.rows[0].model_copy(update={"model_sha256": sha256})
        conditions = made.conditions and made.conditions.model_copy(update={"device": target})
        made = made.model_copy(update={"rows": (row,), "conditions": conditions})
        path = folder / "report.json"
        path.write_text(report_text(made), encoding="utf-8")
        return path

    return write


@pytest.fixture
def budgets(tmp_path: Path) -> Callable[..., Path]:
    """Writes a budgets file."""

    def write(targets: dict[str, Any], **rest: Any) -> Path:
        path = tmp_path / "budgets.yaml"
        path.write_text(yaml.safe_dump({"schema_version": 1, "targets": targets, **rest}))
        return path

    return write


def test_a_budgets_file_takes_the_place_of_the_reports_own(
    report: Callable[..., Path], budgets: Callable[..., Path]
) -> None:
    path = report()
    assert edgedistill.judge(path).outcome is UNJUDGED
    assert edgedistill.judge(path, budgets=budgets({"host": {"max_size_mb": 1}})).outcome is PASS
    assert edgedistill.judge(path, budgets=budgets({"host": {"max_size_mb": 0.1}})).outcome is FAIL


def test_a_target_that_only_one_side_knows_is_unjudged(
    report: Callable[..., Path], budgets: Callable[..., Path]
) -> None:
    limits = {"max_size_mb": 1}
    both = report(), report("pi")
    one_limit = edgedistill.judge(*both, budgets=budgets({"host": limits}))
    assert one_limit.outcome is UNJUDGED
    assert [verdict.outcome for verdict in one_limit.verdicts] == [PASS]
    assert "has no limits for pi" in one_limit.doubts[0]
    one_report = edgedistill.judge(both[0], budgets=budgets({"host": limits, "pi": limits}))
    assert one_report.outcome is UNJUDGED
    assert "no report of it was given" in one_report.doubts[0]
    assert edgedistill.judge(*both, budgets=budgets({"host": limits, "pi": limits})).outcome is PASS


def test_a_report_that_could_not_be_judged_is_told_once(
    report: Callable[..., Path], budgets: Callable[..., Path]
) -> None:
    path = report()
    (path.parent / "model.onnx").write_bytes(b"another")
    found = edgedistill.judge(path, budgets=budgets({"host": {"max_size_mb": 1}}))
    assert (found.outcome, len(found.doubts)) == (UNJUDGED, 1)


def test_a_second_check_asks_more_of_the_first(
    report: Callable[..., Path], budgets: Callable[..., Path]
) -> None:
    p50 = laddered(1.8, 2.0, 2.2, at=0.99, wide=2.0)
    path = report(p50=p50, p90=p50)
    alone = edgedistill.judge(path, budgets=budgets({"host": {"latency_p50_ms": 2.3}}))
    assert alone.outcome is PASS
    limits = {"latency_p50_ms": 2.3, "latency_p90_ms": 9.0}
    together = edgedistill.judge(path, budgets=budgets({"host": limits}))
    (first, second) = together.verdicts[0].checks
    assert (first.outcome, second.outcome) == (UNJUDGED, PASS)
    assert first.figure is not None
    assert first.figure.confidence == 0.99
    assert "at 99 % confidence" in first.reason
    assert together.verdicts[0].each == pytest.approx(0.975)


def test_checks_are_counted_over_all_targets(
    report: Callable[..., Path], budgets: Callable[..., Path]
) -> None:
    p50 = laddered(1.8, 2.0, 2.2, at=0.99, wide=2.0)
    paths = report(p50=p50), report("pi", p50=p50)
    limits = {"latency_p50_ms": 2.3}
    found = edgedistill.judge(*paths, budgets=budgets({"host": limits, "pi": limits}))
    assert found.outcome is UNJUDGED
    lower = budgets({"host": limits, "pi": limits}, confidence=0.9)
    assert edgedistill.judge(*paths, budgets=lower).outcome is PASS


def test_an_exact_figure_costs_no_confidence(
    report: Callable[..., Path], budgets: Callable[..., Path]
) -> None:
    path = report(p50=quantity(1.8, 2.0, 2.2))
    limits = {"latency_p50_ms": 2.3, "max_size_mb": 1.0, "min_int8_share": 0.5}
    verdict = edgedistill.judge(path, budgets=budgets({"host": limits})).verdicts[0]
    assert [check.outcome for check in verdict.checks] == [PASS, PASS, UNJUDGED]
    assert verdict.each == 0.95


def test_an_older_report_says_how_to_get_the_confidence(
    report: Callable[..., Path], budgets: Callable[..., Path]
) -> None:
    figure = quantity(1.8, 2.0, 2.2)
    path = report(p50=figure, p90=figure)
    limits = {"latency_p50_ms": 99.0, "latency_p90_ms": 99.0}
    found = edgedistill.judge(path, budgets=budgets({"host": limits}))
    assert found.outcome is UNJUDGED
    for check in found.verdicts[0].checks:
        assert "only if each holds at 97.5 %" in check.reason
        assert "Make the report again with this edgedistill" in check.reason


def test_a_warning_lets_the_rest_decide_and_is_no_pass(
    report: Callable[..., Path], budgets: Callable[..., Path]
) -> None:
    warns = {"limit": "1 mJ", "on_unjudged": "warn"}
    path = report()
    found = edgedistill.judge(
        path, budgets=budgets({"host": {"max_size_mb": 1, "max_energy_mj": warns}})
    )
    assert found.outcome is PASS
    assert [check.outcome for check in found.verdicts[0].checks] == [PASS, UNJUDGED]
    assert "WARNING  max_energy_mj" in str(found)
    alone = edgedistill.judge(path, budgets=budgets({"host": {"max_energy_mj": warns}}))
    assert alone.outcome is UNJUDGED
    failed = edgedistill.judge(
        path, budgets=budgets({"host": {"max_size_mb": 0.1, "max_energy_mj": warns}})
    )
    assert failed.outcome is FAIL


def test_a_warning_is_none_where_the_limit_fails(
    report: Callable[..., Path], budgets: Callable[..., Path]
) -> None:
    limits = {"max_size_mb": {"limit": "0.1 MB", "on_unjudged": "warn"}}
    assert edgedistill.judge(report(), budgets=budgets({"host": limits})).outcome is FAIL


def test_a_target_without_limits_is_unjudged_beside_one_that_passes(
    report: Callable[..., Path], budgets: Callable[..., Path]
) -> None:
    paths = report(), report("pi")
    found = edgedistill.judge(*paths, budgets=budgets({"host": {"max_size_mb": 1}, "pi": {}}))
    assert found.outcome is UNJUDGED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema_version: 1\ntargets: {host: {latency_p50_ms: 12 s}}\n", "is in s"),
        ("schema_version: 1\ntargets: {host: {latency_p50_ms: .nan}}\n", "not a finite number"),
        ("schema_version: 1\ntargets: {host: {}, host: {}}\n", "stands in line 2 already"),
        ("schema_version: 1\ntargets: {host: {latency_p50_ms: 12\n", "budgets.yaml"),
        ("", "is not a mapping"),
    ],
)
def test_a_bad_budgets_file_is_bad_input(
    report: Callable[..., Path], tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "budgets.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        edgedistill.judge(report(), budgets=path)
    assert words in str(caught.value)


def test_a_report_of_a_newer_schema_or_cut_off_is_bad_input(report: Callable[..., Path]) -> None:
    path = report()
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match="is cut off"):
        edgedistill.judge(path)
    path.write_text(json.dumps(json.loads(text) | {"schema_version": 3}))
    with pytest.raises(InputError, match="comes from a newer edgedistill"):
        edgedistill.judge(path)
