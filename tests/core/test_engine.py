from __future__ import annotations

import pytest

from edgedistill.core.engine import engine_of, runs_on_processor, who_decides
from edgedistill.core.profile import ConvertedRuntime, Runtime


def served_by(provider: str) -> Runtime:
    return Runtime(
        provider=provider,
        max_opset=20,
        max_ir_version=10,
        precisions=("fp32",),
        default_precision="fp32",
        source="a table",
    )


def converted(engine: str) -> ConvertedRuntime:
    return ConvertedRuntime(
        engine=engine, file_format="a file", precisions=("fp32",), source="a table"
    )


@pytest.mark.parametrize(
    ("provider", "engine"),
    [
        ("CPUExecutionProvider", "onnxruntime-cpu"),
        ("XnnpackExecutionProvider", "xnnpack"),
        ("TensorrtExecutionProvider", "tensorrt"),
        ("QNNExecutionProvider", None),
        ("NnapiExecutionProvider", None),
    ],
)
def test_a_provider_has_one_engine_or_a_driver_that_decides(
    provider: str, engine: str | None
) -> None:
    assert engine_of(served_by(provider)) == engine


@pytest.mark.parametrize(
    ("said", "engine"),
    [
        ("ncnn", "ncnn"),
        ("ncnn 20240820", "ncnn"),
        ("TensorFlow Lite with XNNPACK or Ruy", "tflite"),
        ("ArmNN 21.08", "armnn"),
        ("Arm NN", "armnn"),
        ("TensorFlow Lite with the QNN delegate", None),
        ("ncnn with Vulkan", None),
        ("a runtime nobody knows", None),
    ],
)
def test_a_converted_runtime_is_known_by_how_its_name_begins(said: str, engine: str | None) -> None:
    assert engine_of(converted(said)) == engine


def test_only_engines_of_processors_follow_from_a_processors_peak() -> None:
    assert runs_on_processor("onnxruntime-cpu")
    assert not runs_on_processor("tensorrt")


def test_who_decides_is_named() -> None:
    assert who_decides(served_by("QNNExecutionProvider")) == "the NPU's own compiler"
    assert who_decides(converted("a closed runtime")) == "a closed runtime"
