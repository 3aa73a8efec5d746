from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from edgedistill.app.gate_views import tell_gate
from edgedistill.app.outcome import GateResult
from edgedistill.core.figure import Evidence, Figure
from edgedistill.core.verdict import Check, Outcome, Verdict
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path


def result(
    outcome: Outcome, *, figure: Figure | None = None, doubts: tuple[str, ...] = ()
) -> GateResult:
    check = Check("max_size_mb", 1.0, outcome, figure, "Its reason")
    return GateResult((Verdict(run="demo", target="host", checks=(check,)),), doubts)


def figure(value: float) -> Figure:
    return Figure(
        value=value,
        low=value,
        high=value,
        confidence=1.0,
        evidence=Evidence.COUNTED,
        samples=1,
        method="bytes",
    )


@pytest.mark.parametrize("outcome", Outcome)
def test_all_files_are_written_whatever_the_outcome(tmp_path: Path, outcome: Outcome) -> None:
    summary = tmp_path / "summary.md"
    text = tell_gate(
        result(outcome),
        junit=tmp_path / "new" / "gate.xml",
        json_file=tmp_path / "gate.json",
        github={"GITHUB_STEP_SUMMARY": str(summary)},
    )
    assert text.splitlines()[-1] == outcome.value
    assert text.startswith("::")
    assert ElementTree.parse(tmp_path / "new" / "gate.xml").getroot().tag == "testsuites"
    document = json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))
    assert (document["outcome"], document["exit_code"]) == (outcome, outcome.exit_code)
    assert summary.read_text(encoding="utf-8").startswith(f"## edgedistill gate: {outcome}")
    assert {path.name for path in tmp_path.rglob("*")} == {
        *("new", "gate.xml", "gate.json", "summary.md")
    }


def test_without_github_nothing_is_a_command_and_nothing_is_written(tmp_path: Path) -> None:
    text = tell_gate(result(Outcome.FAIL))
    assert "::" not in text
    assert list(tmp_path.iterdir()) == []


def test_the_summary_of_other_steps_is_kept(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("An earlier step\n", encoding="utf-8")
    for outcome in (Outcome.PASS, Outcome.FAIL):
        tell_gate(result(outcome), github={"GITHUB_STEP_SUMMARY": str(summary)})
    headings = [line for line in summary.read_text("utf-8").splitlines() if line.startswith("#")]
    assert summary.read_text(encoding="utf-8").startswith("An earlier step\n")
    assert headings == ["## edgedistill gate: PASS", "## edgedistill gate: FAIL"]


def test_github_without_a_summary_file_gets_its_annotations() -> None:
    assert tell_gate(result(Outcome.FAIL), github={}).startswith("::error ")


def test_a_summary_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the job's summary cannot be written"):
        tell_gate(result(Outcome.PASS), github={"GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_what_was_refused_is_in_every_view_and_never_a_pass(tmp_path: Path) -> None:
    faults = [
        Fault(file=f"{name}.json", problem="is cut off", remedy="Make it again")
        for name in ("first", "second")
    ]
    text = tell_gate(
        InputError(*faults),
        junit=tmp_path / "gate.xml",
        json_file=tmp_path / "gate.json",
        github={},
    )
    assert text.splitlines()[-1] == "UNJUDGED"
    assert text.count("::error ") == 2
    document = json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))
    assert (document["exit_code"], len(document["doubts"])) == (2, 2)
    assert ElementTree.parse(tmp_path / "gate.xml").getroot().get("errors") == "2"


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_broken_figure_is_left_out_and_the_check_stays(tmp_path: Path, broken: float) -> None:
    found = result(Outcome.UNJUDGED, figure=figure(broken))
    tell_gate(found, junit=tmp_path / "gate.xml", json_file=tmp_path / "gate.json")
    (target,) = json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))["targets"]
    assert [check["figure"] for check in target["checks"]] == [None]
    assert ElementTree.parse(tmp_path / "gate.xml").getroot().get("errors") == "1"


def test_a_file_name_that_is_no_text_is_shown_all_the_same(tmp_path: Path) -> None:
    found = result(Outcome.PASS, doubts=("runs/\udcff: the run is not complete",))
    text = tell_gate(
        found, junit=tmp_path / "gate.xml", json_file=tmp_path / "gate.json", github={}
    )
    assert text.encode()
    assert json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))["doubts"]


def test_a_result_prints_as_the_gate_does() -> None:
    assert str(result(Outcome.PASS)).splitlines() == [
        "host",
        "  PASS     max_size_mb: Its reason",
        "1 check passed.",
        "PASS",
    ]
