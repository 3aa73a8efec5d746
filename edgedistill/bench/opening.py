"""What a job tells the worker about the sessions that it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedistill.cost import file_precision, load_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.core.opening import OpenedWith
    from edgedistill.core.profile import Runtime


def opened_with(runtime: Runtime, file: Path) -> OpenedWith:
    """What a session of a file is opened with on a target's runtime.

    Raises:
        InputError: If the runtime opens files by what they hold, and this is no ONNX file.
    """
    holds = file_precision(load_model(file)) if runtime.openings else "fp32"
    return runtime.opened_with(holds)


def opened(
    runtime: Runtime, files: Mapping[str, Path], *, threads: int | None = None
) -> dict[str, Any]:
    """Provider and threads of a job, and what single files are opened with beside them.

    Args:
        runtime: The target's.
        files: By the name that they have on the device.
        threads: Of one inference, where not the runtime's own.

    Raises:
        InputError: If the runtime opens files by what they hold, and one is no ONNX file.
    """
    job: dict[str, Any] = {
        "provider": runtime.provider,
        "threads": runtime.threads if threads is None else threads,
    }
    if not runtime.openings:
        return job
    found = {name: opened_with(runtime, file) for name, file in files.items()}
    job["openings"] = {
        name: {
            "provider_options": one.provider_options,
            "graph_optimization": one.graph_optimization,
        }
        for name, one in found.items()
    }
    return job
