from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner
from diagnosed_graphs import Net, int8_network, saved

from edgedistill.cli import root
from edgedistill.render.estimate import WIDTH

if TYPE_CHECKING:
    from pathlib import Path


def test_a_page_and_a_file(tmp_path: Path) -> None:
    net = Net()
    path = saved(net.model(net.pair(net.convolution(net.pair("x")))), tmp_path)
    found = tmp_path / "found.json"
    options = ["--target", "raspberry-pi-5", "--json", str(found)]
    ended = CliRunner().invoke(root, ["doctor", str(path), *options], catch_exceptions=False)
    assert ended.exit_code == 0
    assert ended.output.startswith("model.onnx on Raspberry Pi 5, cpu")
    assert "HIGH   float-fallback" in ended.output
    assert max(map(len, ended.output.splitlines())) <= WIDTH
    document = json.loads(found.read_text(encoding="utf-8"))
    assert (document["kind"], document["schema_version"]) == ("edgedistill-doctor", 1)
    assert document["findings"][0]["code"] == "float-fallback"


def test_an_unknown_target_or_runtime_is_bad_input(tmp_path: Path) -> None:
    path = saved(int8_network(), tmp_path)
    for options, words in (
        (["--target", "no-such-board"], "no-such-board"),
        (["--target", "raspberry-pi-5", "--runtime", "tpu"], "is not a runtime of raspberry-pi-5"),
    ):
        ended = CliRunner().invoke(root, ["doctor", str(path), *options])
        assert getattr(ended.exception, "exit_code", None) == 2
        assert words in str(ended.exception)
