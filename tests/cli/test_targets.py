from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import edgedistill
from edgedistill.cli.targets import targets
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> str:
    ended = CliRunner().invoke(targets, arguments, catch_exceptions=False)
    assert ended.exit_code == 0
    return ended.output


def test_the_list_has_a_line_for_each_profile() -> None:
    names = [line.split()[0] for line in run("list").splitlines()]
    assert names == [profile.name for profile in edgedistill.target_profiles()]


@pytest.mark.parametrize("name", [profile.name for profile in edgedistill.target_profiles()])
def test_every_profile_has_a_page(name: str) -> None:
    page = run("show", name)
    profile = edgedistill.target_profile(name)
    assert page.startswith(profile.title)
    assert all(cluster.core in page for cluster in profile.clusters)
    assert all(f"· {runtime}" in page for runtime in profile.runtimes)
    assert page.count("Source: ") >= len(profile.clusters) + len(profile.runtimes)


def test_what_ships_is_valid_and_the_json_says_so(tmp_path: Path) -> None:
    output = run("validate", "--json", str(tmp_path / "found.json"))
    document = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert document["faults"] == []
    assert f"{len(document['profiles'])} valid profiles, 0 faults" in output
    assert document["profiles"] == [profile.name for profile in edgedistill.target_profiles()]


def test_all_faults_come_at_once_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("schema_version: 1\nnaem: one\n", encoding="utf-8")
    (tmp_path / "two.yaml").write_text("schema_version: 3\n", encoding="utf-8")
    found = tmp_path / "found.json"
    options = ["--folder", str(tmp_path), "--json", str(found)]
    ended = subprocess.run(
        [sys.executable, "-m", "edgedistill", "targets", "validate", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    for words in ("one.yaml: naem: is not a known key", "Did you mean 'name'?", "two.yaml: name"):
        assert words in ended.stderr
    faults = json.loads(found.read_text(encoding="utf-8"))["faults"]
    assert {fault["file"] for fault in faults} == {
        str(tmp_path / "one.yaml"),
        str(tmp_path / "two.yaml"),
    }
    assert all(fault["problem"] and fault["remedy"] for fault in faults)


def test_an_unknown_target_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'jetson-nano'"):
        run("show", "jetson-nona")
