"""One inference of each file before anything is measured, so that a bad file is bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnxruntime.capi import onnxruntime_pybind11_state as state

from edgedistill.app.optimizing import Unloadable, in_runtime
from edgedistill.cost.inflation import require_modest
from edgedistill.cost.model_file import load_model
from edgedistill.errors import Fault, InputError
from edgedistill.stages.quantize.session import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

RUN_ERRORS = (state.Fail, state.InvalidArgument, state.NotImplemented, state.RuntimeException)
"""What onnxruntime raises where a model does not take its inputs."""


def require_runnable(model: Path, inputs: Mapping[str, np.ndarray]) -> None:
    """Refuses a file that this machine's runtime cannot run on these inputs.

    Args:
        model: The ONNX file.
        inputs: By name, [samples, ...]; the first sample is tried.

    Raises:
        InputError: If it cannot be read or loaded, or does not take the inputs.
    """
    _require_loadable(model)
    session = open_session(model, threads=1)
    wanted = sorted(entry.name for entry in session.get_inputs())
    if wanted != sorted(inputs):
        raise InputError(
            Fault(
                file=model,
                given=", ".join(sorted(inputs)),
                problem=f"takes other inputs ({', '.join(wanted)}) than it is given",
                remedy="Compare models with the same inputs",
            )
        )
    try:
        session.run(None, {name: values[:1] for name, values in inputs.items()})
    except RUN_ERRORS as error:
        raise InputError(
            Fault(
                file=model,
                given=", ".join(f"{name} {list(v[:1].shape)}" for name, v in inputs.items()),
                problem=f"does not run on its inputs: {str(error).strip().splitlines()[0]}",
                remedy="Compare models with inputs of the same shapes",
            )
        ) from error


def _require_loadable(model: Path) -> None:
    """Loads a file in a process with bounds first: in this one, nothing would stop it."""
    loaded = load_model(model)
    require_modest(loaded, model)
    seen = in_runtime(loaded, threads=1)
    if isinstance(seen, Unloadable):
        raise InputError(
            Fault(
                file=model,
                problem="onnxruntime cannot load it",
                given=seen.problem,
                remedy="Export it again, in an opset that the installed onnxruntime knows",
            )
        )
