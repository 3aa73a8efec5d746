from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill.catalog.host import Core, HostFacts, complete, read_host_facts
from edgedistill.catalog.profiles import load
from edgedistill.core.profile import TargetProfile
from edgedistill.core.strict import plain

if TYPE_CHECKING:
    from pathlib import Path

X86 = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz
flags\t\t: fpu sse2 avx avx2 fma f16c

processor\t: 1
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz
flags\t\t: fpu sse2 avx avx2 fma f16c
"""

# The layout of a phone-like arm64 machine: two kinds of cores, and only one kind has i8mm.
ARM = "\n\n".join(
    f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: {features}\n"
    f"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: {part}"
    for number, part, features in [
        (0, "0xd05", "fp asimd fphp asimdhp asimddp"),
        (1, "0xd05", "fp asimd fphp asimdhp asimddp"),
        (2, "0xd0b", "fp asimd fphp asimdhp asimddp i8mm"),
        (3, "0xfff", "fp asimd fphp asimdhp asimddp"),
    ]
)


def machine(tmp_path: Path, cpuinfo: str, clocks_khz: dict[int, int] | None = None) -> HostFacts:
    (tmp_path / "cpuinfo").write_text(cpuinfo, encoding="utf-8")
    (tmp_path / "meminfo").write_text("MemTotal:        8000000 kB\nMemFree: 1 kB\n", "utf-8")
    for processor, clock_khz in (clocks_khz or {}).items():
        folder = tmp_path / f"devices/system/cpu/cpu{processor}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "cpuinfo_max_freq").write_text(f"{clock_khz}\n", encoding="utf-8")
    name = "aarch64" if "CPU part" in cpuinfo else "AMD64"
    return read_host_facts(proc=tmp_path, sys=tmp_path, machine=name)


@pytest.fixture
def template() -> TargetProfile:
    return load("host", host=HostFacts("riscv64", (Core("core", None),), frozenset(), None))


def test_x86_without_vnni_gets_seven_bit_weights(tmp_path: Path) -> None:
    profile = load("host", host=machine(tmp_path, X86, {0: 4_200_000, 1: 4_200_000}))
    (cluster,) = profile.clusters
    assert (cluster.count, cluster.clock_ghz) == (2, 4.2)
    assert cluster.core.startswith("Intel(R) Core(TM) i7-8650U")
    assert cluster.isa_flags == ("avx2", "fma")
    assert profile.machine == "x86_64"
    assert profile.memory_mb == 8192
    scheme = profile.runtimes["cpu"].int8
    assert scheme is not None
    assert scheme.reduce_range
    assert "no VNNI" in scheme.reason


@pytest.mark.parametrize("flag", ["avx512_vnni", "avx_vnni"])
def test_x86_with_vnni_keeps_all_eight_bits(tmp_path: Path, flag: str) -> None:
    profile = load("host", host=machine(tmp_path, X86.replace("f16c", flag)))
    scheme = profile.runtimes["cpu"].int8
    assert scheme is not None
    assert not scheme.reduce_range
    assert flag in scheme.reason
    assert flag in profile.clusters[0].isa_flags


def test_arm_clusters_by_core_with_what_all_cores_have(tmp_path: Path) -> None:
    facts = machine(tmp_path, ARM, {0: 1_800_000, 1: 1_800_000, 2: 2_400_000})
    profile = load("host", host=facts)
    assert [(c.core, c.count, c.clock_ghz) for c in profile.clusters] == [
        ("Cortex-A55", 2, 1.8),
        ("Cortex-A76", 1, 2.4),
        ("Arm core 0xfff", 1, None),
    ]
    assert {c.isa_flags for c in profile.clusters} == {("neon", "fp16", "dotprod")}
    scheme = profile.runtimes["cpu"].int8
    assert scheme is not None
    assert not scheme.reduce_range


def test_a_machine_that_tells_nothing_is_not_guessed(tmp_path: Path) -> None:
    facts = read_host_facts(proc=tmp_path, sys=tmp_path, machine="x86_64")
    assert facts == HostFacts("x86_64", (), None, None)
    profile = load("host", host=facts)
    assert profile.clusters[0].core == "unknown processor"
    assert profile.memory_mb is None
    scheme = profile.runtimes["cpu"].int8
    assert scheme is not None
    assert scheme.reduce_range
    assert "could not be read" in scheme.reason


def test_only_schemes_of_signed_weights_on_the_processor_are_touched(
    tmp_path: Path, template: TargetProfile
) -> None:
    runtime = template.runtimes["cpu"].model_copy(update={"other_int8": ()})
    assert runtime.int8 is not None
    others = {
        "gpu": runtime.model_copy(update={"provider": "CUDAExecutionProvider"}),
        "u8u8": runtime.model_copy(
            update={"int8": runtime.int8.model_copy(update={"weight": "uint8"})}
        ),
        "float": runtime.model_copy(update={"int8": None, "precisions": ("fp32",)}),
    }
    host = complete(template.model_copy(update={"runtimes": others}), machine(tmp_path, X86))
    assert host.runtimes == others


def test_further_schemes_lose_the_bit_that_would_saturate_too(
    tmp_path: Path, template: TargetProfile
) -> None:
    plain_x86 = complete(template, machine(tmp_path, X86))
    found = [(each.label, each.reduce_range) for each in plain_x86.runtimes["cpu"].other_int8]
    assert found == [("U8S8", True), ("U8U8", False), ("S8S8", True)]


def test_this_machine_is_a_valid_profile() -> None:
    profile = load("host")
    assert TargetProfile.read(plain(profile), file="host") == profile
    assert profile.transport == "local"
    assert profile.machine != "host"
    assert sum(cluster.count for cluster in profile.clusters) >= 1
