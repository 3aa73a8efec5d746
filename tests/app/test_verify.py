from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import edgedistill
from edgedistill.app.given_files import given_files
from edgedistill.cli.root import root
from edgedistill.core.manifest import Manifest
from edgedistill.core.recipe import Recipe
from edgedistill.errors import InputError
from edgedistill.render.document import read_manifest, report_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill import CompressionRun


@pytest.fixture
def run(finished: CompressionRun, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage."""
    return Path(shutil.copytree(finished.folder, tmp_path / "run"))


def change_manifest(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def findings(folder: Path) -> dict[str, str]:
    """Path to what came out, of all that does not hold."""
    result = edgedistill.verify(folder)
    return {one.path: one.finding.value for one in result.checks if one.finding.value != "OK"}


def test_every_file_beside_a_report_is_listed_with_its_own_hash(finished: CompressionRun) -> None:
    for target in finished.reports:
        folder = finished.folder / "targets" / target
        manifest = read_manifest(folder / "manifest.json")
        there = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file() and path.name != "manifest.json"
        }
        assert {file.path: file.sha256 for file in manifest.files} == there
        roles = {file.path: file.role for file in manifest.files}
        assert roles["model.onnx"] == "shipped-model"
        assert roles["waterfall/teacher.onnx"] == "waterfall-model"
        assert roles["report.json"] == "report"


def test_the_recipe_the_data_and_what_every_step_wrote_are_listed(
    finished: CompressionRun,
) -> None:
    report = finished.reports["host"]
    manifest = read_manifest(finished.folder / "targets" / "host" / "manifest.json")
    (recipe,) = [file for file in manifest.run_files if file.role == "recipe"]
    assert recipe.path == "recipe.lock.yaml"
    assert recipe.sha256 == report.provenance.recipe_sha256
    assert manifest.data.sha256 == report.provenance.data_sha256
    assert manifest.versions == report.provenance.versions
    steps = {Path(file.path).parts[1] for file in manifest.run_files if file is not recipe}
    assert steps == set(report.provenance.steps)
    teacher = [Path(file.path).name for file in manifest.run_files if file.role == "teacher"]
    assert sorted(teacher) == ["network.json", "step.json", "weights.safetensors"]
    for file in manifest.run_files:
        content = (finished.folder / file.path).read_bytes()
        assert (file.sha256, file.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))


def test_the_files_of_a_finished_run_hold(finished: CompressionRun) -> None:
    result = edgedistill.verify(finished.folder)
    assert result.holds
    assert result.exit_code == 0
    shared = [one.path for one in result.checks if one.path == "recipe.lock.yaml"]
    assert len(shared) == 1  # both targets list it
    assert findings(finished.folder) == {}
    assert str(result).splitlines()[-1].startswith("All hashes hold: ")


def test_the_folder_of_a_target_can_be_verified_alone(
    finished: CompressionRun, tmp_path: Path
) -> None:
    alone = shutil.copytree(finished.folder / "targets" / "host", tmp_path / "renamed")
    result = edgedistill.verify(alone)
    assert result.holds
    (unchecked,) = [one for one in result.checks if one.finding.value == "NOT CHECKED"]
    assert "files stand in the run folder" in unchecked.reason


@pytest.mark.parametrize(
    "path",
    ["targets/host/model.onnx", "targets/host/report.json", "targets/host/report.md"],
)
def test_one_changed_bit_is_found(run: Path, path: str) -> None:
    content = bytearray((run / path).read_bytes())
    content[len(content) // 2] ^= 1
    (run / path).write_bytes(bytes(content))
    assert findings(run) == {path: "DIFFERS"}
    assert edgedistill.verify(run).exit_code == 1


def test_what_steps_wrote_and_the_recipe_are_held_against_their_hashes_too(run: Path) -> None:
    (weights,) = (run / "steps").glob("teacher-*/weights.safetensors")
    weights.write_bytes(b"others")
    (run / "recipe.lock.yaml").unlink()
    found = {weights.relative_to(run).as_posix(): "DIFFERS", "recipe.lock.yaml": "MISSING"}
    assert findings(run) == found


def test_a_lost_model_and_a_lost_manifest_are_missing(run: Path) -> None:
    (run / "targets/host/model.onnx").unlink()
    (run / "targets/jetson-orin-nano/manifest.json").unlink()
    assert findings(run) == {
        "targets/host/model.onnx": "MISSING",
        "targets/jetson-orin-nano/manifest.json": "MISSING",
    }


def test_a_run_that_is_not_complete_does_not_hold(run: Path) -> None:
    change_manifest(run / "run.json", lambda state: state.update(state="running"))
    result = edgedistill.verify(run)
    assert not result.holds
    assert "not complete" in str(result)


def test_a_run_without_targets_does_not_hold(run: Path) -> None:
    change_manifest(run / "run.json", lambda state: state.update(targets=[]))
    assert not edgedistill.verify(run).holds


def test_a_link_out_of_the_folder_and_a_pipe_are_not_read(run: Path, tmp_path: Path) -> None:
    folder = run / "targets/host"
    shutil.move(folder / "model.onnx", tmp_path / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    (folder / "report.md").unlink()
    os.mkfifo(folder / "report.md")
    result = edgedistill.verify(folder)
    wrong = {one.path: one.reason for one in result.checks if one.finding.value == "DIFFERS"}
    assert set(wrong) == {"model.onnx", "report.md"}
    assert "link out of the folder" in wrong["model.onnx"]
    assert not result.holds


@pytest.mark.parametrize(
    "path",
    ["../secret", "/etc/hostname", "a/../../b", "C:/b", "a\\b", "", "a//b", ".", "a\x1b[2Jb"],
)
@pytest.mark.parametrize("files", ["files", "run_files"])
def test_a_manifest_that_names_a_path_outside_is_refused(run: Path, path: str, files: str) -> None:
    file = run / "targets/host/manifest.json"
    change_manifest(file, lambda document: document[files][0].update(path=path))
    with pytest.raises(InputError, match="is not a plain path below the folder"):
        edgedistill.verify(run)


@pytest.mark.parametrize("target", ["../../outside", "..", "host/../../.."])
def test_a_state_that_names_a_target_outside_is_refused(run: Path, target: str) -> None:
    change_manifest(run / "run.json", lambda state: state.update(targets=[target]))
    with pytest.raises(InputError, match="is not the name of a target's folder"):
        edgedistill.verify(run)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda document: document.update(schema_version=2), "comes from a newer edgedistill"),
        (lambda document: document.update(kind="edgedistill-report"), "is not an edgedistill man"),
        (lambda document: document.update(files=document["files"] * 2), "lists a file twice"),
        (lambda document: document.update(files=document["files"][1:]), "one model that ships"),
        (lambda document: document["files"][0].update(sha256="A" * 64), "should match pattern"),
        (lambda document: document["files"][0].update(size_bytes=-1), "greater than or equal to 0"),
        (lambda document: document.update(run_files=[]), "at least 1 item"),
        (lambda document: document.update(extra=1), "is not a known key"),
    ],
)
def test_a_manifest_that_is_none_is_refused(
    run: Path, change: Callable[[dict[str, Any]], None], problem: str
) -> None:
    file = run / "targets/jetson-orin-nano/manifest.json"
    document = json.loads(file.read_text())
    document["files"].sort(key=lambda listed: listed["path"] != "model.onnx")
    change(document)
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=problem):
        edgedistill.verify(run)


def test_the_command_says_a_line_for_each_file_and_exits_as_it_found(
    run: Path, tmp_path: Path
) -> None:
    folder = str(run / "targets/host")
    good = CliRunner().invoke(root, ["verify", folder])
    assert good.exit_code == 0
    assert "OK          model.onnx: shipped-model, sha256 " in good.output
    (run / "targets/host/model.onnx").write_bytes(b"another")
    bad = CliRunner().invoke(root, ["verify", folder])
    assert bad.exit_code == 1
    assert "DIFFERS     model.onnx: shipped-model, 7 bytes" in bad.output
    nothing = CliRunner().invoke(root, ["verify", str(tmp_path)])
    assert isinstance(nothing.exception, InputError)  # which main() turns into exit code 2
    (run / "targets/host/manifest.json").write_text('{"kind": ')
    cut = CliRunner().invoke(root, ["verify", folder])
    assert isinstance(cut.exception, InputError)
    assert "is cut off" in str(cut.exception)


def test_a_finished_run_that_is_run_again_leaves_the_same_files(
    finished: CompressionRun, run: Path
) -> None:
    before = {path: path.read_bytes() for path in (run / "targets").rglob("*") if path.is_file()}
    again = edgedistill.run_recipe(edgedistill.read_recipe(run / "recipe.lock.yaml"), out=run)
    assert again.steps_made == 0
    after = {path: path.read_bytes() for path in (run / "targets").rglob("*") if path.is_file()}
    assert after == before
    assert edgedistill.verify(run).holds
    assert again.reports == finished.reports


def test_a_manifest_reads_back_as_it_was_written(finished: CompressionRun) -> None:
    file = finished.folder / "targets/host/manifest.json"
    assert report_text(read_manifest(file)) == file.read_text()
    assert json.loads(edgedistill.schema("manifest"))["title"] == Manifest.__name__


def test_weights_and_code_that_the_recipe_names_are_kept_as_hashes(tmp_path: Path) -> None:
    files = {"nets.py": b"def net(): ...", "w.safetensors": b"weights", "data.py": b"def load(): 0"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    document = {
        "schema_version": 1,
        "name": "given",
        "data": {"source": f"python:{tmp_path}/data.py:load"},
        "teacher": {
            "source": f"python:{tmp_path}/nets.py:net",
            "weights": f"{tmp_path}/w.safetensors",
        },
        "student": [{"source": f"python:{tmp_path}/nets.py:net"}, {"source": "builtin:dense"}],
        "targets": {"host": {}},
    }
    given = given_files(Recipe.read(document, file="recipe.yaml"))
    assert [(one.name, one.role) for one in given] == [
        ("nets.py", "teacher"),
        ("w.safetensors", "teacher"),
        ("nets.py", "student"),
        ("data.py", "data"),
    ]
    for one in given:
        assert one.sha256 == hashlib.sha256(files[one.name]).hexdigest()
        assert one.size_bytes == len(files[one.name])
