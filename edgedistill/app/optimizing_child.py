"""Opens an ONNX file in ONNX Runtime within bounds, and saves the graph that it really runs.

Run as a script, in a process of its own: FILE, where to write, threads, seconds, bytes of memory
beside what the process holds at its start. Where a .npz of its inputs in their order comes after
these, the file also runs on them once. Errors end it, and its last lines say why.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

_ERRORS_ONLY = 3


def main(  # one for each word of the command
    given: str, written: str, threads: str, time_s: str, memory_bytes: str, inputs: str = ""
) -> None:
    """Saves the optimized graph of one file, and runs it where there is something to run it on."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when the library is loaded
    import numpy as np
    import onnxruntime

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    bound = pages * resource.getpagesize() + int(memory_bytes)
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CPU, (int(time_s), int(time_s)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.optimized_model_filepath = written
    session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    if inputs:
        names = [one.name for one in session.get_inputs()]
        with np.load(inputs, allow_pickle=False) as archive:
            values = [archive[f"arr_{place}"] for place in range(len(names))]
        session.run(None, dict(zip(names, values, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
