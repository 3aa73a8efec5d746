"""What of an int8 graph runs in int8, against the kernels that ONNX Runtime chooses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from edgedistill.core.operator_kind import MULTIPLYING, Kind
from edgedistill.cost import operators_of, precision_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.cost.operators import Operator


class Reader(CalibrationDataReader):
    def __init__(self, shape: tuple[int, ...]) -> None:
        generator = np.random.default_rng(0)
        self.samples = [generator.standard_normal((1, *shape), dtype=np.float32) for _ in "abc"]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return {"input": self.samples.pop()} if self.samples else None


class Small(nn.Module):
    """Convolutions with a residual sum, an activation without int8 kernel, a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.third = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.first(x).relu()
        total = self.second(first).clamp(0, 6) + first
        third = nn.functional.elu(self.third(nn.functional.max_pool2d(total, 2)))
        return self.head(nn.functional.adaptive_avg_pool2d(third, 1).flatten(1))


@pytest.fixture
def quantized(tmp_path: Path, export: Callable[..., Path]) -> Callable[[str], Path]:
    def make(form: str) -> Path:
        torch.manual_seed(0)
        prepared, file = tmp_path / "prepared.onnx", tmp_path / "quantized.onnx"
        quant_pre_process(str(export(Small(), (3, 8, 8))), str(prepared), skip_symbolic_shape=True)
        if form == "dynamic":
            model = onnx.load_model(prepared)
            del model.graph.value_info[:]
            onnx.save_model(model, prepared)
            quantize_dynamic(prepared, file, per_channel=True)
        else:
            quantize_static(
                prepared,
                file,
                Reader((3, 8, 8)),
                quant_format=QuantFormat[form],
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
            )
        return file

    return make


def in_runtime(file: Path, folder: Path) -> Counter[str]:
    """Operators that the runtime is left with."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(
        str(file),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["NchwcTransformer", "NhwcTransformer"],
    )
    return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def of_kind(operators: tuple[Operator, ...], *kinds: Kind) -> list[Operator]:
    return [one for one in operators if one.kind in kinds]


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_int8_kernels_are_those_that_the_runtime_chooses(
    form: str, quantized: Callable[[str], Path], tmp_path: Path
) -> None:
    file = quantized(form)
    operators, theirs = operators_of(file), in_runtime(file, tmp_path)
    assert precision_of(operators) == "int8"
    heavy = of_kind(operators, *MULTIPLYING)
    assert len(heavy) == theirs["QLinearConv"] + theirs["QGemm"] == 4
    assert {one.precision for one in heavy} == {"int8"}
    floats = of_kind(operators_of(tmp_path / "network.onnx"), *MULTIPLYING)
    assert heavy == [replace(one, precision="int8") for one in floats]
    sums = of_kind(operators, Kind.ELEMENTWISE)
    assert [one.precision for one in sums] == ["int8"] * theirs["QLinearAdd"] == ["int8"]
    assert [one.precision for one in of_kind(operators, Kind.SIGMOID)] == ["fp32"]  # Elu
    conversions = of_kind(operators, Kind.QUANTIZE)
    assert len(conversions) == theirs["QuantizeLinear"] + theirs["DequantizeLinear"]
    assert not of_kind(operators, Kind.RELU)  # the integers' own bounds clip


def test_dynamic_quantization_converts_before_each_product(
    quantized: Callable[[str], Path], tmp_path: Path
) -> None:
    file = quantized("dynamic")
    operators, theirs = operators_of(file), in_runtime(file, tmp_path)
    heavy = of_kind(operators, *MULTIPLYING)
    products = theirs["DynamicQuantizeMatMul"] + theirs["MatMulIntegerToFloat"]
    assert len(heavy) == theirs["ConvInteger"] + products == 4
    assert {one.precision for one in heavy} == {"int8"}
    converted = theirs["DynamicQuantizeLinear"] + theirs["DynamicQuantizeMatMul"]
    assert len(of_kind(operators, Kind.QUANTIZE)) == converted
    # each convolution's factors: the scales' product and its use on the sums of integers
    assert len(of_kind(operators, Kind.ELEMENTWISE)) == theirs["Mul"] + theirs["Add"]


def test_a_conversion_runs_anew_for_each_float_reader(write: Callable[..., Path]) -> None:
    file = write(
        "g (float[N,8] x) => (float[N,8] y) <float s = {0.1}, uint8 z = {128}> {"
        "q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z)"
        "g1 = Sigmoid (d) y = Mul (d, g1) }"
    )
    kinds = [one.kind for one in operators_of(file)]
    assert kinds == [Kind.QUANTIZE] * 3 + [Kind.SIGMOID, Kind.ELEMENTWISE]


def test_float_weights_behind_a_pair_are_int8(write: Callable[..., Path]) -> None:
    file = write(
        "g (float[N,8] x) => (float[N,8] y) <float s = {0.1}, uint8 z = {128}, int8 n = {0}> {"
        "q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z)"
        "qw = QuantizeLinear (w, s, n) dw = DequantizeLinear (qw, s, n) y = MatMul (d, dw) }",
        weights={"w": (8, 8)},
    )
    quantize, product = operators_of(file)
    assert quantize.kind is Kind.QUANTIZE
    assert (product.kind, product.precision, product.weight_elements) == (Kind.MATMUL, "int8", 64)


def test_weights_alone_in_int8_compute_in_float(write: Callable[..., Path]) -> None:
    file = write(
        "g (float[N,8] x) => (float[N,8] y) <float s = {0.1}, int8 n = {0}> {"
        "qw = QuantizeLinear (w, s, n) dw = DequantizeLinear (qw, s, n) y = MatMul (x, dw) }",
        weights={"w": (8, 8)},
    )
    (product,) = operators_of(file)
    assert (product.precision, product.weight_elements) == ("fp32", 64)
