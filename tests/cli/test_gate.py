from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from gated_reports import build_report

from edgedistill.__main__ import main
from edgedistill.render.document import report_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = b"a model"


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the gate over a report, whose model has half a megabyte, under a budgets file."""
    report = build_report()
    row = report.rows[0].model_copy(update={"model_sha256": hashlib.sha256(MODEL).hexdigest()})
    (tmp_path / "model.onnx").write_bytes(MODEL)
    path = tmp_path / "report.json"
    path.write_text(report_text(report.model_copy(update={"rows": (row,)})), encoding="utf-8")

    def run(limits: str, *options: str) -> tuple[int, str, str]:
        budgets = tmp_path / "budgets.yaml"
        budgets.write_text(f"schema_version: 1\ntargets: {{host: {limits}}}\n")
        with pytest.raises(SystemExit) as ended:
            main(["gate", str(path), "--budgets", str(budgets), *options])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


@pytest.mark.parametrize(
    ("limits", "code", "last"),
    [
        ("{max_size_mb: 1 MB}", 0, "PASS"),
        ("{max_size_mb: 0.4 MB}", 1, "FAIL"),
        ("{max_size_mb: 1 MB, max_energy_mj: 5 mJ}", 3, "UNJUDGED"),
        (
            "{max_size_mb: 1 MB, max_energy_mj: {limit: 5 mJ, on_unjudged: warn}}",
            0,
            "PASS with 1 warning",
        ),
        ("{max_energy_mj: {limit: 5 mJ, on_unjudged: warn}}", 3, "UNJUDGED with 1 warning"),
        ("{}", 3, "UNJUDGED"),
    ],
)
def test_the_exit_code_and_the_last_line_are_the_outcome(
    gate: Callable[..., tuple[int, str, str]], limits: str, code: int, last: str
) -> None:
    ended, said, _ = gate(limits)
    assert (ended, said.splitlines()[-1]) == (code, last)


def test_a_warning_is_shown_as_one(gate: Callable[..., tuple[int, str, str]]) -> None:
    limits = "{max_size_mb: 1 MB, max_energy_mj: {limit: 5 mJ, on_unjudged: warn}}"
    _, said, _ = gate(limits)
    (line,) = [line for line in said.splitlines() if "max_energy_mj" in line]
    assert line.split()[0] == "WARNING"
    assert "PASS" not in line


def test_a_bad_budgets_file_is_exit_code_2_and_leaves_no_old_result(
    gate: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    files = tmp_path / "gate.xml", tmp_path / "gate.json"
    views = ("--junit", str(files[0]), "--json", str(files[1]))
    assert gate("{max_size_mb: 1 MB}", *views)[0] == 0
    assert ElementTree.parse(files[0]).getroot().get("errors") == "0"
    ended, _, told = gate("{max_size_mb: 1 s}", *views)
    assert ended == 2
    assert "targets.host.max_size_mb: is in s, and this limit is in MB (given: '1 s')" in told
    assert ElementTree.parse(files[0]).getroot().get("errors") == "1"
    assert json.loads(files[1].read_text())["exit_code"] == 2


def test_the_written_result_tells_confidence_limit_and_warning(
    gate: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    written = tmp_path / "gate.json"
    limits = "{min_accuracy: 80 %, max_energy_mj: {limit: 5 mJ, on_unjudged: warn}}"
    gate(limits, "--json", str(written))
    document = json.loads(written.read_text())
    accuracy, energy = document["targets"][0]["checks"]
    assert document["confidence"] == 0.95
    assert (accuracy["limit"], accuracy["unit"], accuracy["side"]) == (0.8, "fraction", "at least")
    assert (accuracy["outcome"], accuracy["warned"]) == ("PASS", False)
    assert (energy["outcome"], energy["warned"], energy["figure"]) == ("UNJUDGED", True, None)


def test_a_budgets_file_that_is_not_there_is_bad_input(
    gate: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    ended, _, told = gate("{max_size_mb: 1 MB}", "--budgets", str(tmp_path / "nowhere.yaml"))
    assert ended == 2
    assert "nowhere.yaml" in told
