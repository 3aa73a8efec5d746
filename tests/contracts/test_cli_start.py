"""The command line starts quickly: it loads nothing heavy before it is needed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edgedistill.core.budget import Budget
from edgedistill.core.evidence import counted
from edgedistill.core.manifest import DataHash, Manifest, ManifestFile, RunFile
from edgedistill.core.report import Choice, Provenance, Report, Row
from edgedistill.render.document import report_text

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {"torch", "onnx", "onnxruntime", "numpy", "transformers", "torch_pruning", "sklearn", "PIL"}
NOT_FOR_HELP = HEAVY | {"pydantic", "yaml", "rich"}
PROGRAM = """
import sys
from edgedistill.__main__ import main
try:
    main(sys.argv[1:])
finally:
    loaded = {name.partition(".")[0] for name in sys.modules}
    print("loaded:", *sorted(loaded), file=sys.stderr)
"""


def start(*arguments: str) -> tuple[int, set[str]]:
    """Exit code and the top-level packages that were loaded at the end."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False
    )
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("loaded:")]
    return done.returncode, set(line.split()[1:])


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report file beside the model that it is about."""
    model = b"a model"
    (tmp_path / "model.onnx").write_bytes(model)
    row = Row(
        step="int8",
        precision="int8",
        model_sha256=hashlib.sha256(model).hexdigest(),
        accuracy=counted(0.9, "an exact figure"),
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
    document = Report(
        schema_version=1,
        run="demo",
        target="host",
        target_title="This machine",
        runtime="cpu",
        budget=Budget(max_size_mb=1.0),
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
    path = tmp_path / "report.json"
    path.write_text(report_text(document), encoding="utf-8")
    return path


def test_heavy_packages_are_found_out() -> None:
    code = "import sys; sys.argv[1:] = []; import numpy\n" + PROGRAM
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False
    )
    assert "numpy" in done.stderr.split()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("compress", "--help"),
        ("quantize", "--help"),
        ("benchmark", "--help"),
        ("estimate", "--help"),
        ("doctor", "--help"),
        ("gate", "--help"),
        ("init", "--help"),
        ("targets", "--help"),
        ("schema", "--help"),
    ],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code, loaded = start(*arguments)
    assert code == 0
    assert loaded & NOT_FOR_HELP == set()


# Loading strict documents alone takes longer than all the gate may take.
NOT_FOR_GATE = HEAVY | {"pydantic", "rich", "scipy"}


def test_gate_judges_without_torch_onnx_or_numpy(report: Path) -> None:
    code, loaded = start("gate", str(report))
    assert code == 0
    assert loaded & (NOT_FOR_GATE | {"yaml", "xml"}) == set()


def test_gate_with_a_budgets_file_and_every_view_loads_yaml_and_xml_besides(report: Path) -> None:
    budgets = report.with_name("budgets.yaml")
    budgets.write_text("schema_version: 1\ntargets: {host: {max_size_mb: 1 MB}}\n")
    views = ("--junit", str(report.with_name("j.xml")), "--json", str(report.with_name("j.json")))
    code, loaded = start("gate", str(report), "--budgets", str(budgets), "--github", *views)
    assert code == 0
    assert {"yaml", "xml"} <= loaded
    assert loaded & NOT_FOR_GATE == set()


def test_gate_with_a_baseline_loads_no_more(report: Path) -> None:
    baseline = report.with_name("baseline.json")
    assert start("baseline", str(report), "--out", str(baseline))[0] == 0
    code, loaded = start("gate", str(report), "--baseline", str(baseline))
    assert code == 0
    assert loaded & NOT_FOR_GATE == set()


def test_verify_loads_nothing_heavy(report: Path) -> None:
    model = report.parent / "model.onnx"
    files = [("model.onnx", model, "shipped-model"), ("report.json", report, "report")]
    listed = [
        ManifestFile(
            path=path,
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            size_bytes=file.stat().st_size,
            role=role,
        )
        for path, file, role in files
    ]
    manifest = Manifest(
        schema_version=1,
        run="tiny",
        target="host",
        files=tuple(listed),
        run_files=(RunFile(path="recipe.lock.yaml", sha256="a" * 64, size_bytes=1, role="recipe"),),
        data=DataHash(source="sklearn:digits", sha256="b" * 64),
        seed=0,
        versions={},
    )
    (report.parent / "manifest.json").write_text(report_text(manifest))
    code, loaded = start("verify", str(report.parent))
    assert code == 0
    assert loaded & HEAVY == set()
    model.write_bytes(b"another")
    assert start("verify", str(report.parent))[0] == 1
    (report.parent / "manifest.json").write_text("{")
    assert start("verify", str(report.parent))[0] == 2


def test_the_product_can_be_imported_without_anything_heavy() -> None:
    code = (
        "import sys, edgedistill; edgedistill.judge; edgedistill.Budget; "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & HEAVY == set()
