"""One process: loads a model, runs it, and prints by how many bytes it grew, as JSON.

    python benchmarks/cost_memory_process.py MODEL.onnx blocked|plain|bare

blocked: as users have it. plain: without the layout that x86 has for convolutions, as on other
processors. bare: plain, without the arena, so that the process holds what the operators hold. Linux
only: reads VmHWM and VmRSS in /proc/self/status and resets the former. (ru_maxrss would carry over
what the parent held at the fork.)
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the module is loaded

import numpy as np
import onnxruntime

INFERENCES = 5
TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
EMPTY = bytes.fromhex(  # an ONNX file of one node, y = Relu(x)
    "08083a330a0c0a0178120179220452656c751201655a0f0a0178120a0a080801"
    "12040a020801620f0a0179120a0a08080112040a02080142040a00100d"
)


def status_bytes(key: str) -> int:
    """A figure of /proc/self/status."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"no {key} in /proc/self/status")


def forget_peak() -> int:
    """Sets the peak back to what is held now, and gives that."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return status_bytes("VmRSS")


def session(model: str | bytes, mode: str) -> onnxruntime.InferenceSession:
    """A session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if mode == "bare":
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(
        model,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=[] if mode == "blocked" else ["NchwcTransformer"],
    )


def main() -> None:
    """Measures and prints."""
    model, mode = sys.argv[1:]
    session(EMPTY, mode).run(None, {"x": np.ones(1, np.float32)})
    before = forget_peak()
    loaded = session(model, mode)
    load_bytes = status_bytes("VmHWM") - before
    (given,) = loaded.get_inputs()
    feeds = {given.name: np.ones(given.shape, TYPES[given.type])}
    held = forget_peak() - feeds[given.name].nbytes
    loaded.run(None, feeds)
    activations_bytes = status_bytes("VmHWM") - held
    for _ in range(INFERENCES - 1):
        loaded.run(None, feeds)
    run_bytes = status_bytes("VmHWM") - before
    print(
        json.dumps(
            {
                "load_bytes": load_bytes,
                "activations_bytes": activations_bytes,
                "run_bytes": run_bytes,
                "grown_bytes": max(load_bytes, run_bytes),
            }
        )
    )


if __name__ == "__main__":
    main()
