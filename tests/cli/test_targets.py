from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cost_documents import write_documents, write_network

import edgedistill
from edgedistill.cli.targets import targets
from edgedistill.errors import InputError
from edgedistill.render.targets import WIDTH

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
    assert {row["tier"] for row in document["estimates"]} >= {"measured", "data-sheet"}
    assert all(
        (row["tier"] == "unsupported") == (row["reason"] is not None)
        and (row["interval_high"] is None) == (row["reason"] is not None)
        for row in document["estimates"]
    )
    assert all(row["interval_low"] < 1 < row["interval_high"] for row in document["shapes"])
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


def test_pages_keep_their_width() -> None:
    for profile in edgedistill.target_profiles():
        assert max(map(len, run("show", profile.name).splitlines())) <= WIDTH
    assert max(map(len, run("validate").splitlines())) <= WIDTH


def test_a_page_says_what_estimates_rest_on_with_shapes_of_ones_own(tmp_path: Path) -> None:
    folder = write_documents(tmp_path / "boards")
    page = run("show", "board", "--folder", str(folder))
    assert "armnn fp32  data-sheet  12  20.0 %" in page
    assert "Source: a publication on a desk" in page
    assert "Not estimated: armnn in int8" in page


def test_a_cost_that_names_the_wrong_shape_is_a_fault(tmp_path: Path) -> None:
    folder = write_documents(tmp_path / "boards")
    network = write_network(tmp_path / "chain.onnx")
    (tmp_path / "mine.csv").write_text(
        f"model,precision,threads,latency_ms\n{network.name},fp32,1,5\n", encoding="utf-8"
    )
    board = folder / "mine.yaml"
    options = ["--runtime", "armnn", "--out", str(board), "--folder", str(folder)]
    page = run("fit", "board", "--from", str(tmp_path / "mine.csv"), *options)
    assert "  5 ms  +0.0 %\n" in page
    assert "data-sheet before, now few-measurements (1 measurement(s), families: 1)" in page
    assert f"Written to {board} as the target mine" in page
    text = board.read_text(encoding="utf-8")
    board.write_text(text.replace("shape: test-fp32", "shape: tflite-cpu-fp32"), encoding="utf-8")
    (folder / "shapes" / "broken.yaml").write_text("name: broken\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        run("validate", "--folder", str(folder))
    message = str(caught.value)
    assert "mine.yaml: converted_runtimes.armnn.cost.fp32.shape: is a shape for tflite" in message
    assert "Name one of: armnn-cpu-fp32, test-fp32" in message
    assert "broken.yaml: schema_version: is missing" in message
