from __future__ import annotations

import onnx.parser
import pytest

from edgedistill.stages.quantize.reasons import (
    CONVOLUTION,
    NO_QUANTIZERS,
    NOT_ENCLOSED,
    NOT_FUSED,
    PRODUCT,
    REWRITTEN,
    dynamic_reasons,
    float_reasons,
)

MODEL = """<ir_version: 10, opset_import: ["" : 20]>
g (float[1,4,4,4] input) => (float[1,4,4,4] attended)
<int8[4,4,1,1] rounded, float scale, float[4,4,1,1] w, float[1] v = {2.0}> {
    [enter] small = QuantizeLinear (input, scale)
    [back] again = DequantizeLinear (small, scale)
    [weight] real = DequantizeLinear (rounded, scale)
    [quantized] summed = Conv (again, real)
    [plain] wide = Conv (summed, w)
    [product] square = MatMul (wide, summed)
    [mixed] scaled = MatMul (square, v)
    [recurrent] attended = Einsum <equation = "abcd->abcd"> (scaled)
}"""


def reasons(*floating: str, seen_running: bool = True, **on_purpose: str) -> dict[str, str]:
    return float_reasons(
        floating,
        onnx.parser.parse_model(MODEL),
        maker="somebody",
        seen_running=seen_running,
        on_purpose={f"Conv {name}": why for name, why in on_purpose.items()},
    )


@pytest.mark.parametrize(
    ("title", "why"),
    [
        ("Conv quantized", NOT_FUSED),
        ("FusedConv quantized", NOT_FUSED),
        ("Conv summed_nchwc", NOT_FUSED),
        ("Conv plain", NO_QUANTIZERS.format(maker="somebody")),
        ("MatMul product", PRODUCT),
        ("FusedMatMul product/MatMulScaleFusion/", PRODUCT),
        ("MatMul mixed", NO_QUANTIZERS.format(maker="somebody")),
        ("Einsum recurrent", "Einsum has no int8 form here"),
        ("Attention a_name_of_its_own", REWRITTEN),
    ],
)
def test_each_operator_in_float_has_its_reason(title: str, why: str) -> None:
    assert reasons(title) == {title: why}


def test_what_only_the_file_tells_is_not_said_of_a_runtime() -> None:
    assert reasons("Conv quantized", seen_running=False) == {"Conv quantized": NOT_ENCLOSED}


def test_what_was_left_in_float_on_purpose_says_what_for() -> None:
    found = reasons("FusedConv plain", "Conv quantized", plain="alone it moves the outputs by 9 %")
    assert found["FusedConv plain"] == (
        "left in float to keep the accuracy: alone it moves the outputs by 9 %"
    )
    assert found["Conv quantized"] == NOT_FUSED


def test_dynamic_int8_leaves_convolutions_and_products_of_activations() -> None:
    assert dynamic_reasons(["Conv stem", "FusedMatMul scores"]) == {
        "Conv stem": CONVOLUTION,
        "FusedMatMul scores": PRODUCT,
    }
