"""What the bytes of a run depend on beside its inputs: library versions and the processor."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from edgedistill.catalog.host import read_host_facts

LIBRARIES = (
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "pillow",
    "safetensors",
    "scipy",
    "torch",
    "torch-pruning",
)
HF_LIBRARIES = ("optimum", "optimum-onnx", "tokenizers", "transformers")


def versions(*, hf: bool = False) -> dict[str, str]:
    """Versions of Python and of the libraries that shape a run's bytes.

    Args:
        hf: Whether a network comes from transformers, so that its libraries count too.
    """
    found = {"python": platform.python_version(), "edgedistill": metadata.version("edgedistill")}
    for name in LIBRARIES + (HF_LIBRARIES if hf else ()):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def processor_class() -> str:
    """Instruction set and kernel-choosing flags: equal classes compute equal bytes."""
    facts = read_host_facts()
    return " ".join((facts.machine, *sorted(facts.flags or ())))


def processors() -> int:
    """Processors that this process may use: its share where several of a run are on one machine.

    `torchrun` and `accelerate launch` say how many there are.
    """
    return max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
