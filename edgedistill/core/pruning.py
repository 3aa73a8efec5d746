"""Pruning in a recipe: how small, judged by what, and how the network recovers."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from edgedistill.core.learning import Distill, Training
from edgedistill.core.strict import Strict

GoalName = Literal[
    "macs_ratio", "parameters_ratio", "max_size_mb", "max_peak_memory_mb", "target_latency_ms"
]
"""What pruning can be asked to reach."""
GOALS: tuple[GoalName, ...] = get_args(GoalName)


ImportanceName = Literal["magnitude", "taylor", "hessian", "activation"]


class Recovery(Distill):
    """The lesson after pruning: short, so the teacher's answers are not softened.

    Soft answers take longer to learn than there is time: `benchmarks/distillation_methods.py`
    finds temperature 1 better than 4 in short lessons.
    """

    temperature: float = Field(default=1.0, gt=0)
    """Softens the answers of teacher and student; higher is softer."""
    train: Training = Training(epochs=5, learning_rate=1e-3)
    """How long and how fast."""


class Prune(Strict):
    """Whole channels are removed by dependency groups, then the network recovers.

    Exactly one goal is given: a number that the user has.
    """

    macs_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Goal: multiply-accumulates to keep, as a share of the distilled network's."""
    parameters_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Goal: parameters to keep, as a share of the distilled network's."""
    max_size_mb: float | None = Field(default=None, gt=0)
    """Goal: size of the ONNX file as it ships (10^6 bytes), which may be its int8 twin's."""
    max_peak_memory_mb: float | None = Field(default=None, gt=0)
    """Goal: what one inference adds to the memory of a process (10^6 bytes), as it ships."""
    target_latency_ms: float | None = Field(default=None, gt=0)
    """Goal: median latency of one inference on the target, of the network as it ships, which may
    be its int8 twin. Measured where the device is at hand, else estimated."""
    priced_networks: int = Field(default=16, ge=1, le=1024)
    """Of goals that are a size, a memory or a latency: how many networks with one part narrowed
    are exported and priced for the table that the search starts from. More see finer."""
    importance: ImportanceName = "activation"
    """What makes a channel worth keeping: the L2 norm of its weights (magnitude), the change of
    the loss without it to first order (taylor), its weights by the loss's curvature (hessian), or
    how much of what the next layers read it is (activation)."""
    importance_samples: int = Field(default=256, ge=1)
    """Training samples on which taylor, hessian and activation look; evenly spaced, always the
    same."""
    scope: Literal["global", "local"] = "global"
    """global: channels are ranked against those of all layers of the same structure, so that some
    layers lose more than others; local: each layer loses the same share."""
    rounds: int = Field(default=1, ge=1, le=100)
    """1: importance is told once, on the whole network. More: it is told anew each time that
    another part of the channels is gone."""
    round_to: int | None = Field(default=None, ge=1)
    """Channel counts are multiples of this. Absent: of 8, and where no such network reaches the
    goal, layers may also come down to 4, 2 or 1."""
    max_channel_ratio: float = Field(default=0.9, gt=0, lt=1)
    """No layer loses more than this share of its channels."""
    keep: tuple[str, ...] = Field(default=(), strict=False)
    """Names of layers that must not be touched; the output layer never is."""
    recover: Recovery = Recovery()
    """How the pruned network recovers, from the same teacher's answers."""

    @model_validator(mode="after")
    def _one_goal(self) -> Self:
        given = [name for name in GOALS if getattr(self, name) is not None]
        if not given:
            raise ValueError(f"has no goal. Give one of: {', '.join(GOALS)}")
        if len(given) > 1:
            raise ValueError(
                f"has {len(given)} goals: {', '.join(given)}. Keep one, and set the others to null "
                "where a target differs from the recipe"
            )
        return self

    @property
    def goal(self) -> GoalName:
        """What is asked for."""
        return next(name for name in GOALS if getattr(self, name) is not None)

    @property
    def multiple(self) -> int:
        """What channel counts are multiples of, as long as the goal can be reached so."""
        return 8 if self.round_to is None else self.round_to

    @property
    def asked(self) -> float:
        """The goal's number, in the unit of its name."""
        return float(getattr(self, self.goal))
