"""Holds the figures of the profiles that ship to the published tables they were taken from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from edgedistill.catalog.profiles import load, names

if TYPE_CHECKING:
    from edgedistill.core.hardware import Cluster
    from edgedistill.core.profile import TargetProfile

DEVICES = [name for name in names() if name != "host"]
CLUSTERS = [
    pytest.param(cluster, id=f"{name}-{index}-{cluster.core}")
    for name in DEVICES
    for index, cluster in enumerate(load(name).clusters)
]

_ARMV8_2 = frozenset({"neon", "fp16", "dotprod"})
_ARMV9 = _ARMV8_2 | {"bf16", "i8mm", "sve", "sve2"}
CORES = {
    "Cortex-A53": (frozenset({"neon"}), 8),
    "Cortex-A57": (frozenset({"neon"}), 8),
    "Cortex-A72": (frozenset({"neon"}), 8),
    "NVIDIA Carmel": (frozenset({"neon", "fp16"}), 16),
    "Cortex-A55": (_ARMV8_2, 8),
    "Cortex-A76": (_ARMV8_2, 16),
    "Cortex-A78": (_ARMV8_2, 16),
    "Cortex-A78AE": (_ARMV8_2, 16),
    "Cortex-X1": (_ARMV8_2, 32),
    "Cortex-A510": (_ARMV9, 8),
    "Cortex-A520": (_ARMV9, 8),
    "Cortex-A710": (_ARMV9, 16),
    "Cortex-A715": (_ARMV9, 16),
    "Cortex-A720": (_ARMV9, 16),
    "Cortex-X2": (_ARMV9, 32),
    "Cortex-X3": (_ARMV9, 32),
    "Cortex-X4": (_ARMV9, 32),
}
"""By core: what LLVM's AArch64Processors.td lists of it, fp32 operations a cycle of its units."""

MASKED = frozenset({"bf16", "sve", "sve2"})
"""What makers of phones leave out of a core, as its system reports."""

MEMORY = {
    "raspberry-pi-zero-2-w": (0.5, 3.6),
    "raspberry-pi-3b-plus": (1, 3.6),
    "raspberry-pi-4": (1, 12.8),
    "raspberry-pi-5": (2, 17.1),
    "jetson-nano": (4, 25.6),
    "jetson-xavier-nx": (8, 59.7),
    "jetson-orin-nano": (8, 68),
    "jetson-orin-nano-super": (8, 102),
    "jetson-agx-orin": (64, 204.8),
    "pixel-6": (8, 51.2),
    "pixel-8": (8, None),
    "snapdragon-8-gen-1": (8, 51.2),
    "snapdragon-8-gen-2": (8, 67.2),
    "snapdragon-8-gen-3": (8, 76.8),
    "snapdragon-7-gen-4": (8, 33.6),
    "snapdragon-778g": (6, 25.6),
    "snapdragon-765g": (6, 17.1),
    "cortex-a55-phone": (2, 8.4),
}
"""By device: memory of the smallest board or phone in 2^30 bytes, bandwidth in 10^9 bytes a
second; None where no published figure is sure."""

HEXAGONS = {
    "snapdragon-778g": 68,
    "snapdragon-8-gen-1": 69,
    "snapdragon-8-gen-2": 73,
    "snapdragon-7-gen-4": 73,
    "snapdragon-8-gen-3": 75,
}
"""By phone: the architecture of the NPU that ONNX Runtime's QNN execution provider drives."""

OPSETS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}
"""By operator set: the version of the file format that came with it (ONNX, Versioning.md)."""


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_core_has_the_instructions_of_its_make(cluster: Cluster) -> None:
    has, flop_per_cycle = CORES[cluster.core]
    flags = set(cluster.isa_flags)
    assert flags <= has
    assert has - flags <= MASKED
    assert cluster.fp32_flop_per_cycle == flop_per_cycle


@pytest.mark.parametrize("name", DEVICES)
def test_the_cores_of_one_chip_know_the_same_instructions(name: str) -> None:
    assert len({frozenset(cluster.isa_flags) for cluster in load(name).clusters}) == 1


@pytest.mark.parametrize("name", DEVICES)
def test_memory_is_that_of_the_published_table(name: str) -> None:
    profile = load(name)
    gib, bandwidth = MEMORY[name]
    assert profile.memory_mb == math.floor(gib * 2**30 / 1e6)
    assert profile.memory_bandwidth_gb_per_s == bandwidth
    assert profile.memory_type


def texts(value: Any, key: str = "") -> list[tuple[str, str]]:
    """Every text of a document with the key that it stands under."""
    if isinstance(value, dict):
        return [pair for name, inner in value.items() for pair in texts(inner, str(name))]
    if isinstance(value, list):
        return [pair for inner in value for pair in texts(inner, key)]
    return [(key, value)] if isinstance(value, str) else []


@pytest.mark.parametrize("name", names())
def test_no_source_is_empty_or_nameless(name: str) -> None:
    path = Path(__file__).parents[2] / "targets" / f"{name}.yaml"
    found = [
        text
        for key, text in texts(yaml.safe_load(path.read_text(encoding="utf-8")))
        if key == "source" or key.endswith("_source")
    ]
    assert len(found) >= len(load(name).runtimes)
    for text in found:
        assert len(text) > 20
        assert "TODO" not in text


