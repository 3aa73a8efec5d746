"""The wheel holds all the product needs, nothing else, and works away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    RunPython = Callable[..., str]

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "edgedistill"
TARGETS = REPOSITORY / "targets"
SUFFIXES = {".py", ".yaml", ".txt", ".md", ".typed", ".j2", ".css", ".js"}


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "2"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder),
        REPOSITORY,
        cwd=folder,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing in it but what the wheel brings."""
    folder = tmp_path_factory.mktemp("site")
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
        *("--no-compile", "--target", folder, wheel),
        cwd=folder,
    )
    return folder


@pytest.fixture
def edgedistill(installed: Path, tmp_path: Path) -> RunPython:
    """Runs Python on the installed package, from a folder that is not the checkout."""

    def run_python(*arguments: str) -> str:
        return run(sys.executable, *arguments, cwd=tmp_path, PYTHONPATH=str(installed))

    return run_python


def test_it_holds_the_package_and_the_profiles_and_nothing_else(wheel: Path) -> None:
    sources = {
        path.relative_to(REPOSITORY).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    profiles = {
        f"edgedistill/catalog/profiles/{path.relative_to(TARGETS).as_posix()}"
        for path in TARGETS.rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    about = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    assert names - about == sources | profiles
    assert {Path(name).suffix for name in names - about} <= SUFFIXES
    assert {name.partition("/")[2] for name in about} == {
        *("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"),
    }


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "worker.py",
        "examples/digits.yaml",
        "examples/mnist.yaml",
        "examples/template.yaml.txt",
        "render/page/files/report.html.j2",
        "catalog/profiles/host.yaml",
        "catalog/profiles/raspberry-pi-5.yaml",
    ],
)
def test_what_is_no_module_is_in_it_too(installed: Path, name: str) -> None:
    assert (installed / "edgedistill" / name).is_file()


def test_it_runs_from_where_it_was_installed(edgedistill: RunPython, installed: Path) -> None:
    where = edgedistill("-c", "import edgedistill; print(edgedistill.__file__)")
    assert Path(where.strip()).is_relative_to(installed)


def test_it_lists_the_profiles_that_ship(edgedistill: RunPython) -> None:
    listed = edgedistill("-m", "edgedistill", "targets", "list").splitlines()
    shipped = sorted(path.stem for path in TARGETS.glob("*.yaml"))
    assert [line.split()[0] for line in listed] == shipped


def test_it_plans_an_example_without_writing_anything(
    edgedistill: RunPython, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    plan = edgedistill(
        *("-m", "edgedistill", "compress", "--example", "digits", "--dry-run", "--out", str(out))
    )
    assert "quantize: int8" in plan
    assert "to run" in plan
    assert list(tmp_path.iterdir()) == []


def test_it_writes_a_recipe_to_start_from(edgedistill: RunPython, tmp_path: Path) -> None:
    edgedistill("-m", "edgedistill", "init", "project")
    assert (tmp_path / "project" / "recipe.yaml").is_file()
    assert (tmp_path / "project" / "recipe.schema.json").is_file()
