"""The schemes of the profiles that ship, held against runtimes and against optimum's presets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
import onnxruntime
import pytest

from edgedistill.catalog.host import complete, read_host_facts
from edgedistill.catalog.profiles import load, names
from edgedistill.core.quantizing import Quantize
from edgedistill.cost.heavy_operators import FLOAT_OPERATORS, INT8_OPERATORS
from edgedistill.stages.quantize import Quantization

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme, Runtime
    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset

    Trained = Callable[[str], Path]

PROCESSOR = "CPUExecutionProvider"


def _schemes(*, processor: bool) -> list[QuantizationScheme]:
    """Every scheme of the profiles once, whatever its reason says."""
    found: dict[str, QuantizationScheme] = {}
    for name in names():
        for runtime in load(name).runtimes.values():
            own = [runtime.int8, *runtime.other_int8] if runtime.int8 else []
            for scheme in own if (runtime.provider == PROCESSOR) is processor else []:
                found.setdefault(str(scheme.model_copy(update={"reason": ""})), scheme)
    return list(found.values())


def _called(scheme: QuantizationScheme) -> str:
    per = "channel" if scheme.per_channel else "tensor"
    return f"{scheme.label}-{per}{'-symmetric' if scheme.symmetric_activation else ''}"


def _counts(model: Path, *, signed: bool, optimized: Path) -> tuple[int, list[str]]:
    """Heavy operators in int8 and the names of those in float, as onnxruntime would run them.

    With signed activations the option is set that is the default on ARM, where they are fused.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(optimized)
    options.add_session_config_entry("session.qdqisint8allowed", "1" if signed else "0")
    onnxruntime.InferenceSession(str(model), options, providers=[PROCESSOR])
    nodes = onnx.load_model(optimized).graph.node
    int8 = sum(node.op_type in INT8_OPERATORS for node in nodes)
    return int8, [node.name for node in nodes if node.op_type in FLOAT_OPERATORS]


@pytest.mark.parametrize("network", ["depthwise-cnn", "mlp"])
@pytest.mark.parametrize("scheme", _schemes(processor=True), ids=_called)
def test_onnxruntime_runs_every_processors_scheme_in_int8(
    scheme: QuantizationScheme,
    network: str,
    trained: Trained,
    digits: Dataset,
    context: StageContext,
    tmp_path: Path,
    heavy: Callable[[Path], int],
) -> None:
    config = Quantize(min_int8_share=1.0)
    Quantization(trained(network), digits, config, scheme, runs_here=False).run(context)
    int8, floating = _counts(
        context.folder / "model.onnx",
        signed=scheme.activation == "int8",
        optimized=tmp_path / "optimized.onnx",
    )
    assert floating == []
    assert int8 == heavy(trained(network))


@pytest.mark.parametrize("scheme", _schemes(processor=False), ids=_called)
def test_every_other_scheme_puts_quantizers_around_every_heavy_operator(
    scheme: QuantizationScheme, trained: Trained, digits: Dataset, context: StageContext
) -> None:
    config = Quantize(min_int8_share=1.0)
    stage = Quantization(trained("depthwise-cnn"), digits, config, scheme, runs_here=False)
    check = stage.run(context).facts["check"]
    assert (check["verified"], check["float_operators"]) == ("unverified", 0)


def test_this_machine_runs_signed_convolutions_in_int8_only_where_it_is_no_x86(
    trained: Trained, digits: Dataset, context: StageContext, tmp_path: Path
) -> None:
    """Why S8S8 is another scheme on x86 and no first one: the runtime leaves it in float."""
    signed = next(each for each in load("host").runtimes["cpu"].other_int8 if each.label == "S8S8")
    config = Quantize(min_int8_share=1.0)
    Quantization(trained("depthwise-cnn"), digits, config, signed, runs_here=False).run(context)
    as_on_x86 = _counts(
        context.folder / "model.onnx", signed=False, optimized=tmp_path / "optimized.onnx"
    )
    assert as_on_x86[1]


def _preset(name: str) -> Any:
    presets = pytest.importorskip("optimum.onnxruntime.configuration")
    make = getattr(presets.AutoQuantizationConfig, name)
    return make() if name == "tensorrt" else make(is_static=True, per_channel=True)


def _agrees(scheme: QuantizationScheme, preset: Any) -> None:
    types = {"int8": "QInt8", "uint8": "QUInt8"}
    assert types[scheme.activation] == preset.activations_dtype.name
    assert types[scheme.weight] == preset.weights_dtype.name
    assert scheme.symmetric_activation == preset.activations_symmetric
    assert scheme.symmetric_weight == preset.weights_symmetric
    assert scheme.per_channel == preset.per_channel
    assert scheme.reduce_range == preset.reduce_range


@pytest.mark.parametrize(
    ("target", "runtime", "preset"),
    [
        ("raspberry-pi-5", "cpu", "arm64"),
        ("jetson-orin-nano", "cpu", "arm64"),
        ("jetson-orin-nano", "tensorrt", "tensorrt"),
        ("jetson-xavier-nx", "tensorrt", "tensorrt"),
    ],
)
def test_a_profiles_first_scheme_is_optimums_preset(target: str, runtime: str, preset: str) -> None:
    scheme = load(target).runtimes[runtime].int8
    assert scheme is not None
    _agrees(scheme, _preset(preset))


def _x86(flags: str, folder: Path) -> Runtime:
    """This machine's profile, as it is on an x86 with these flags."""
    text = f"processor : 0\nmodel name : a processor\nflags : {flags}\n"
    (folder / "cpuinfo").write_text(text)
    facts = read_host_facts(proc=folder, sys=folder, machine="x86_64")
    return complete(load("host"), facts).runtimes["cpu"]


def test_an_x86_with_vnni_has_optimums_scheme_first(tmp_path: Path) -> None:
    scheme = _x86("avx2 avx512f avx512_vnni", tmp_path).int8
    assert scheme is not None
    _agrees(scheme, _preset("avx512_vnni"))


def test_an_x86_without_vnni_saturates_in_no_scheme(tmp_path: Path) -> None:
    """Optimum's preset for AVX2 has unsigned weights; such a scheme is among ours."""
    runtime = _x86("avx2", tmp_path)
    assert runtime.int8 is not None
    schemes = [runtime.int8, *runtime.other_int8]
    assert all(each.reduce_range == (each.weight == "int8") for each in schemes)
    preset = _preset("avx2")
    assert (preset.activations_dtype.name, preset.weights_dtype.name) == ("QUInt8", "QUInt8")
    assert "U8U8" in [each.label for each in schemes]
