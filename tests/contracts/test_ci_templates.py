"""The GitHub Action and the GitLab job do what they promise: their own scripts are run here."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edgedistill.core.budget import Budget
from edgedistill.core.budgets_document import budgets_of
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.report import Choice, Provenance, Report, Row
from edgedistill.render.document import report_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

REPOSITORY = Path(__file__).parents[2]
ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
GITLAB = yaml.safe_load((REPOSITORY / ".gitlab/edgedistill-gate.yml").read_text(encoding="utf-8"))
JOB = GITLAB["edgedistill-gate"]
EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")
BUDGETS = {
    "PASS": Budget(max_size_mb=1.0, min_accuracy=0.85),
    "FAIL": Budget(max_size_mb=0.1, min_accuracy=0.85),
    "UNJUDGED": Budget(max_size_mb=1.0, min_accuracy=0.9),
}
"""Budgets for a model of half a megabyte whose accuracy lies between 0.88 and 0.92."""
CODES = {"PASS": 0, "FAIL": 1, "UNJUDGED": 3}


def write_report(folder: Path, budget: Budget, target: str = "host") -> Path:
    """A report beside the model that it is about."""
    model = b"a model"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model)
    accuracy = Quantity(
        value=0.9,
        low=0.88,
        high=0.92,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_STAND_IN,
        samples=400,
        method="score interval",
        wider=({"confidence": 0.99, "low": 0.87, "high": 0.93},),
    )
    row = Row(
        step="int8",
        precision="int8",
        model_sha256=hashlib.sha256(model).hexdigest(),
        accuracy=accuracy,
        test_accuracy=None,
        accuracy_drop=None,
        agreement=None,
        worst_class=None,
        worst_group=None,
        latency=None,
        size_mb=counted(0.5, "bytes of the file"),
        macs=counted(1e6, "graph"),
        parameters=counted(1e5, "graph"),
    )
    report = Report(
        schema_version=2,
        run="demo",
        target=target,
        target_title="A machine",
        runtime="cpu",
        budget=budget,
        rows=(row,),
        choice=Choice(step="int8", model="model.onnx", decided=True, reason="the only one"),
        conditions=None,
        class_names=("no", "yes"),
        preprocessing={},
        provenance=Provenance(
            recipe_sha256="1" * 64,
            data_sha256="2" * 64,
            data_source="sklearn:digits",
            seed=0,
            versions={},
            steps={},
        ),
    )
    path = folder / "report.json"
    path.write_text(report_text(report), encoding="utf-8")
    return path


def run_script(
    script: str, folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs a script as both servers do: a file of its own, which ends at the first error."""
    file = folder / ".script.sh"
    file.write_text(script, encoding="utf-8")
    program = Path(sys.executable).parent
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", file.name],
        cwd=folder,
        env={
            "PATH": f"{program}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "LC_ALL": "C.UTF-8",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


class GitHub:
    """A runner for the action's steps, with the files that GitHub gives a job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs_file = folder / "outputs"
        self.summary_file = folder / "summary.md"

    def run(self, step: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        (found,) = [one for one in ACTION["runs"]["steps"] if one["id"] == step]
        given = {name: said.get("default", "") for name, said in ACTION["inputs"].items()}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        self.outputs_file.touch()
        self.summary_file.touch()
        environment = {name: self._filled(text, given) for name, text in found["env"].items()}
        return run_script(
            found["run"],
            self.folder,
            {
                "GITHUB_OUTPUT": str(self.outputs_file),
                "GITHUB_STEP_SUMMARY": str(self.summary_file),
                "RUNNER_TEMP": str(self.folder / "temp"),
                **environment,
            },
        )

    def _filled(self, text: str, inputs: Mapping[str, str]) -> str:
        contexts = {f"inputs.{name}": value for name, value in inputs.items()} | {
            "github.action_path": str(REPOSITORY),
            "runner.temp": str(self.folder / "temp"),
            "steps.install.outputs.program || 'edgedistill'": "edgedistill",
        }
        return EXPRESSION.sub(lambda found: contexts[found[1]], text)

    @property
    def outputs(self) -> dict[str, str]:
        lines = self.outputs_file.read_text().splitlines()
        return dict(line.split("=", maxsplit=1) for line in lines)


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    return GitHub(tmp_path)


def results(junit: Path) -> list[str]:
    """What the cases of a JUnit file ended as, without those that passed."""
    tags = ("failure", "error", "skipped")
    return [one.tag for one in ElementTree.parse(junit).iter() if one.tag in tags]


@pytest.mark.parametrize("outcome", CODES)
def test_the_action_judges_and_tells(github: GitHub, outcome: str) -> None:
    write_report(github.folder / "runs" / "a b", BUDGETS[outcome])
    ended = github.run("gate", reports="runs/*/report.json")
    assert ended.returncode == CODES[outcome], ended.stderr
    assert github.outputs["outcome"] == outcome
    assert github.outputs["exit-code"] == str(CODES[outcome])
    assert ended.stdout.splitlines()[-1] == outcome
    assert f"## edgedistill gate: {outcome}" in github.summary_file.read_text(encoding="utf-8")
    level = "notice" if outcome == "PASS" else "error"
    assert ended.stdout.startswith(f"::{level} title=")
    expected = {"PASS": [], "FAIL": ["failure"], "UNJUDGED": ["error"]}[outcome]
    assert results(github.folder / "edgedistill-gate.xml") == expected
    document = json.loads((github.folder / "edgedistill-gate.json").read_text(encoding="utf-8"))
    assert (document["outcome"], document["exit_code"]) == (outcome, CODES[outcome])


def test_the_action_takes_several_reports_a_line_each(github: GitHub) -> None:
    write_report(github.folder / "one", BUDGETS["PASS"])
    write_report(github.folder / "two", BUDGETS["FAIL"], target="raspberry-pi-4")
    ended = github.run("gate", reports="one/report.json\ntwo/report.json\n", junit="found.xml")
    assert (ended.returncode, github.outputs["outcome"]) == (1, "FAIL")
    suites = ElementTree.parse(github.folder / "found.xml").iter("testsuite")
    assert [suite.get("name") for suite in suites] == ["host", "raspberry-pi-4"]


WARNED = """
schema_version: 1
targets:
  host:
    max_size_ratio: 1.0
    max_energy_mj: {limit: 5 mJ, on_unjudged: warn}
"""


def write_budgets_and_baseline(folder: Path) -> None:
    write_report(folder / "run", BUDGETS["FAIL"])  # whose own budget no longer counts
    write_report(folder / "before", BUDGETS["PASS"])
    (folder / "budgets.yaml").write_text(WARNED, encoding="utf-8")


def test_the_action_takes_budgets_and_a_baseline_and_counts_warnings(github: GitHub) -> None:
    write_budgets_and_baseline(github.folder)
    ended = github.run(
        "gate",
        reports="run/report.json",
        budgets="budgets.yaml",
        baseline="before/report.json",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert github.outputs == {"outcome": "PASS", "warnings": "1", "exit-code": "0"}
    assert ended.stdout.startswith("::warning title=WARNING host%3A max_energy_mj::")
    assert ended.stdout.splitlines()[-1] == "PASS with 1 warning"
    assert results(github.folder / "edgedistill-gate.xml") == ["skipped"]
    assert "PASS with 1 warning" in github.summary_file.read_text(encoding="utf-8")


@pytest.mark.parametrize("reports", ["", "nowhere/*.json", "report.json"])
def test_what_cannot_be_read_is_an_error_and_no_file_of_before_is_left(
    github: GitHub, reports: str
) -> None:
    (github.folder / "report.json").write_text('{"kind": "edgedistill-report", "sch')
    for stale in ("edgedistill-gate.xml", "edgedistill-gate.json"):
        (github.folder / stale).write_text("a PASS of last week")
    ended = github.run("gate", reports=reports)
    assert ended.returncode == 2
    assert github.outputs["outcome"] == "ERROR"
    assert "::error title=" in ended.stdout
    for file in github.folder.glob("edgedistill-gate.*"):
        assert "last week" not in file.read_text(encoding="utf-8")


def test_a_crash_of_the_program_is_an_error(github: GitHub) -> None:
    broken = github.folder / "edgedistill"
    broken.write_text("#!/bin/sh\necho '::warning::x ##[error]y' >&2\nexit 70\n")
    broken.chmod(0o755)
    step = next(one for one in ACTION["runs"]["steps"] if one["id"] == "gate")
    environment = dict.fromkeys(step["env"], "") | {"PROGRAM": str(broken), "JUNIT": "x.xml"}
    environment |= {"JSON": "x.json", "GITHUB_OUTPUT": str(github.outputs_file)}
    ended = run_script(step["run"], github.folder, environment)
    assert (ended.returncode, github.outputs["outcome"]) == (70, "ERROR")
    assert ended.stderr == ": :warning::x ## [error]y\n"


HOSTILE = ('"; touch pwned; "', "$(touch pwned)", "--help", "x' && touch pwned #")


@pytest.mark.parametrize("value", HOSTILE)
def test_no_input_becomes_code_or_an_option(github: GitHub, value: str) -> None:
    lists = ("reports", "budgets", "baseline", "baseline_models", "device_reports", "on_device")
    ended = github.run("gate", **dict.fromkeys(lists, value))
    assert ended.returncode == 2, ended.stdout
    assert not (github.folder / "pwned").exists()


@pytest.mark.parametrize(
    ("schema", "file"),
    [("github-actions", "action.yml"), ("gitlab-ci", ".gitlab/edgedistill-gate.yml")],
)
def test_the_servers_own_schema_accepts_the_file(schema: str, file: str) -> None:
    checker = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}")
    done = subprocess.run(
        [*checker, REPOSITORY / file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_no_script_holds_an_expression() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


def test_every_input_is_described_and_reaches_a_step() -> None:
    text = json.dumps(ACTION["runs"])
    for name, said in ACTION["inputs"].items():
        assert said["description"]
        assert f"inputs.{name}" in text
    assert set(ACTION["outputs"]) == {"outcome", "warnings", "exit-code"}
    for name, said in ACTION["outputs"].items():
        assert said["value"] == f"${{{{ steps.gate.outputs.{name} }}}}"


def test_installing_can_be_left_out_and_is_told_from_a_slip(github: GitHub) -> None:
    (install,) = [one for one in ACTION["runs"]["steps"] if one["id"] == "install"]
    assert install["if"] == "inputs.install != 'false'"
    ended = github.run("install", install="gaet")
    assert ended.returncode == 2
    assert "none of gate, measure and false" in ended.stdout
    assert not (github.folder / "temp").exists()


def gitlab(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_script(
        "\n".join(JOB["script"]), folder, {"EDGEDISTILL_INSTALL": "false"} | variables
    )


@pytest.mark.parametrize("outcome", CODES)
def test_the_gitlab_job_judges_and_leaves_its_artifacts(tmp_path: Path, outcome: str) -> None:
    write_report(tmp_path / "runs" / "a b", BUDGETS[outcome])
    ended = gitlab(tmp_path, EDGEDISTILL_REPORTS="runs/*/report.json")
    assert ended.returncode == CODES[outcome], ended.stderr
    assert ended.stdout.splitlines()[-1] == outcome
    junit = JOB["artifacts"]["reports"]["junit"]
    assert bool(results(tmp_path / junit)) == (outcome != "PASS")
    (document,) = JOB["artifacts"]["paths"]
    assert json.loads((tmp_path / document).read_text(encoding="utf-8"))["outcome"] == outcome
    assert JOB["artifacts"]["when"] == "always"


def test_the_gitlab_job_takes_budgets_and_a_baseline(tmp_path: Path) -> None:
    write_budgets_and_baseline(tmp_path)
    ended = gitlab(
        tmp_path,
        EDGEDISTILL_REPORTS="run/report.json",
        EDGEDISTILL_BUDGETS="budgets.yaml",
        EDGEDISTILL_BASELINE="before/report.json",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1] == "PASS with 1 warning"
    assert results(tmp_path / JOB["artifacts"]["reports"]["junit"]) == ["skipped"]


@pytest.mark.parametrize("reports", ["", "nowhere"])
def test_the_gitlab_job_without_reports_is_bad_input(tmp_path: Path, reports: str) -> None:
    (tmp_path / "edgedistill-gate.xml").write_text("a PASS of last week")
    assert gitlab(tmp_path, EDGEDISTILL_REPORTS=reports).returncode == 2
    left = tmp_path / "edgedistill-gate.xml"
    assert not left.exists() or "last week" not in left.read_text(encoding="utf-8")


def test_no_variable_of_the_gitlab_job_becomes_code(tmp_path: Path) -> None:
    names = ("REPORTS", "BUDGETS", "BASELINE", "BASELINE_MODELS", "DEVICE_REPORTS", "ON_DEVICE")
    hostile = {f"EDGEDISTILL_{name}": "$(touch pwned); touch pwned" for name in names}
    ended = gitlab(tmp_path, **hostile)
    assert ended.returncode == 2, ended.stdout
    assert not (tmp_path / "pwned").exists()


def test_the_gitlab_job_refuses_an_unknown_way_to_install(tmp_path: Path) -> None:
    ended = gitlab(tmp_path, EDGEDISTILL_INSTALL="gaet")
    assert ended.returncode == 2
    assert "none of gate, measure and false" in ended.stderr


def test_the_gitlab_job_runs_in_a_plain_posix_shell_too(tmp_path: Path) -> None:
    checked = subprocess.run(
        ["sh", "-n"], input="\n".join(JOB["script"]), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


JUDGE = """
from edgedistill.__main__ import main
main(sys.argv[1:])
"""
MEASURE = """
from pathlib import Path
from edgedistill.app.rerun import Effort, Rivals, rerun
from edgedistill.core.recipe import Benchmark
from edgedistill.store import file_sha256
model, baseline = map(Path, sys.argv[1:])
effort = Effort(looks=(1,), plan=Benchmark(warmup_runs=1, rounds=10, runs_per_round=1))
pair = Rivals(target="host", runtime="cpu", threads=1, model=model, baseline=baseline,
    model_sha256=file_sha256(model), baseline_sha256=file_sha256(baseline))
print(rerun(pair, {"latency_p50_ms": 3.0}, confidence=0.9, effort=effort))
"""


def distributions_loaded(program: str, *arguments: str, cwd: Path) -> set[str]:
    """What of others a program has loaded when it ends."""
    around = (
        "import sys\nbefore = set(sys.modules)\n"
        f"try:\n    exec({program!r})\n"
        "finally:\n    print(*set(sys.modules) - before, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", around, *arguments],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    homes = metadata.packages_distributions()
    modules = {name.partition(".")[0] for name in done.stderr.split()}
    found = {home for module in modules for home in homes.get(module, ())}
    return {canonicalize_name(home) for home in found} - {"edgedistill"}


def with_what_they_need(asked: Iterable[Requirement]) -> set[str]:
    """Distributions and, transitively, those that they always need."""
    found: set[str] = set()
    waiting = {canonicalize_name(one.name) for one in asked}
    while waiting:
        name = waiting.pop()
        found.add(name)
        needs = map(Requirement, metadata.requires(name) or ())
        always = {one for one in needs if not one.marker or one.marker.evaluate({"extra": ""})}
        waiting |= {canonicalize_name(one.name) for one in always} - found
    return found


def asked_for(script: str, first: str) -> list[Requirement]:
    """What is installed beside a package, on the same line."""
    (line,) = [line for line in script.splitlines() if f'"{first}>=' in line]
    return [Requirement(text) for text in re.findall(r'"([A-Za-z]+>=[\d.]+)"', line)]


def test_what_the_templates_install_is_what_the_gate_loads(
    tmp_path: Path, onnx_classifier: Callable[..., Path]
) -> None:
    report = write_report(tmp_path / "run", BUDGETS["PASS"])
    views = ("--github", "--junit", "x.xml", "--json", "x.json")
    to_judge = distributions_loaded(JUDGE, "gate", *views, str(report), cwd=tmp_path)
    weight = np.random.default_rng(0).standard_normal((16, 4))
    pair = [
        str(onnx_classifier(tmp_path / f"{name}.onnx", weight * scale, (4, 4)))
        for name, scale in (("model", 1), ("baseline", 2))
    ]
    to_measure = distributions_loaded(MEASURE, *pair, cwd=tmp_path)
    assert "click" in to_judge
    assert "onnxruntime" in to_measure
    stated = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for step in (ACTION["runs"]["steps"][0]["run"], "\n".join(JOB["script"])):
        gate, measure = asked_for(step, "click"), asked_for(step, "onnxruntime")
        assert to_judge <= with_what_they_need(gate)
        assert to_measure <= with_what_they_need([*gate, *measure])
        assert {str(one) for one in (*gate, *measure)} <= set(stated["dependencies"])


README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SHOWN = [yaml.safe_load(text) for text in re.findall(r"^```yml\n(.*?)^```$", README, re.M | re.S)]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: type(shown).__name__)
def test_what_the_readme_shows_fits_the_templates_and_the_gate(shown: Any) -> None:
    if isinstance(shown, list):  # steps of a GitHub job
        (given,) = [step["with"] for step in shown if "edgedistill" in step.get("uses", "")]
        assert set(given) <= set(ACTION["inputs"])
        required = {name for name, said in ACTION["inputs"].items() if said.get("required")}
        assert required <= set(given)
    elif "targets" in shown:
        assert budgets_of(shown, file="README.md").targets
    else:
        assert shown["include"]["file"] == ".gitlab/edgedistill-gate.yml"
        variables = shown["edgedistill-gate"]["variables"]
        assert all(f"${{{name}" in "\n".join(JOB["script"]) for name in variables)
