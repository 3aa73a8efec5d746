"""The graph that ONNX Runtime really runs here, got in a process of its own with bounds.

A file that anybody may have made is opened by a library in C++: what crashes it, or makes it take
all memory or time, ends that process only.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from edgedistill.cost.heavy_operators import INT8_OPERATORS
from edgedistill.diagnosis import InRuntime

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIME_S = 120
_MEMORY_BYTES = 2 * 2**30
"""Beside what the process holds before, and a few copies of the file."""
_COPIES = 6
_CHILD = Path(__file__).with_name("optimizing_child.py")
_STATE = "onnxruntime.capi.onnxruntime_pybind11_state."
_PLACE = re.compile(r"place_(\d+)(?!\d)")


@dataclass(frozen=True)
class Unloadable:
    """Why there is no optimized graph."""

    problem: str


def in_runtime(model: onnx.ModelProto, threads: int) -> InRuntime | Unloadable:
    """What ONNX Runtime makes of a model on this machine's processor.

    Args:
        model: With all its weights inside, so that the runtime reads no other file.
        threads: Threads of the session.

    Returns:
        What it makes of it, or what it said where it cannot load it.
    """
    marked = onnx.ModelProto()
    marked.CopyFrom(model)
    for place, node in enumerate(marked.graph.node):
        node.name = f"place_{place}"  # so that the runtime's operators can be traced back
    with tempfile.TemporaryDirectory(prefix="edgedistill-") as scratch:
        given, written = Path(scratch) / "given.onnx", Path(scratch) / "optimized.onnx"
        given.write_bytes(marked.SerializeToString())
        problem = _bounded(given, written, threads)
        if problem is not None:
            return Unloadable(problem)
        optimized = onnx.load_model_from_string(written.read_bytes())
    return _traced(model, optimized.graph)


def try_bounded(
    model: Path, folder: Path, sample: Mapping[str, np.ndarray] | None = None
) -> str | None:
    """Opens a model in a process of its own with bounds on time and memory, and runs it once.

    Args:
        model: With all its weights inside.
        folder: For what the process needs.
        sample: What to run it on, in the order of its inputs; None: it is opened only.

    Returns:
        What was said where that failed; None where it did not.
    """
    shown = None if sample is None else folder / "inputs.npz"
    if shown is not None and sample is not None:
        np.savez(shown, *sample.values())
    return _bounded(model, folder / "optimized.onnx", 1, shown)


def _bounded(given: Path, written: Path, threads: int, inputs: Path | None = None) -> str | None:
    """Opens a file, and runs it where there are inputs; what was said where that failed."""
    memory_bytes = _MEMORY_BYTES + _COPIES * given.stat().st_size
    bounds = map(str, (threads, _TIME_S, memory_bytes))
    shown = () if inputs is None else (inputs,)
    try:
        ended = subprocess.run(
            [sys.executable, "-P", _CHILD, given, written, *bounds, *shown],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIME_S,
        )
    except subprocess.TimeoutExpired:
        return f"it was not done with it after {_TIME_S} s"
    if ended.returncode != 0 or not written.is_file():
        return _said(ended)
    return None


def _said(ended: subprocess.CompletedProcess[str]) -> str:
    if ended.returncode < 0:
        return f"it crashed, or went beyond its bounds (signal {-ended.returncode})"
    lines = ended.stderr.strip().splitlines() or ["it gave no reason"]
    own = [line for line in lines if line.startswith("onnxruntime.")]
    return (own or lines)[-1].removeprefix(_STATE)[:300]


def _traced(model: onnx.ModelProto, optimized: onnx.GraphProto) -> InRuntime:
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in optimized.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    int8 = [node for node in optimized.node if node.op_type in INT8_OPERATORS]
    pairs = [
        node
        for node in optimized.node
        if node.op_type == "QuantizeLinear"
        and (after := readers.get(node.output[0], []))
        and all(one.op_type == "DequantizeLinear" for one in after)
    ]
    traced = [_origin(model, node) for node in int8]
    return InRuntime(
        graph=optimized,
        int8=frozenset(name for name in traced if name is not None),
        pairs=frozenset(name for node in pairs if (name := _origin(model, node)) is not None),
        complete=None not in traced,
    )


def _origin(model: onnx.ModelProto, node: onnx.NodeProto) -> str | None:
    """First output of the file's node that an operator of the runtime was made from."""
    found = _PLACE.match(node.name)
    if found is None or int(found[1]) >= len(model.graph.node):
        return None
    return next(iter(model.graph.node[int(found[1])].output), None)
