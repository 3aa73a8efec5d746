"""onnxruntime on this machine's processor, quiet, with the threads that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

_ERRORS_ONLY = 3

_LOAD_ERRORS = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
)


def open_session(
    model: Path,
    threads: int,
    *,
    content: bytes | None = None,
    optimize: bool = True,
    optimized: Path | None = None,
) -> onnxruntime.InferenceSession:
    """Opens a model on the CPU.

    Args:
        model: The file.
        threads: Threads inside an operator; operators run one after another.
        content: What to open in place of the file's content, under the file's name.
        optimize: Whether the runtime may rewrite the graph as it does in production.
        optimized: Where to save the graph it really runs.

    Raises:
        InputError: If onnxruntime cannot load the file.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    try:
        return onnxruntime.InferenceSession(
            str(model) if content is None else content, options, providers=["CPUExecutionProvider"]
        )
    except _LOAD_ERRORS as error:
        raise InputError(
            Fault(
                file=model,
                problem="onnxruntime cannot load it",
                given=str(error).strip().splitlines()[0],
                remedy="Export it again, in an opset that onnxruntime "
                f"{onnxruntime.__version__} knows",
            )
        ) from error
