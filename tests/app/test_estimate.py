from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cost_documents import ROW, write_documents, write_network

import edgedistill
from edgedistill.core.operator_kind import Kind
from edgedistill.cost.operators import Operator
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_documents(tmp_path / "boards")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "chain.onnx")


def asked(source: Any, folder: Path, **options: Any) -> edgedistill.Estimate:
    return edgedistill.estimate(source, "board", folders=[folder], runtime="armnn", **options)


def seconds_of_one_convolution(macs_per_s: float) -> float:
    work = 16 * 16 * 64 * (1 + 8 / 16)
    traffic = 4 * (16 * 16 + 2 * 16 * 64) * 5.0
    return (max(work, traffic) + 20000.0) / macs_per_s


def test_a_file_and_rows_and_operators_cost_the_same(folder: Path, network: Path) -> None:
    latency = 1e3 * 2 * seconds_of_one_convolution(1.5e9 * 4 * 0.5)
    operator = Operator(
        kind=Kind.POINTWISE,
        macs=16 * 16 * 64,
        weight_elements=16 * 16,
        input_elements=16 * 64,
        output_elements=16 * 64,
        input_channels=16,
        output_channels=16,
    )
    for source in (network, str(network), [ROW, ROW], [operator, operator]):
        found = asked(source, folder)
        assert found.latency_ms is not None
        assert found.latency_ms.value == pytest.approx(latency)
        assert (found.tier, found.measurements) == ("data-sheet", 12)
        assert found.macs == 2 * 16 * 16 * 64
        assert [one.kind for one in found.by_kind] == [Kind.POINTWISE]


def test_a_file_has_a_name_and_a_size(folder: Path, network: Path) -> None:
    found = asked(network, folder)
    assert found.network == "chain.onnx"
    assert found.size_mb is not None
    assert found.size_mb.value == network.stat().st_size / 1e6
    assert asked([ROW], folder).size_mb is None
    assert asked([ROW], folder, network="mine").network == "mine"


def test_a_float_file_is_taken_as_converted_to_what_is_asked(folder: Path, network: Path) -> None:
    (folder / "shapes" / "test-int8.yaml").write_text(
        (folder / "shapes" / "test-fp32.yaml")
        .read_text(encoding="utf-8")
        .replace("test-fp32", "test-int8")
        .replace("precision: fp32", "precision: int8")
        .replace("efficiency: 0.5", "efficiency: 2.0"),
        encoding="utf-8",
    )
    int8, fp32 = (asked(network, folder, precision=one) for one in ("int8", "fp32"))
    assert int8.latency_ms is not None
    assert fp32.latency_ms is not None
    assert {one.precision for one in int8.operators} == {"int8"}
    assert int8.latency_ms.value == pytest.approx(fp32.latency_ms.value / 4)
    assert int8.size_mb is None  # nobody has written that file


def test_float_of_a_quantized_network_is_refused(folder: Path) -> None:
    operator = Operator(
        kind=Kind.POINTWISE,
        macs=1,
        weight_elements=1,
        input_elements=1,
        output_elements=1,
        precision="int8",
    )
    with pytest.raises(InputError, match="is quantized to int8"):
        asked([operator], folder, precision="fp32")


def test_memory_and_energy_stand_beside_the_latency(network: Path) -> None:
    found = edgedistill.estimate(network, "raspberry-pi-4")
    assert found.latency_ms is not None
    assert found.peak_memory_mb is not None
    assert found.energy_mj is not None
    assert found.energy_mj.low <= found.energy_mj.value <= found.energy_mj.high
    lists = edgedistill.estimate([ROW], "raspberry-pi-4")
    assert lists.peak_memory_mb is None
    assert edgedistill.estimate(network, "pixel-8").energy_mj is None


def test_the_interval_is_that_of_the_tier(folder: Path) -> None:
    latency = asked([ROW], folder).latency_ms
    assert latency is not None
    assert latency.low == pytest.approx(0.5 * latency.value)
    assert latency.high == pytest.approx(2.0 * latency.value)


