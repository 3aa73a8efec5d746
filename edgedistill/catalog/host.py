"""What this machine is, read from `/proc` and `/sys`, and the host profile completed from it."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.core.hardware import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgedistill.core.profile import QuantizationScheme, Runtime, TargetProfile

_MACHINES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}

_ISA_FLAGS = {
    "x86_64": {
        name: name
        for name in ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "avx512_bf16")
    },
    # Linux names on the left (Documentation/arch/arm64/elf_hwcaps.rst), a profile's on the right.
    "aarch64": {
        "asimd": "neon",
        "asimdhp": "fp16",
        "asimddp": "dotprod",
        "i8mm": "i8mm",
        "bf16": "bf16",
        "sve": "sve",
        "sve2": "sve2",
    },
}

_VNNI = {"avx512_vnni", "avx_vnni"}

# Main ID register part numbers of cores designed by Arm (implementer 0x41), from the Technical
# Reference Manuals, as Linux lists them in arch/arm64/include/asm/cputype.h.
_ARM_PARTS = {
    0xD03: "Cortex-A53",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
    0xD44: "Cortex-X1",
    0xD46: "Cortex-A510",
    0xD47: "Cortex-A710",
    0xD48: "Cortex-X2",
    0xD49: "Neoverse-N2",
    0xD4D: "Cortex-A715",
    0xD4E: "Cortex-X3",
    0xD4F: "Neoverse-V2",
}

_NO_VNNI = (
    "Seven-bit weights: {why}, and without VNNI the 16-bit sums of x86 saturate (ONNX Runtime "
    "documentation on quantization, reduce-range; measured without it: top-1 agreement down to "
    "50 %, with it exact)."
)


@dataclass(frozen=True)
class Core:
    """One logical processor."""

    name: str
    """As the machine names it."""
    clock_ghz: float | None
    """Highest clock, where the machine tells."""


@dataclass(frozen=True)
class HostFacts:
    """What this machine tells about itself."""

    machine: str
    """x86_64, aarch64 or what else the machine calls itself."""
    cores: tuple[Core, ...]
    flags: frozenset[str] | None
    """The processor's flags by their Linux names; None where they cannot be read."""
    memory_mb: int | None


def read_host_facts(
    *, proc: Path = Path("/proc"), sys: Path = Path("/sys"), machine: str | None = None
) -> HostFacts:
    """Reads what this machine tells; what it does not tell is left out, never guessed.

    Args:
        proc: Where `cpuinfo` and `meminfo` stand.
        sys: Where `devices/system/cpu` stands.
        machine: The instruction set; this process's own where absent.
    """
    name = (machine or platform.machine()).lower()
    blocks = _blocks(_text(proc / "cpuinfo"))
    flags = [
        block[key].split() for block in blocks for key in ("flags", "Features") if key in block
    ]
    return HostFacts(
        machine=_MACHINES.get(name, name),
        cores=tuple(
            Core(_core_name(block), _max_clock_ghz(sys, int(block["processor"])))
            for block in blocks
        ),
        # A kernel may run on any core, so only what all cores have counts.
        flags=frozenset.intersection(*map(frozenset, flags)) if flags else None,
        memory_mb=_memory_mb(_text(proc / "meminfo")),
    )


def complete(template: TargetProfile, facts: HostFacts) -> TargetProfile:
    """The host's profile: the template with this machine's processor, memory and int8 range."""
    flags = tuple(_isa_flags(facts))
    cores = facts.cores or (Core("unknown processor", None),) * (os.cpu_count() or 1)
    names = list(dict.fromkeys(core.name for core in cores))
    return template.model_copy(
        update={
            "title": f"{template.title} ({', '.join(names)})",
            "machine": facts.machine,
            "clusters": tuple(_clusters(cores, flags)),
            "memory_mb": facts.memory_mb,
            "memory_source": None if facts.memory_mb is None else "MemTotal of /proc/meminfo",
            "runtimes": {
                name: _runtime(runtime, facts) for name, runtime in template.runtimes.items()
            },
        }
    )


def _clusters(cores: Iterable[Core], flags: tuple[str, ...]) -> Iterable[Cluster]:
    for core, count in Counter(cores).items():
        yield Cluster(
            core=core.name,
            count=count,
            clock_ghz=core.clock_ghz,
            isa_flags=flags,
            source="detected: /proc/cpuinfo and /sys/devices/system/cpu",
        )


def _isa_flags(facts: HostFacts) -> Iterable[str]:
    known = _ISA_FLAGS.get(facts.machine, {})
    return (known[flag] for flag in known if flag in (facts.flags or ()))


def _runtime(runtime: Runtime, facts: HostFacts) -> Runtime:
    if runtime.int8 is None or runtime.provider != "CPUExecutionProvider":
        return runtime
    return runtime.model_copy(
        update={
            "int8": _scheme(runtime.int8, facts),
            "other_int8": tuple(_scheme(scheme, facts) for scheme in runtime.other_int8),
        }
    )


def _scheme(scheme: QuantizationScheme, facts: HostFacts) -> QuantizationScheme:
    """The scheme with seven-bit weights where the processor's own sums would saturate.

    VPMADDUBSW multiplies unsigned activations with signed weights; ONNX Runtime makes signed
    activations unsigned on x86 (core/optimizer/qdq_transformer/qdq_s8_to_u8.cc), so S8S8 saturates
    alike. Unsigned weights are widened first and exact.
    """
    if facts.machine != "x86_64" or scheme.weight != "int8":
        return scheme
    vnni = sorted(_VNNI & (facts.flags or frozenset()))
    if vnni:
        reason = (
            f"{scheme.reason} This processor has {', '.join(vnni)}, so all eight bits are used."
        )
        return scheme.model_copy(update={"reason": reason})
    why = (
        "this processor's flags could not be read"
        if facts.flags is None
        else "this processor has no VNNI"
    )
    return scheme.model_copy(
        update={"reduce_range": True, "reason": f"{scheme.reason} {_NO_VNNI.format(why=why)}"}
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _blocks(cpuinfo: str) -> list[dict[str, str]]:
    blocks = []
    for paragraph in re.split(r"\n\s*\n", cpuinfo):
        pairs = (line.partition(":") for line in paragraph.splitlines() if ":" in line)
        block = {key.strip(): value.strip() for key, _, value in pairs}
        if block.get("processor", "").isdecimal():
            blocks.append(block)
    return blocks


def _core_name(block: dict[str, str]) -> str:
    part = block.get("CPU part", "")
    if block.get("CPU implementer") == "0x41" and part.startswith("0x"):
        return _ARM_PARTS.get(int(part, 16), f"Arm core {part}")
    return block.get("model name") or "unknown processor"


def _max_clock_ghz(sys: Path, processor: int) -> float | None:
    path = sys / f"devices/system/cpu/cpu{processor}/cpufreq/cpuinfo_max_freq"
    kilohertz = _text(path).strip()
    return int(kilohertz) / 1e6 if kilohertz.isdecimal() and int(kilohertz) > 0 else None


def _memory_mb(meminfo: str) -> int | None:
    found = re.search(r"^MemTotal:\s+(\d+) kB$", meminfo, flags=re.MULTILINE)
    return int(found[1]) * 1024 // 1_000_000 or None if found else None
