"""Baselines and device reports, through the gate itself."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from judged_reports import conditions, device_report, quantity, report

from edgedistill import GateInputs, GateResult, judge, target_profile, update_baselines
from edgedistill.cli.gate import gate
from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Evidence
from edgedistill.core.relative_latency import RelativeLatency
from edgedistill.core.report import Latency
from edgedistill.core.strict import plain
from edgedistill.core.verdict import Outcome
from edgedistill.errors import InputError
from edgedistill.render.document import report_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.strict import Strict

RATIO = Budget(max_latency_p50_ratio=1.05)
MODEL, OLD = b"a model", b"an older model"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a report and its model side by side, and gives the report's place."""

    def made(name: str, model: bytes = MODEL, **changes: Any) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(model)
        return save(folder / "report.json", report(sha256=sha256(model), **changes))

    return made


def save(path: Path, document: Strict) -> Path:
    path.write_text(report_text(document), encoding="utf-8")
    return path


def told(result: GateResult) -> dict[str, tuple[Outcome, str]]:
    (verdict,) = result.verdicts
    return {check.budget: (check.outcome, check.reason) for check in verdict.checks}


def test_a_device_report_of_the_model_under_test_is_judged(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    source = write("a", budget=Budget(latency_p50_ms=3.0))
    assert judge(source).outcome is Outcome.UNJUDGED
    file = save(tmp_path / "device.json", device_report(model_sha256=sha256(MODEL)))
    inputs = GateInputs(device_reports=(file,))
    assert judge(source, inputs=inputs).outcome is Outcome.PASS
    slow = Latency(p50_ms=quantity(5.0), stable=True)
    save(file, device_report(model_sha256=sha256(MODEL), latency=slow))
    assert judge(source, inputs=inputs).outcome is Outcome.FAIL


def test_a_device_report_of_another_model_leaves_the_gate_unjudged(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    source = write("a", budget=Budget(max_size_mb=1.0))
    assert judge(source).outcome is Outcome.PASS
    file = save(tmp_path / "device.json", device_report())
    found = judge(source, inputs=GateInputs(device_reports=(file,)))
    assert found.outcome is Outcome.UNJUDGED
    assert "is of another model" in found.doubts[0]
    other = device_report(target="other", conditions=conditions("other"))
    found = judge(source, inputs=GateInputs(device_reports=(save(file, other),)))
    assert found.outcome is Outcome.UNJUDGED
    assert "is of target other" in found.doubts[0]


@pytest.mark.parametrize(
    ("limit", "outcome"), [(1.05, Outcome.PASS), (1.0, Outcome.PASS), (0.9, Outcome.FAIL)]
)
def test_a_model_is_exactly_as_fast_as_itself(
    write: Callable[..., Path], tmp_path: Path, limit: float, outcome: Outcome
) -> None:
    source = write("a", budget=Budget(max_latency_p50_ratio=limit))
    update_baselines(source, out=tmp_path / "baselines")
    for baseline in (tmp_path / "baselines", tmp_path / "baselines" / "board.json", source):
        assert judge(source, inputs=GateInputs(baselines=(baseline,))).outcome is outcome


def test_stored_milliseconds_are_no_ratio(write: Callable[..., Path], tmp_path: Path) -> None:
    measured = {"latency": Latency(p50_ms=quantity(2.0), stable=True)}
    source = write("new", budget=RATIO, shipped=measured, conditions=conditions())
    old = write("old", OLD, shipped=measured, conditions=conditions())
    assert "there is no baseline" in told(judge(source))["max_latency_p50_ratio"][1].lower()
    update_baselines(old, out=tmp_path / "b.json")
    outcome, reason = told(judge(source, inputs=GateInputs(baselines=(tmp_path / "b.json",))))[
        "max_latency_p50_ratio"
    ]
    assert outcome is Outcome.UNJUDGED
    assert "--baseline-model" in reason
    outcome, reason = told(judge(source, inputs=GateInputs(baselines=(old,))))[
        "max_latency_p50_ratio"
    ]
    assert outcome is Outcome.UNJUDGED
    assert "is not a known target" in reason


@pytest.mark.parametrize(("ratio", "outcome"), [(0.8, Outcome.PASS), (2.0, Outcome.FAIL)])
def test_a_ratio_that_was_measured_on_the_device_travels_with_its_report(
    write: Callable[..., Path], tmp_path: Path, ratio: float, outcome: Outcome
) -> None:
    source, old = write("new", budget=RATIO), write("old", OLD)
    relative = RelativeLatency(
        model_sha256=sha256(MODEL),
        baseline_sha256=sha256(OLD),
        ratios={"latency_p50_ms": quantity(ratio)},
        starts=32,
        conditions=conditions(),
    )
    measured = device_report(model_sha256=sha256(MODEL), relative=relative)
    file = save(tmp_path / "device.json", measured)
    inputs = GateInputs(baselines=(old,), device_reports=(file,))
    assert told(judge(source, inputs=inputs))["max_latency_p50_ratio"][0] is outcome
    third = write("third", b"a third model")
    inputs = GateInputs(baselines=(third,), device_reports=(file,))
    found = told(judge(source, inputs=inputs))["max_latency_p50_ratio"]
    assert found[0] is Outcome.UNJUDGED, "the ratio is to another baseline"


def test_a_baseline_of_another_target_is_told(write: Callable[..., Path]) -> None:
    source, other = write("new", budget=RATIO), write("other", OLD, target="other")
    outcome, reason = told(judge(source, inputs=GateInputs(baselines=(other,))))[
        "max_latency_p50_ratio"
    ]
    assert outcome is Outcome.UNJUDGED
    assert "the baseline is of other" in reason.lower()


def test_baselines_that_contradict_each_other_are_refused(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    source, old = write("new"), write("old", OLD)
    with pytest.raises(InputError, match="is the target of"):
        judge(source, inputs=GateInputs(baselines=(source, old)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds neither baselines nor a run"):
        judge(source, inputs=GateInputs(baselines=(tmp_path / "empty",)))
    stray = tmp_path / "stray.onnx"
    stray.write_bytes(b"a stray")
    for model in (stray, tmp_path / "absent.onnx"):
        inputs = GateInputs(baselines=(old,), baseline_models=(model,))
        with pytest.raises(InputError, match="is not the ONNX file of a baseline"):
            judge(source, inputs=inputs)


def test_other_limits_are_held_against_a_baseline_as_well(write: Callable[..., Path]) -> None:
    budget = Budget(max_size_ratio=1.1, max_accuracy_drop_from_baseline=0.5)
    accuracy = quantity(0.85, Evidence.MEASURED_ON_STAND_IN)
    source = write("new", budget=budget, shipped={"accuracy": accuracy})
    found = told(judge(source, inputs=GateInputs(baselines=(write("old", OLD),))))
    assert found["max_size_ratio"][0] is Outcome.PASS


def test_the_command_takes_them(write: Callable[..., Path], tmp_path: Path) -> None:
    source = write("a", budget=Budget(max_latency_p50_ratio=1.05, latency_p50_ms=3.0))
    file = save(tmp_path / "device.json", device_report(model_sha256=sha256(MODEL)))
    update_baselines(source, out=tmp_path / "b.json")
    given = ["--baseline", str(tmp_path / "b.json"), "--device-report", str(file)]
    passed = CliRunner().invoke(gate, [str(source), *given])
    assert passed.exit_code == 0, passed.output
    lacking = CliRunner().invoke(gate, [str(source), *given[:2]])
    assert lacking.exit_code == 3


def test_the_gate_runs_both_models_where_the_device_is_here(
    onnx_classifier: Callable[..., Path], write: Callable[..., Path], tmp_path: Path
) -> None:
    """Two starts are too few for any interval: that says that they were made."""
    own = plain(target_profile("host")) | {"name": "own-board", "title": "A board of ours"}
    (tmp_path / "own-board.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    sources = []
    for name in ("new", "old"):
        weight = np.full((4, 2), len(name) + len(sources))
        model = onnx_classifier(tmp_path / "any.onnx", weight, (2, 2)).read_bytes()
        sources.append(write(name, model, budget=RATIO, target="own-board"))
    inputs = GateInputs(baselines=(sources[1],), folders=(tmp_path,), looks=(2,))
    outcome, reason = told(judge(sources[0], inputs=inputs))["max_latency_p50_ratio"]
    assert outcome is Outcome.UNJUDGED
    assert "2 starts are too few for an interval at 95 % confidence" in reason


def test_without_a_runtime_installed_the_ratio_is_unjudged_and_says_so(
    write: Callable[..., Path],
) -> None:
    """As where a server installed no more than judging needs."""
    program = (
        "import sys\n"
        "sys.modules['onnxruntime'] = None\n"
        "from edgedistill import GateInputs, judge\n"
        "print(judge(sys.argv[1], inputs=GateInputs(baselines=(sys.argv[2],))))\n"
    )
    given = [str(write("new", budget=RATIO)), str(write("old", OLD))]
    ended = subprocess.run(
        [sys.executable, "-c", program, *given], capture_output=True, text=True, check=True
    )
    assert "needs the package onnxruntime" in " ".join(ended.stdout.split())
    assert ended.stdout.rstrip().endswith("UNJUDGED")
