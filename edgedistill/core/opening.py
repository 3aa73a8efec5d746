"""How a runtime opens a file where its own defaults would not run it, or not as meant."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from edgedistill.core.hardware import Source
from edgedistill.core.strict import Strict

GraphOptimization = Literal["all", "none"]

OptionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
OptionValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")]
"""A word, not a path: some options name a library to load, which must be one of the system's."""


class Opening(Strict):
    """What a session of one kind of file is opened with, beside provider and threads."""

    provider_options: dict[OptionName, OptionValue] = Field(default_factory=dict)
    """Options of the execution provider, by name; values are words, never paths."""
    graph_optimization: GraphOptimization = "all"
    """none: ONNX Runtime leaves the graph as it stands in the file, for providers that compile it
    themselves."""
    source: Source
    """Why, and where that stands."""


class OpenedWith(Strict):
    """What a session of one file is opened with on a target's runtime."""

    provider: str
    """ONNX Runtime execution provider, for instance CPUExecutionProvider."""
    threads: int = Field(ge=1)
    """Threads of one inference."""
    provider_options: dict[OptionName, OptionValue] = Field(default_factory=dict)
    """As in `Opening`."""
    graph_optimization: GraphOptimization = "all"
    """As in `Opening`."""
