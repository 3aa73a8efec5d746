"""From a question about a profile to a latency, with nothing left to choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.core.basis import NoBasis, basis_of, core_speeds, parts_of
from edgedistill.cost.estimate import LatencyEstimate, Threads, estimate_latency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.basis import Basis, Scaled
    from edgedistill.core.profile import Precision, TargetProfile
    from edgedistill.core.shape_document import ShapeDocument
    from edgedistill.cost.operators import Operator


@dataclass(frozen=True)
class Question:
    """What is asked."""

    profile: TargetProfile
    runtime: str
    precision: Precision
    threads: int


def latency_of(
    question: Question,
    operators: Sequence[Operator],
    shapes: Sequence[ShapeDocument],
    basis: Basis | NoBasis | None = None,
) -> LatencyEstimate | NoBasis:
    """The latency of a network, or why there is none.

    Args:
        question: Device, runtime, precision and threads.
        operators: The network.
        shapes: All shapes there are.
        basis: What it rests on, where that is known already.
    """
    profile, runtime, precision = question.profile, question.runtime, question.precision
    basis = basis or basis_of(profile, runtime, precision, shapes)
    if isinstance(basis, NoBasis):
        return basis
    parts: dict[Precision, Scaled] | NoBasis = {}
    if basis.roofline is not None:
        precisions = sorted({one.precision or precision for one in operators})
        parts = parts_of(profile, runtime, basis.roofline, precisions, shapes)
    if isinstance(parts, NoBasis):
        return parts
    return estimate_latency(
        operators,
        basis,
        parts,
        precision=precision,
        threads=Threads(count=question.threads, core_speeds=core_speeds(profile)),
    )
