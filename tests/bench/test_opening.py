from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from edgedistill.bench.opening import opened
from edgedistill.core.opening import Opening
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.profile import Runtime
    from tests.bench.conftest import WriteModel

INT8 = Opening(
    provider_options={"trt_int8_enable": "True"}, graph_optimization="none", source="a test"
)
PLAIN = {"provider_options": {}, "graph_optimization": "all"}


def test_a_runtime_that_opens_all_files_alike_reads_none(runtime: Runtime, tmp_path: Path) -> None:
    absent = {"model.onnx": tmp_path / "absent.onnx"}
    assert opened(runtime, absent) == {"provider": "CPUExecutionProvider", "threads": 1}
    assert opened(runtime, absent, threads=3)["threads"] == 3


def test_each_file_gets_what_its_numbers_need(
    runtime: Runtime, write_model: WriteModel, tmp_path: Path
) -> None:
    floating, quantized = write_model("float.onnx"), tmp_path / "int8.onnx"
    quantize_dynamic(floating, quantized, weight_type=QuantType.QInt8)
    special = runtime.model_copy(update={"openings": {"int8": INT8}})
    job = opened(special, {"model-0.onnx": floating, "model-1.onnx": quantized})
    assert job["openings"] == {
        "model-0.onnx": PLAIN,
        "model-1.onnx": {
            "provider_options": {"trt_int8_enable": "True"},
            "graph_optimization": "none",
        },
    }


def test_what_is_no_model_is_refused_before_anything_is_sent(
    runtime: Runtime, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    special = runtime.model_copy(update={"openings": {"int8": INT8}})
    with pytest.raises(InputError, match="broken"):
        opened(special, {"model.onnx": broken})
    onnx.save(onnx.ModelProto(), broken)
    with pytest.raises(InputError, match="broken"):
        opened(special, {"model.onnx": broken})
