"""A first look at latency: which int8 schemes are worth the work of keeping accuracy in them.

Plain int8 in each further scheme of a target runs beside the float model in a few interleaved
rounds. Ways of keeping accuracy change weights and put operators back into float: they make no int8
file faster. So a scheme in which plain int8 is slower than the float model for sure has no
candidate, and its ladder is not climbed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.app.attempt import Nothing
from edgedistill.app.latencies import MeasuredLatencies
from edgedistill.bench.samples import read_samples
from edgedistill.core.quantized import FLOAT
from edgedistill.core.recipe import Benchmark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.core.quantizing import Quantize

GLANCE = Benchmark(warmup_runs=3, rounds=12, runs_per_round=5)
"""How long it looks."""

GLANCE_CODE = ("app/attempt.py", "app/glance.py", "app/latencies.py", "bench")
"""The sources that say whether a candidate is made."""

GLANCED = "glance"
"""The name of the step that looks, and its role in a step that makes a candidate."""


def is_worth_a_glance(config: Quantize) -> bool:
    """Whether there is a ladder that a first look can spare.

    What another back end makes is taken as it is.
    """
    return config.backend == "edgedistill" and bool(config.methods)


def nothing_where_slow(folders: Mapping[str, Path], name: str) -> Nothing | None:
    """What is left to do with a scheme that was seen to be slow; None where its ladder is climbed.

    Args:
        folders: Of what the candidate's step reads, by role.
        name: The candidate.
    """
    glance = folders.get(GLANCED)
    slow = None if glance is None else why_not_worth(glance, name)
    return None if slow is None else Nothing(slow)


def why_not_worth(folder: Path, name: str) -> str | None:
    """Why a scheme is not worth its ladder; None where it may be.

    Args:
        folder: Of the step that measured plain int8 files beside the float model.
        name: The candidate.
    """
    samples = read_samples(folder)
    if name not in samples.sha256:
        return None  # it could not be made plain; its own step says why
    speedup = MeasuredLatencies(samples).speedup(name, FLOAT, comparisons=len(samples.sha256) - 1)
    if speedup is None or speedup.high >= 1:
        return None
    return (
        f"before anything is done for its accuracy it is only {speedup.value:.2f}x "
        f"[{speedup.low:.2f}, {speedup.high:.2f}] as fast as the float model here"
    )
