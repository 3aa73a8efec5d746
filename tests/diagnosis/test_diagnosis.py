"""Every kind of finding: one graph that has it, and one beside it that has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from diagnosed_graphs import CHANNELS, Net, float_network, int8_network, saved
from onnx import TensorProto, helper

import edgedistill
from edgedistill.core.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.findings import Diagnosis, Finding
    from edgedistill.core.profile import TargetProfile

BOARD = "raspberry-pi-5"
CASES: dict[str, tuple[Callable[[], onnx.ModelProto], Callable[[], onnx.ModelProto]]] = {}


def case(
    code: str, healthy: Callable[[], onnx.ModelProto]
) -> Callable[[Callable[[], onnx.ModelProto]], Callable[[], onnx.ModelProto]]:
    """Marks a graph that has a finding, beside one that has not."""

    def mark(sick: Callable[[], onnx.ModelProto]) -> Callable[[], onnx.ModelProto]:
        CASES[f"{code}: {sick.__name__}"] = sick, healthy
        return sick

    return mark


@case("float-model", int8_network)
def in_float() -> onnx.ModelProto:
    return float_network()


@case("float-fallback", int8_network)
def a_float_weight() -> onnx.ModelProto:
    net = Net()
    return net.model(net.pair(net.convolution(net.pair("x"))))


@case("float-fallback", int8_network)
def an_output_that_is_not_quantized() -> onnx.ModelProto:
    net = Net()
    return net.model(net.add("Sigmoid", net.int8_convolution(net.pair("x"))))


@case("float-fallback", int8_network)
def a_transposition_without_a_pair() -> onnx.ModelProto:
    net = Net()
    turned = net.add("Transpose", net.pair("x"), perm=[0, 1, 3, 2])
    return net.model(net.pair(net.int8_convolution(turned)))


@case("pair-before-activation", int8_network)
def a_pair_before_relu() -> onnx.ModelProto:
    net = Net()
    return net.model(net.pair(net.add("Relu", net.pair(net.int8_convolution(net.pair("x"))))))


@case("round-trip", int8_network)
def a_pair_between_float_operators() -> onnx.ModelProto:
    net = Net()
    return net.model(net.add("Erf", net.pair(net.add("Tanh", "x"), 0.01)))


@case("weight-for-float", int8_network)
def an_int8_weight_for_a_float_input() -> onnx.ModelProto:
    net = Net()
    return net.model(net.int8_convolution(net.add("Tanh", "x")))


@case("broken-scale", int8_network)
def a_scale_of_zero() -> onnx.ModelProto:
    net = Net()
    return net.model(net.pair(net.int8_convolution(net.pair("x", 0.0))))


@case("broken-scale", int8_network)
def a_scale_of_nan() -> onnx.ModelProto:
    net = Net()
    return net.model(net.pair(net.int8_convolution(net.pair("x", np.nan))))


@case("denormal-scale", int8_network)
def a_denormal_scale() -> onnx.ModelProto:
    net = Net()
    return net.model(net.pair(net.int8_convolution(net.pair("x", 1e-41))))


@case("wasted-levels", int8_network)
def a_range_of_sixty_behind_relu6() -> onnx.ModelProto:
    net = Net()
    first = net.add("Clip", net.int8_convolution(net.pair("x")), net.constant(0), net.constant(6))
    return net.model(net.pair(net.int8_convolution(net.pair(first, 60 / 255, zero=0))))


def per_tensor(smallest: float) -> onnx.ModelProto:
    net = Net()
    values = net.weight((CHANNELS, CHANNELS, 3, 3))
    values[3] = np.sign(values[3]) * max(round(127 * smallest), 1)
    return net.model(net.pair(net.add("Conv", net.pair("x"), net.quantized(values))))


@case("outlier-channels", lambda: per_tensor(0.05))
def a_channel_of_one_level() -> onnx.ModelProto:
    return per_tensor(0.005)


def filters(count: int, inner: int = CHANNELS) -> onnx.ModelProto:
    net = Net((1, inner, 8, 8))
    return net.model(net.convolution("x", count, inner))


@case("odd-channels", lambda: filters(16))
def nine_filters() -> onnx.ModelProto:
    return filters(9)


@case("narrow-int8", int8_network)
def eight_channels_in_int8() -> onnx.ModelProto:
    net = Net((1, 8, 8, 8))
    return net.model(net.pair(net.int8_convolution(net.pair("x"), 8, 8)))


@case("first-convolution-int8", int8_network)
def three_channels_in_int8() -> onnx.ModelProto:
    net = Net((1, 3, 8, 8))
    return net.model(net.pair(net.int8_convolution(net.pair("x"), 16, 3)))


def in_groups(groups: int) -> onnx.ModelProto:
    net = Net()
    return net.model(net.convolution("x", CHANNELS, CHANNELS // groups, group=groups))


@case("grouped-convolution", lambda: in_groups(CHANNELS))
def four_groups() -> onnx.ModelProto:
    return in_groups(4)


def transposed(perm: list[int]) -> onnx.ModelProto:
    net = Net((1, 64, 64, 1))
    return net.model(net.add("Relu", net.add("Transpose", "x", perm=perm)))


@case("transposes", lambda: transposed([0, 3, 1, 2]))
def a_transposition_that_moves() -> onnx.ModelProto:
    return transposed([0, 2, 1, 3])


@case("opset-too-new", float_network)
def opset_22() -> onnx.ModelProto:
    return float_network(opset=22)


@case("ir-version-too-new", float_network)
def ir_version_11() -> onnx.ModelProto:
    return float_network(ir_version=11)


@case("opset-too-old", float_network)
def opset_11() -> onnx.ModelProto:
    return float_network(opset=11, ir_version=6)


@case("unknown-domain", float_network)
def an_operator_of_nobody() -> onnx.ModelProto:
    model = float_network()
    model.graph.node[1].domain = "nobody"
    model.opset_import.add(domain="nobody", version=1)
    return model


@case("runtime-operators", float_network)
def an_operator_of_onnxruntime() -> onnx.ModelProto:
    net = Net()
    return net.model(net.add("QuickGelu", net.convolution("x"), domain="com.microsoft"))


@case("training-mode", float_network)
def a_dropout_that_drops() -> onnx.ModelProto:
    net = Net()
    how = net.constant(0.5), net.constant(True, np.bool_)
    return net.model(net.add("Dropout", net.convolution("x"), *how))


def typed(kind: int, dtype: Any) -> onnx.ModelProto:
    net = Net(kind=kind)
    weight = net.constant(np.ones((CHANNELS, CHANNELS, 3, 3)), dtype)
    return net.model(net.add("Conv", "x", weight), kind=kind)


@case("half-precision", float_network)
def in_half_precision() -> onnx.ModelProto:
    return typed(TensorProto.FLOAT16, np.float16)


@case("double-precision", float_network)
def in_double_precision() -> onnx.ModelProto:
    return typed(TensorProto.DOUBLE, np.float64)


@case("int64-arithmetic", float_network)
def sums_of_int64() -> onnx.ModelProto:
    net = Net(kind=TensorProto.INT64)
    return net.model(net.add("Add", "x", net.constant(1, np.int64)), kind=TensorProto.INT64)


def taking(*shape: int | str) -> onnx.ModelProto:
    net = Net(shape)
    return net.model(net.convolution("x"))


@case("dynamic-axes", lambda: taking("batch", CHANNELS, 8, 8))
def an_open_height() -> onnx.ModelProto:
    return taking("batch", CHANNELS, "height", 8)


@case("fixed-batch", lambda: taking(1, CHANNELS, 8, 8))
def a_batch_of_four() -> onnx.ModelProto:
    return taking(4, CHANNELS, 8, 8)


@case("unused-weights", float_network)
def a_weight_that_nobody_reads() -> onnx.ModelProto:
    net = Net()
    net.constant(np.ones(1000))
    return net.model(net.convolution("x"))


@case("dead-operators", float_network)
def an_operator_that_leads_nowhere() -> onnx.ModelProto:
    net = Net()
    net.add("Sigmoid", "x")
    return net.model(net.convolution("x"))


@case("unfolded-constants", float_network)
def a_weight_that_is_computed() -> onnx.ModelProto:
    net = Net()
    weight = net.constant(np.ones((CHANNELS, CHANNELS, 3, 3)))
    return net.model(net.add("Conv", "x", net.add("Mul", weight, net.constant(0.5))))


def normalized(*before: str) -> onnx.ModelProto:
    net = Net()
    tensor = net.convolution("x")
    for operator in before:
        tensor = net.add(operator, tensor)
    statistics = [net.constant(np.ones(CHANNELS)) for _ in range(4)]
    return net.model(net.add("BatchNormalization", tensor, *statistics))


@case("unfolded-norms", lambda: normalized("Sigmoid"))
def a_norm_behind_its_convolution() -> onnx.ModelProto:
    return normalized()


@case("unfoldable-norms", normalized)
def a_norm_behind_an_activation() -> onnx.ModelProto:
    return normalized("Sigmoid")


@case("idle-operators", float_network)
def an_identity() -> onnx.ModelProto:
    net = Net()
    return net.model(net.convolution(net.add("Identity", "x")))


@case("idle-between-quantizers", int8_network)
def an_identity_before_a_quantizer() -> onnx.ModelProto:
    net = Net()
    return net.model(net.pair(net.add("Identity", net.int8_convolution(net.pair("x")))))


def holding(value: float, place: tuple[int, ...] = (0, 0, 0, 0)) -> onnx.ModelProto:
    net = Net()
    values = net.generator.standard_normal((CHANNELS, CHANNELS, 3, 3))
    values[place] = value
    return net.model(net.add("Conv", "x", net.constant(values)))


@case("nan-weights", float_network)
def a_weight_of_nan() -> onnx.ModelProto:
    return holding(np.nan)


@case("infinite-weights", float_network)
def a_weight_of_infinity() -> onnx.ModelProto:
    return holding(-np.inf)


@case("dead-filters", lambda: holding(0.0))
def a_filter_of_zeros() -> onnx.ModelProto:
    return holding(0.0, (3,))


def diagnosis(model: onnx.ModelProto, folder: Path, target: Any = BOARD) -> Diagnosis:
    return edgedistill.doctor(saved(model, folder), target=target)


def finding(found: Diagnosis, code: str) -> Finding:
    (one,) = [one for one in found.findings if one.code == code]
    return one


def codes(found: Diagnosis) -> list[str]:
    return [one.code for one in found.findings]


@pytest.mark.parametrize("name", CASES)
def test_a_graph_that_has_it_and_one_that_has_not(name: str, tmp_path: Path) -> None:
    sick, healthy = CASES[name]
    code, _, _ = name.partition(":")
    found = diagnosis(sick(), tmp_path)
    assert code in codes(found)
    one = finding(found, code)
    assert one.problem
    assert one.remedy
    assert code not in codes(diagnosis(healthy(), tmp_path))


@pytest.mark.parametrize("model", [float_network, int8_network])
@pytest.mark.parametrize("target", [BOARD, "host"])
def test_a_healthy_network_has_no_findings_but_notes(
    model: Callable[[], onnx.ModelProto], target: str, tmp_path: Path
) -> None:
    found = diagnosis(model(), tmp_path, target)
    assert [one.code for one in found.findings if one.severity is not Severity.NOTE] == []


def test_the_worst_comes_first_then_the_dearest(tmp_path: Path) -> None:
    model = holding(np.nan)
    model.graph.node.append(helper.make_node("Identity", ["x"], ["nowhere"]))
    found = diagnosis(model, tmp_path)
    ranks = [list(Severity).index(one.severity) for one in found.findings]
    assert len(set(ranks)) > 1
    assert ranks == sorted(ranks)


def test_coverage_counts_operators_and_their_work(tmp_path: Path) -> None:
    net = Net()
    half = net.pair(net.int8_convolution(net.pair("x")))
    model = net.model(net.convolution(half))  # 6x6 pixels, then 4x4
    int8 = diagnosis(model, tmp_path).int8
    assert (int8.int8_operators, int8.float_operators) == (1, 1)
    assert int8.operators_fraction == 0.5
    assert int8.macs_fraction == pytest.approx(36 / (36 + 16))
    assert int8.verified == "unverified"


def test_where_the_runtime_is_here_its_own_graph_decides(tmp_path: Path) -> None:
    model = a_transposition_without_a_pair()  # onnxruntime moves the pair behind the Transpose
    assert "float-fallback" in codes(diagnosis(model, tmp_path))
    found = diagnosis(model, tmp_path, "host")
    assert found.int8.verified == "in-runtime"
    assert found.int8.operators_fraction == 1.0
    assert "float-fallback" not in codes(found)


def test_what_the_runtime_leaves_in_float_is_told_though_the_file_looks_right(
    tmp_path: Path,
) -> None:
    net = Net()
    how = {"zero": 0, "kind": np.int8}
    model = net.model(net.pair(net.int8_convolution(net.pair("x", **how)), **how))
    found = diagnosis(model, tmp_path, "host")
    if found.int8.float_operators:  # processors differ in what they do with signed activations
        assert "activations are signed" in finding(found, "float-fallback").problem
    assert diagnosis(model, tmp_path).int8.operators_fraction == 1.0


def test_a_cost_is_a_share_of_the_estimate_with_its_interval(tmp_path: Path) -> None:
    found = diagnosis(a_float_weight(), tmp_path)
    cost = finding(found, "float-fallback").cost
    assert cost is not None
    assert cost.of == "latency"
    assert cost.latency_ms is not None
    assert found.latency_ms is not None
    assert cost.latency_ms.value == pytest.approx(cost.share_fraction * found.latency_ms.value)
    assert cost.latency_ms.low < cost.latency_ms.value < cost.latency_ms.high


def test_without_an_estimate_a_cost_is_a_share_of_the_work(
    tmp_path: Path, board: Callable[..., TargetProfile]
) -> None:
    found = diagnosis(a_float_weight(), tmp_path, board())
    cost = finding(found, "float-fallback").cost
    assert cost is not None
    assert (cost.of, cost.share_fraction, cost.latency_ms) == ("macs", 1.0, None)
    assert found.latency_reason


def test_where_nothing_can_be_counted_a_cost_is_a_share_of_the_weights(tmp_path: Path) -> None:
    net = Net(("batch", CHANNELS, "height", 8))
    found = diagnosis(net.model(net.pair(net.convolution(net.pair("x")))), tmp_path)
    cost = finding(found, "float-fallback").cost
    assert cost is not None
    assert cost.of == "weight-bytes"
    assert cost.share_fraction > 0.9


def test_a_runtime_of_fixed_shapes_takes_no_open_axis(
    tmp_path: Path, board: Callable[..., TargetProfile]
) -> None:
    model = taking("batch", CHANNELS, 8, 8)
    found = diagnosis(model, tmp_path, board(shapes="static"))
    assert finding(found, "dynamic-axes").severity is Severity.HIGH
    assert "dynamic-axes" not in codes(diagnosis(model, tmp_path, board()))


def test_a_model_larger_than_the_memory_or_the_usual_budget(
    tmp_path: Path, board: Callable[..., TargetProfile]
) -> None:
    net = Net()
    weight = net.constant(np.ones((600, CHANNELS, 6, 6)))
    model = net.model(net.add("Conv", "x", weight))  # 1.4 MB
    budget = {"limits": {"max_size_mb": 1.0}, "reason": "a test"}
    small = board(memory_mb=1, memory_source="a test", default_budget=budget)
    found = codes(diagnosis(model, tmp_path, small))
    assert {"larger-than-memory", "over-size-budget"} <= set(found)
    large = board(memory_mb=1000, memory_source="a test")
    assert not {"larger-than-memory", "over-size-budget"} & set(
        codes(diagnosis(model, tmp_path, large))
    )


def test_an_estimate_above_the_usual_budget(tmp_path: Path) -> None:
    profile = edgedistill.target_profile(BOARD)

    def with_limit(limit_ms: float) -> TargetProfile:
        budget = {"limits": {"latency_p50_ms": limit_ms}, "reason": "a test"}
        return type(profile).read(
            {**profile.model_dump(mode="json"), "default_budget": budget}, file="board"
        )

    model = float_network()
    assert "over-latency-budget" in codes(diagnosis(model, tmp_path, with_limit(1e-6)))
    assert "over-latency-budget" not in codes(diagnosis(model, tmp_path, with_limit(1e6)))


def test_weights_beside_the_file_are_read_and_told(tmp_path: Path) -> None:
    model = float_network()
    onnx.save_model(
        model,
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    found = edgedistill.doctor(tmp_path / "model.onnx", target="host")
    assert finding(found, "external-data").tensors == ("weights.bin",)
    assert found.runtime_reason is None
    whole = sum(file.stat().st_size for file in tmp_path.iterdir()) / 1e6
    assert found.size_mb == pytest.approx(whole)
    assert "external-data" not in codes(diagnosis(float_network(), tmp_path))


def test_a_file_that_the_runtime_refuses_is_told(tmp_path: Path) -> None:
    found = diagnosis(an_operator_of_nobody(), tmp_path, "host")
    one = finding(found, "not-loadable")
    assert one.severity is Severity.HIGH
    assert "nobody" in one.problem
    assert "not-loadable" not in codes(diagnosis(float_network(), tmp_path, "host"))


def test_the_saved_document_reads_back(tmp_path: Path) -> None:
    found = diagnosis(int8_network(), tmp_path)
    edgedistill.save_diagnosis(found, tmp_path / "found.json")
    text = (tmp_path / "found.json").read_text(encoding="utf-8")
    assert type(found).model_validate_json(text) == found


def test_quantized_operators_count_as_int8(tmp_path: Path) -> None:
    net = Net()
    how = net.constant(0.05), net.constant(128, np.uint8)
    scales = net.constant(np.full(CHANNELS, 0.01))
    weight = net.constant(net.weight((CHANNELS, CHANNELS, 3, 3)), np.int8)
    zeros = net.constant(np.zeros(CHANNELS), np.int8)
    quantized = net.add("QuantizeLinear", "x", *how)
    convolution = net.add("QLinearConv", quantized, *how, weight, scales, zeros, *how)
    model = net.model(net.add("DequantizeLinear", convolution, *how))
    for target in (BOARD, "host"):
        found = diagnosis(model, tmp_path, target)
        assert (found.int8.int8_operators, found.int8.float_operators) == (1, 0)
        assert found.int8.macs_fraction == 1.0
        assert [one for one in found.findings if one.severity is not Severity.NOTE] == []


def test_a_normal_transformer_block_is_no_finding(tmp_path: Path) -> None:
    net = Net((1, 1, 32, CHANNELS))
    tokens = net.pair("x")
    keys = net.add("Transpose", tokens, perm=[0, 1, 3, 2])
    scores = net.add("MatMul", tokens, net.pair(keys))
    weights = net.pair(net.add("Softmax", scores), 1 / 255, zero=0)
    found = diagnosis(net.model(net.add("MatMul", weights, tokens)), tmp_path)
    assert found.int8.operators_fraction == 1.0
    assert [one.code for one in found.findings if one.severity is Severity.HIGH] == []
