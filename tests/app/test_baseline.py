from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from judged_reports import conditions, device_report, quantity, report

import edgedistill
from edgedistill.app.baseline import baseline_model_file, update_baselines
from edgedistill.cli.baseline import baseline as command
from edgedistill.core.evidence import Evidence
from edgedistill.core.report import Latency
from edgedistill.errors import InputError
from edgedistill.render.document import read_baseline, report_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.report import Report


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a report and its model side by side, and gives the report's place."""

    def made(name: str, model: bytes = b"a model", **changes: Any) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(model)
        whole: Report = report(sha256=sha256(model), **changes)
        (folder / "report.json").write_text(report_text(whole), encoding="utf-8")
        return folder / "report.json"

    return made


def test_a_baseline_holds_the_figures_that_a_budget_may_limit(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    (change,) = update_baselines(write("a"), out=tmp_path / "baseline.json")
    held = read_baseline(tmp_path / "baseline.json")
    assert change.changes
    assert change.old is None
    assert held == change.new
    assert held.model_sha256 == sha256(b"a model")
    assert held.model is None
    assert held.edgedistill_version == "1.0"
    shipped = report().shipped()
    assert shipped.latency is not None
    assert held.figures["latency_p50_ms"] == shipped.latency.p50_ms
    assert held.figures["min_accuracy"] == shipped.accuracy
    assert held.figures["max_size_mb"] == shipped.size_mb
    assert "latency_p95_ms" not in held.figures
    assert baseline_model_file(tmp_path / "baseline.json", held) is None


def test_the_same_report_gives_the_same_bytes_and_no_change(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    source, file = write("a"), tmp_path / "baseline.json"
    update_baselines(source, out=file)
    before = file.read_bytes()
    (change,) = update_baselines(source, out=file)
    assert not change.changes
    assert {figure.verdict for figure in change.figures} == {"same"}
    assert file.read_bytes() == before
    again = tmp_path / "again.json"
    update_baselines(source, out=again)
    assert again.read_bytes() == before
    assert list(json.loads(before)) == sorted(json.loads(before))


def test_what_changes_is_told_with_the_intervals_in_mind(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "baseline.json"
    first = {"accuracy": quantity(0.8, Evidence.MEASURED_ON_STAND_IN), "peak_memory_mb": None}
    second = {
        "accuracy": quantity(0.81, Evidence.MEASURED_ON_STAND_IN),
        "peak_memory_mb": quantity(7.0, Evidence.ESTIMATED),
        "energy_mj": quantity(12.0, Evidence.ESTIMATED),
        "latency": Latency(p50_ms=quantity(2.0), p90_ms=quantity(2.5), stable=True),
    }
    update_baselines(write("a", shipped=first), out=file)
    (change,) = update_baselines(write("b", b"another", shipped=second), out=file)
    found = {figure.budget: figure for figure in change.figures}
    assert found["min_accuracy"].verdict == "not apart"
    assert found["min_accuracy"].difference == pytest.approx(0.01)
    assert found["max_peak_memory_mb"].verdict == "new"
    assert found["max_peak_memory_mb"].difference is None
    assert found["max_energy_mj"].verdict == "worse"
    assert found["latency_p50_ms"].verdict == "better"
    assert found["latency_p50_ms"].difference == pytest.approx(-2.0)
    (back,) = update_baselines(write("a", shipped=first), out=file)
    found = {figure.budget: figure for figure in back.figures}
    assert found["max_peak_memory_mb"].verdict == "gone"
    assert found["latency_p90_ms"].verdict == "gone"
    assert found["latency_p50_ms"].verdict == "worse"


def test_more_accuracy_is_better_and_less_is_worse(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "baseline.json"
    low, high = ({"accuracy": quantity(value)} for value in (0.5, 0.9))
    update_baselines(write("low", shipped=low), out=file)
    for name, row, verdict in (("high", high, "better"), ("low", low, "worse")):
        (change,) = update_baselines(write(name, shipped=row), out=file)
        found = {figure.budget: figure.verdict for figure in change.figures}
        assert found["min_accuracy"] == verdict


def test_checking_writes_nothing(write: Callable[..., Path], tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    (change,) = update_baselines(write("a"), out=file, with_model=True, check=True)
    assert change.changes
    assert not file.exists()
    assert not (tmp_path / "baseline.onnx").exists()


def test_the_model_is_kept_beside_it_until_told_otherwise(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    file, beside = tmp_path / "base.json", tmp_path / "base.onnx"
    update_baselines(write("a"), out=file, with_model=True)
    assert beside.read_bytes() == b"a model"
    assert baseline_model_file(file, read_baseline(file)) == beside
    update_baselines(write("b", b"another"), out=file)
    assert beside.read_bytes() == b"another"
    beside.unlink()
    (change,) = update_baselines(write("b", b"another"), out=file, check=True)
    assert change.changes, "a model that is gone is written again"
    (change,) = update_baselines(write("b", b"another"), out=file, with_model=False)
    assert change.changes
    assert read_baseline(file).model is None


def test_a_file_that_is_not_the_baselines_is_not_overwritten(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "base.onnx").write_bytes(b"somebody's")
    with pytest.raises(InputError, match="is not the baseline's model"):
        update_baselines(write("a"), out=tmp_path / "base.json", with_model=True)
    assert not (tmp_path / "base.json").exists()
    other = tmp_path / "package.json"
    other.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is not an edgedistill baseline"):
        update_baselines(write("a"), out=other)
    assert other.read_text(encoding="utf-8") == "{}"


def test_each_target_has_a_file_in_a_folder(write: Callable[..., Path], tmp_path: Path) -> None:
    both = [write("a"), write("b", target="other")]
    changes = update_baselines(*both, out=tmp_path / "baselines")
    assert [change.new.target for change in changes] == ["board", "other"]
    found = sorted(path.name for path in (tmp_path / "baselines").iterdir())
    assert found == ["board.json", "other.json"]
    with pytest.raises(InputError, match="there are several targets"):
        update_baselines(*both, out=tmp_path / "one.json")
    with pytest.raises(InputError, match="a target has one baseline"):
        update_baselines(write("a"), write("c"), out=tmp_path / "baselines")
    with pytest.raises(InputError, match="is the baseline of another target"):
        update_baselines(both[1], out=tmp_path / "baselines" / "board.json")


def test_a_target_that_is_a_path_writes_nothing(write: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not the name of a target"):
        update_baselines(write("a", target="../../stray"), out=tmp_path / "baselines")
    assert not (tmp_path / "baselines").exists()


def test_a_run_that_is_not_whole_makes_no_baseline(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    source = write("a")
    (source.parent / "model.onnx").write_bytes(b"exchanged")
    with pytest.raises(InputError, match="is not the model that"):
        update_baselines(source, out=tmp_path / "b.json")
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="neither a run folder nor a report"):
        update_baselines(tmp_path / "run", out=tmp_path / "b.json")
    state = {"state": "running", "targets": ["board"]}
    (tmp_path / "run" / "run.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(InputError, match="the run is not complete"):
        update_baselines(tmp_path / "run", out=tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()


def test_what_a_device_measured_elsewhere_becomes_the_baseline(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    source = write("a")
    device = tmp_path / "device.json"
    measured = device_report(model_sha256=sha256(b"a model"))
    device.write_text(report_text(measured), encoding="utf-8")
    (change,) = edgedistill.update_baselines(
        source, out=tmp_path / "b.json", device_reports=[device]
    )
    assert change.new.figures["latency_p50_ms"].evidence is Evidence.MEASURED_ON_DEVICE
    assert change.new.conditions == conditions()
    device.write_text(report_text(device_report()), encoding="utf-8")
    with pytest.raises(InputError, match="another model"):
        update_baselines(source, out=tmp_path / "c.json", device_reports=[device])


def test_the_command_shows_what_changes_and_checks(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "b.json"
    source, out = str(write("a")), ["--out", str(file)]
    runner = CliRunner()
    checked = runner.invoke(command, [source, *out, "--check"])
    assert checked.exit_code == 1
    assert "to be made" in checked.output
    written = runner.invoke(command, [source, *out])
    assert written.exit_code == 0, written.output
    assert "latency_p50_ms" in written.output
    again = runner.invoke(command, [source, *out, "--check"])
    assert again.exit_code == 0
    assert "nothing changes" in again.output
