"""Which program computes: the name by which shapes of the cost model know a runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.profile import Runtime

if TYPE_CHECKING:
    from edgedistill.core.profile import ConvertedRuntime

_PROVIDERS = {
    "CPUExecutionProvider": "onnxruntime-cpu",
    "XnnpackExecutionProvider": "xnnpack",
    "CUDAExecutionProvider": "onnxruntime-cuda",
    "TensorrtExecutionProvider": "tensorrt",
}
_PROGRAMS = (
    ("ncnn", "ncnn"),
    ("tensorflow lite", "tflite"),
    ("tflite", "tflite"),
    ("arm", "armnn"),
)
_CLOSED = {
    "QNNExecutionProvider": "the NPU's own compiler",
    "NnapiExecutionProvider": "the phone's driver",
}
_DELEGATES = ("qnn", "nnapi", "hexagon", "gpu", "vulkan", "opencl", "coral", "edge tpu")
_ON_PROCESSORS = ("onnxruntime-cpu", "xnnpack", "ncnn", "tflite", "armnn")


def engine_of(runtime: Runtime | ConvertedRuntime) -> str | None:
    """The engine of a runtime; None where a driver decides what runs where.

    One place for it: shapes are chosen by this name.
    """
    if isinstance(runtime, Runtime):
        return _PROVIDERS.get(runtime.provider)
    name = runtime.engine.lower()
    if any(delegate in name for delegate in _DELEGATES):
        return None
    return next((engine for start, engine in _PROGRAMS if name.startswith(start)), None)


def runs_on_processor(engine: str) -> bool:
    """Whether the engine computes on the processor's cores, whose peak the profile gives."""
    return engine in _ON_PROCESSORS


def who_decides(runtime: Runtime | ConvertedRuntime) -> str:
    """Of a runtime without an engine: who decides what runs where."""
    if isinstance(runtime, Runtime):
        return _CLOSED.get(runtime.provider, runtime.provider)
    return runtime.engine
