from __future__ import annotations

import json
from statistics import median
from typing import Any

import pytest

from edgedistill.bench.operator_samples import OperatorSamples
from edgedistill.bench.operator_times import operator_times
from edgedistill.core.evidence import Evidence
from edgedistill.core.operator_times import OperatorTimes
from edgedistill.errors import InputError

ROUNDS = 12
SEEN: dict[str, Any] = {"depthwise": frozenset(), "evidence": Evidence.MEASURED_ON_DEVICE}


def operator(
    name: str,
    kind: str,
    durations_us: list[int],
    *,
    types: tuple[str, str] = ("float", "float"),
    shapes: tuple[list[int], ...] = ([1, 8, 4, 4],),
) -> dict[str, Any]:
    return {
        "name": name,
        "operator": kind,
        "inputs": [{"type": types[0], "shape": shape} for shape in shapes],
        "outputs": [{"type": types[1], "shape": [1, 8, 4, 4]}],
        "durations_us": durations_us,
    }


def samples(*operators: dict[str, Any]) -> OperatorSamples:
    document = {
        "conditions": {
            "device": "a-device",
            "processor": "Cortex-A72",
            "machine": "aarch64",
            "runtime": "onnxruntime 1.31.1",
            "provider": "CPUExecutionProvider",
            "threads": 1,
            "operating_system": "Debian",
        },
        "warmup_runs": 1,
        "rounds": ROUNDS,
        "seed": 0,
        "sha256": {"int8": "hash"},
        "models": {"int8": {"operators": operators}},
    }
    return OperatorSamples.read(document, file="a test")


def times(*operators: dict[str, Any], **seen: Any) -> OperatorTimes:
    found = operator_times(samples(*operators), "int8", network="int8", **{**SEEN, **seen})
    assert found is not None
    return found


def test_a_class_takes_what_its_operators_take_less_the_profilers_own_work() -> None:
    first, second = [100 + place for place in range(ROUNDS)], [50] * ROUNDS
    found = times(
        operator("one", "Conv", first),
        operator("view", "Reshape", [3] * ROUNDS),
        operator("two", "FusedConv", second),
    )
    convolutions, views = found.classes
    assert (convolutions.operators, convolutions.count) == ("convolution", 2)
    assert convolutions.time_ms.value == pytest.approx((median(first) + 50 - 2 * 3) / 1000)
    # twelve samples worth eleven: the second and the eleventh bound the median (binomial, 95 %)
    assert convolutions.time_ms.low == pytest.approx((101 + 50 - 2 * 4) / 1000)
    assert convolutions.time_ms.high == pytest.approx((110 + 50 + 2) / 1000)
    assert (views.operators, views.time_ms.value, views.time_ms.low) == ("data movement", 0, 0)
    assert views.time_ms.high == pytest.approx(0.004)
    assert convolutions.time_ms.samples == ROUNDS
    assert "3 microseconds of each operator at most" in convolutions.time_ms.method


def test_an_operator_that_was_disturbed_now_and_then_keeps_its_time() -> None:
    disturbed = [100] * ROUNDS
    disturbed[4] = disturbed[9] = 12_000
    (found,) = times(operator("one", "Conv", disturbed)).classes
    assert found.time_ms.high == pytest.approx(0.101)


def test_the_slowest_come_first() -> None:
    found = times(
        *(operator(f"node_{place}_token_7", "Gemm", [10 * place] * ROUNDS) for place in range(15)),
        operator("relu_nchwc", "Conv", [1000] * ROUNDS),
    )
    assert [one.operators for one in found.classes] == ["matrix product", "convolution"]
    assert found.slowest[:2] == (("relu", "Conv", 1.0), ("node_14", "Gemm", 0.14))
    assert len(found.slowest) == 10


def test_int8_is_counted_by_what_an_operator_computes_with() -> None:
    found = times(
        operator("a", "QLinearConv", [9] * ROUNDS, types=("uint8", "uint8")),
        operator("b", "Conv", [9] * ROUNDS),
        operator("c", "QGemm", [9] * ROUNDS, types=("int8", "float")),
        operator("d", "MaxPool", [9] * ROUNDS, types=("uint8", "uint8")),
        operator("e", "QuantizeLinear", [9] * ROUNDS, types=("float", "uint8")),
        operator("f", "QLinearAdd", [9] * ROUNDS, types=("uint8", "uint8")),
    )
    assert {one.operators: (one.count, one.int8) for one in found.classes} == {
        "convolution": (2, 1),
        "matrix product": (1, 1),
        "pooling": (1, 1),
        "conversion": (1, 0),
        "elementwise": (1, 1),
    }


def test_a_depthwise_convolution_is_told_by_its_shapes_or_by_the_file() -> None:
    found = times(
        operator("seen", "Conv", [9] * ROUNDS, shapes=([1, 8, 4, 4], [8, 1, 3, 3])),
        operator("grey", "Conv", [9] * ROUNDS, shapes=([1, 1, 4, 4], [8, 1, 3, 3])),
        operator("packed_token_12", "QLinearConv", [9] * ROUNDS, types=("uint8", "uint8")),
        operator("dense_token_13", "QLinearConv", [9] * ROUNDS, types=("uint8", "uint8")),
        depthwise=frozenset({"packed"}),
    )
    counts = {one.operators: one.count for one in found.classes}
    assert counts == {"depthwise convolution": 2, "convolution": 2}


def test_too_few_rounds_claim_nothing() -> None:
    few = samples(operator("one", "Conv", [5] * 9))
    assert operator_times(few, "int8", network="int8", **SEEN) is None


def test_a_model_that_was_not_measured_is_refused() -> None:
    with pytest.raises(InputError, match="Measured were: int8"):
        operator_times(samples(operator("one", "Conv", [5])), "fp32", network="fp32", **SEEN)


def test_times_are_read_back_as_they_were_written() -> None:
    found = times(operator("one", "Conv", [100] * ROUNDS))
    document = json.loads(found.model_dump_json())
    assert OperatorTimes.read(document, file="a report") == found
