from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx.parser
import pytest

from edgedistill.errors import PromiseError
from edgedistill.stages.quantize.promises import promise_limits, promise_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.profile import QuantizationScheme


def model(*, ir_version: int = 9, opsets: str = '"" : 18') -> onnx.ModelProto:
    return onnx.parser.parse_model(
        f"<ir_version: {ir_version}, opset_import: [{opsets}]>"
        "g (float[N] input) => (float[N] out) { out = Relu (input) }"
    )


def test_the_same_limits_are_kept() -> None:
    promise_limits(model(), model())
    promise_limits(model(), model(ir_version=8))


@pytest.mark.parametrize(
    ("result", "risen"),
    [
        (model(ir_version=10), "IR 10"),
        (model(opsets='"" : 21'), "opset 21"),
        (model(opsets='"" : 18, "com.microsoft" : 1'), "com.microsoft 1"),
    ],
)
def test_what_asks_more_of_a_runtime_breaks_the_promise(
    result: onnx.ModelProto, risen: str
) -> None:
    with pytest.raises(PromiseError, match=f"found {risen}"):
        promise_limits(model(), result)


def test_a_file_shrinks_unless_tiny_or_of_a_scheme_that_keeps_float_weights(
    scheme: Callable[..., QuantizationScheme],
) -> None:
    symmetric = scheme(activation="int8", symmetric_activation=True)
    promise_size({"fp32": 1_000_000, "int8": 300_000}, scheme())
    promise_size({"fp32": 10_000, "int8": 12_000}, scheme())
    promise_size({"fp32": 1_000_000, "int8": 1_010_000}, symmetric)
    with pytest.raises(PromiseError, match=r"smaller file than the float one \(1000000 bytes\)"):
        promise_size({"fp32": 1_000_000, "int8": 1_000_000}, scheme())
