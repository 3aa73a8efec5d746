from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner
from cost_documents import write_documents, write_network

from edgedistill.cli.estimate import estimate
from edgedistill.render.estimate import WIDTH

if TYPE_CHECKING:
    from pathlib import Path


def test_a_page_and_a_file_for_each_target(tmp_path: Path) -> None:
    folder = write_documents(tmp_path / "boards")
    network = write_network(tmp_path / "chain.onnx")
    options = ["--target", "board", "--runtime", "armnn", "--folder", str(folder)]
    saved = tmp_path / "found.json"
    ended = CliRunner().invoke(
        estimate, [str(network), *options, "--json", str(saved)], catch_exceptions=False
    )
    assert ended.exit_code == 0
    assert ended.output.startswith("chain.onnx · 32.8 k multiply-accumulates")
    assert "data-sheet, n = 12" in ended.output
    assert "pointwise  100.0 %" in ended.output
    assert max(map(len, ended.output.splitlines())) <= WIDTH
    (document,) = json.loads(saved.read_text(encoding="utf-8"))["estimates"]
    assert document["latency_ms"]["low"] < document["latency_ms"]["value"]