def test_threads_that_nobody_measured_widen_it(folder: Path) -> None:
    latency = asked([ROW], folder, threads=4).latency_ms
    assert latency is not None
    assert latency.high > 2.0 * latency.value
    assert "that on 4 follows from Amdahl's law" in latency.method


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "int8"}, "there is no fit of armnn in int8"),
        ({"precision": "fp16"}, "armnn runs no fp16 here, only fp32, int8"),
    ],
)
def test_where_nothing_is_known_there_is_a_reason(
    folder: Path, options: dict[str, Any], words: str
) -> None:
    found = asked([ROW], folder, **options)
    assert (found.tier, found.latency_ms) == ("unsupported", None)
    assert found.reason is not None
    assert words in found.reason


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "boat"}, "Did you mean 'board'"),
        ({"runtime": "cqu"}, "is not a runtime of board .*Choose one of: cpu, armnn"),
        ({"precision": "fp8"}, "is not a precision .*Choose one of: fp32, fp16, int8"),
        ({"threads": 0}, "whole number from 1 to 4"),
        ({"threads": 5}, "whole number from 1 to 4"),
        ({"threads": 1.0}, "whole number from 1 to 4"),
        ({"threads": True}, "whole number from 1 to 4"),
        ({"source": []}, "has no operator that takes time"),
        ({"source": 3}, "is not a network"),
        ({"source": [ROW, "conv"]}, "is not a network"),
        ({"source": [ROW | {"macs": 1.5}]}, r"source: \[0\]\.macs: is not a whole number"),
        ({"source": [ROW, ROW | {"o": -1}]}, r"source\[1\]: has a negative size"),
        ({"source": [ROW | {"cls": "warp", "type": "warp"}]}, "nobody has classified"),
        ({"source": "absent.onnx"}, "absent.onnx: is not a file"),
    ],
)
def test_bad_input_is_one_clear_error(folder: Path, options: dict[str, Any], message: str) -> None:
    call = {"source": [ROW], "target": "board", "folders": [folder], **options}
    with pytest.raises(InputError, match=message):
        edgedistill.estimate(call.pop("source"), call.pop("target"), **call)


def test_several_targets_are_one_document_with_all_faults_at_once(
    folder: Path, tmp_path: Path
) -> None:
    found = edgedistill.estimate_targets(
        [ROW], ["board", "raspberry-pi-4"], folders=[folder], precision="fp32"
    )
    found.save(tmp_path / "found.json")
    document = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert [one["target"] for one in document["estimates"]] == ["board", "raspberry-pi-4"]
    with pytest.raises(InputError) as caught:
        edgedistill.estimate_targets([ROW], ["bard", "board", "raspbery-pi-4"], folders=[folder])
    assert len(caught.value.faults) == 2
    with pytest.raises(InputError, match="Give at least one target"):
        edgedistill.estimate_targets([ROW], [])


def test_published_lists_are_read_by_network(tmp_path: Path) -> None:
    file = tmp_path / "lists.json"
    file.write_text(json.dumps({"one": [ROW], "two": [ROW, ROW]}), encoding="utf-8")
    lists = edgedistill.read_operator_lists(file)
    assert {name: len(operators) for name, operators in lists.items()} == {"one": 1, "two": 2}
    with pytest.raises(InputError, match="is not a file"):
        edgedistill.read_operator_lists(tmp_path / "absent.json")


def test_a_network_is_named_in_a_file_of_lists(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "lists.json"
    file.write_text(json.dumps({"one": [ROW], "two": [ROW, ROW]}), encoding="utf-8")
    named = asked(f"{file}#two", folder)
    assert named.network == "two"
    assert named.size_mb is None
    assert named.latency_ms == asked([ROW, ROW], folder).latency_ms
    with pytest.raises(InputError, match=r"lists\.json: is not a network .*'twoo'.*mean two"):
        asked(f"{file}#twoo", folder)
    with pytest.raises(InputError, match=r"absent\.json: is not a file"):
        asked(tmp_path / "absent.json#two", folder)