@pytest.mark.parametrize("name", names())
def test_every_runtime_takes_int8_as_its_engine_does(name: str) -> None:
    for kind, runtime in load(name).runtimes.items():
        schemes = [*([runtime.int8] if runtime.int8 else []), *runtime.other_int8]
        assert bool(schemes) == ("int8" in runtime.precisions)
        labels = {scheme.label for scheme in schemes}
        assert len({(each.label, each.per_channel) for each in schemes}) == len(schemes)
        if kind == "xnnpack":
            assert labels == {"S8S8", "U8U8"}
        if kind == "tensorrt":
            assert all(each.symmetric_activation and each.symmetric_weight for each in schemes)
        if kind in {"qnn", "nnapi"}:
            assert all(scheme.activation == "uint8" for scheme in schemes)
        if kind not in {"cpu", "cuda"}:
            assert runtime.shapes == "static"
        for scheme in schemes:
            assert not (scheme.per_channel and not scheme.symmetric_weight)
            assert scheme.label != "U8U8" or not scheme.per_channel


@pytest.mark.parametrize("name", names())
def test_an_operator_set_and_its_file_version_fit(name: str) -> None:
    for runtime in load(name).runtimes.values():
        assert OPSETS[runtime.max_opset] <= runtime.max_ir_version


@pytest.mark.parametrize("name", DEVICES)
def test_every_family_has_the_runtimes_that_exist_for_it(name: str) -> None:
    profile = load(name)
    kinds = set(profile.runtimes)
    if name.startswith("raspberry"):
        assert kinds == {"cpu", "xnnpack"}
    elif name.startswith("jetson"):
        assert kinds - {"cuda"} == {"cpu", "tensorrt"}
        assert ("cuda" in kinds) == (name == "jetson-nano")  # whose GPU was measured
    else:
        assert kinds - {"qnn"} == {"cpu", "xnnpack", "nnapi"}
        assert ("qnn" in kinds) == (name in HEXAGONS)


@pytest.mark.parametrize(("name", "architecture"), HEXAGONS.items())
def test_an_npu_without_float_promises_none(name: str, architecture: int) -> None:
    profile = load(name)
    (npu,) = [unit for unit in profile.accelerators if unit.served_by == ("qnn",)]
    assert f"V{architecture}" in npu.name
    assert ("fp16" in profile.runtimes["qnn"].precisions) == (architecture > 68)


def test_maxwell_multiplies_no_int8_and_later_gpus_do() -> None:
    jetsons = [name for name in DEVICES if name.startswith("jetson")]
    without = [n for n in jetsons if "int8" not in load(n).runtimes["tensorrt"].precisions]
    assert without == ["jetson-nano"]


@pytest.mark.parametrize("name", DEVICES)
def test_files_are_opened_as_their_engine_needs_it(name: str) -> None:
    for kind, runtime in load(name).runtimes.items():
        options = {holds: one.provider_options for holds, one in runtime.openings.items()}
        if kind == "tensorrt":
            fp16 = {"trt_fp16_enable": "True"}
            int8 = {"int8": {"trt_int8_enable": "True", **fp16}} if runtime.int8 else {}
            assert options == {"fp16": fp16, **int8}
            assert all(
                (one.graph_optimization == "none") == (holds == "int8")
                for holds, one in runtime.openings.items()
            )
        elif kind == "qnn":
            npu = {"backend_path": "libQnnHtp.so"}
            assert options == {"fp32": npu, "int8": npu}
        else:
            assert options == {}


def limits_of_the_default_mode(profile: TargetProfile) -> None:
    (mode,) = [mode for mode in profile.power_modes if mode.name == profile.default_power_mode]
    if mode.cores_on is not None:
        assert mode.cores_on == sum(cluster.count for cluster in profile.clusters)
    if mode.cpu_clock_ghz is not None:
        assert profile.clusters[0].clock_ghz == mode.cpu_clock_ghz
    for unit in profile.accelerators:
        if unit.kind == "gpu" and mode.gpu_clock_mhz is not None:
            assert unit.clock_mhz == pytest.approx(mode.gpu_clock_mhz, rel=0.01)


@pytest.mark.parametrize("name", [name for name in DEVICES if load(name).power_modes])
def test_clocks_are_those_of_the_default_power_mode(name: str) -> None:
    profile = load(name)
    limits_of_the_default_mode(profile)
    cores = sum(cluster.count for cluster in profile.clusters)
    assert all((mode.cores_on or 0) <= cores for mode in profile.power_modes)


@pytest.mark.parametrize("name", DEVICES)
def test_boards_have_power_modes_and_phones_say_why_not(name: str) -> None:
    profile = load(name)
    if profile.power_modes:
        assert len(profile.power_modes) > 1 or not name.startswith("jetson")
    else:
        assert any("power" in note for note in profile.notes)


@pytest.mark.parametrize("name", DEVICES)
def test_unequal_cores_work_alone_and_equal_ones_together(name: str) -> None:
    profile = load(name)
    cores = profile.clusters[0].count
    together = cores if len(profile.clusters) == 1 else 1
    assert profile.runtimes["cpu"].threads == together
