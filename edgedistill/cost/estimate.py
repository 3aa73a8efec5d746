"""From operators, and what an estimate rests on, to a latency with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.estimate import KindCost, OperatorCost
from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.operator_kind import Kind
from edgedistill.cost.roofline import COUNTED, Columns, operator_latencies_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgedistill.core.basis import Basis, Scaled
    from edgedistill.core.cost_shape import LinearScale
    from edgedistill.core.profile import Precision
    from edgedistill.cost.operators import Operator

    Floats = NDArray[np.float64]

BYTES_PER_ELEMENT: dict[Precision, float] = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0}
"""Of a number in memory, for units that have no shape."""

_OVERHEAD_DOUBT = 3.0
"""How much smaller or larger the overhead of an operator may be than networks say in which it
weighed little: what of it shows is a part of a part."""

_SERIAL_DOUBT = 2.0
"""Where a thread count was not measured, the parts of the work that threads do not shorten may be
this much smaller or larger than the shape says."""


@dataclass(frozen=True, kw_only=True)
class LatencyEstimate:
    """A latency with its interval, and where it goes."""

    latency_ms: Quantity
    by_kind: tuple[KindCost, ...]
    """The longest first."""
    operators: tuple[OperatorCost, ...]
    """In the order of execution; those that cost nothing are left out."""


@dataclass(frozen=True, kw_only=True)
class Threads:
    """How many threads work, and how far the cores they run on differ.

    Attributes:
        count: Threads of the inference.
        core_speeds: Of each core as a part of the fastest, the fastest first; empty where unknown.
    """

    count: int
    core_speeds: tuple[float, ...] = ()

    def equivalents(self) -> tuple[float, float]:
        """How many of the fastest core they are worth: at least, and at most.

        At least: work is cut into equal parts and all wait for the slowest core. At most: the cores
        share work as fast as each can.

        >>> Threads(count=2, core_speeds=(1.0, 0.25)).equivalents()
        (1.0, 1.25)
        >>> Threads(count=2, core_speeds=(1.0, 1.0)).equivalents()
        (2.0, 2.0)
        """
        used = self.core_speeds[: self.count]
        if len(used) < self.count:
            return float(self.count), float(self.count)
        equal = sum(speed == used[0] for speed in used)
        return max(float(equal), self.count * min(used)), sum(used)


def estimate_latency(
    operators: Sequence[Operator],
    basis: Basis,
    parts: Mapping[Precision, Scaled],
    *,
    precision: Precision,
    threads: Threads,
) -> LatencyEstimate:
    """Latency of a network at batch 1.

    The interval has one confidence, that of the tier's residuals, which are stored as one pair of
    factors: what lies beyond them is not known.

    Args:
        operators: The network, after the runtime's own fusions; some take time.
        basis: What the estimate rests on.
        parts: Shape and scale of each precision that an operator has, on a processor.
        precision: That of operators which have none of their own.
        threads: How many work, and on which cores. A linear unit takes no notice of them.
    """
    kept = [(place, one) for place, one in enumerate(operators) if one.kind in COUNTED]
    counted = [one for _, one in kept]
    precisions = [one.precision or precision for one in counted]
    stretches: list[_Stretch] = []
    if basis.linear is not None:
        seconds = _linear_s(counted, precisions, basis.linear)
        start_s = basis.linear.start_ms / 1e3
    else:
        network = _Network(tuple(counted), tuple(precisions), parts)
        seconds, threaded = _threaded(network, threads, basis.threads)
        stretches = [threaded, network.overhead_stretch(float(seconds.sum()))]
        start_s = 0.0
    milliseconds = 1e3 * seconds
    total = float(milliseconds.sum()) + 1e3 * start_s
    rows = tuple(
        OperatorCost(
            place=place, kind=one.kind, precision=own, macs=one.macs, latency_ms=float(value)
        )
        for (place, one), own, value in zip(kept, precisions, milliseconds, strict=True)
    )
    return LatencyEstimate(
        latency_ms=_quantity(total, basis, stretches, _left_out(operators)),
        by_kind=_by_kind(rows, total),
        operators=rows,
    )


@dataclass(frozen=True)
class _Stretch:
    """Factors that widen an interval, and a word on why; empty where they change nothing."""

    low: float = 1.0
    high: float = 1.0
    why: str = ""


def _left_out(operators: Sequence[Operator]) -> str:
    """A word on operators whose time nobody can tell from the graph; empty where there are none."""
    count = sum(one.kind is Kind.POSTPROCESSING for one in operators)
    if not count:
        return ""
    return (
        f"; without {count} operator(s) of postprocessing, whose time depends on what is in the "
        "picture"
    )


def _quantity(
    total_ms: float, basis: Basis, stretches: Sequence[_Stretch], left_out: str
) -> Quantity:
    note = "".join(f", widened because {one.why}" for one in stretches if one.why)
    return Quantity(
        value=total_ms,
        low=total_ms * basis.interval.low * math.prod(one.low for one in stretches),
        high=total_ms * basis.interval.high * math.prod(one.high for one in stretches),
        confidence=basis.interval.confidence,
        evidence=Evidence.ESTIMATED,
        samples=max(basis.measurements, 1),
        method=f"{basis.method}; interval from residuals of the tier {basis.tier} on what the fit "
        f"had not seen{note}{left_out}",
    )


def _by_kind(rows: Sequence[OperatorCost], total_ms: float) -> tuple[KindCost, ...]:
    groups: dict[Kind, list[OperatorCost]] = {}
    for row in rows:
        groups.setdefault(row.kind, []).append(row)
    costs = [
        KindCost(
            kind=kind,
            operators=len(group),
            macs=sum(row.macs for row in group),
            latency_ms=(time := sum(row.latency_ms for row in group)),
            share_fraction=min(time / total_ms, 1.0),
        )
        for kind, group in groups.items()
    ]
    return tuple(sorted(costs, key=lambda one: one.latency_ms, reverse=True))


@dataclass(frozen=True)
class _Network:
    """Operators, the precision of each, and what each precision is computed with."""

    operators: tuple[Operator, ...]
    precisions: tuple[Precision, ...]
    parts: Mapping[Precision, Scaled]

    def seconds(self, threads: float, serial: float = 1.0) -> Floats:
        """Seconds of each operator, [operators].

        Args:
            threads: How many of the fastest core work.
            serial: Factor on the parts of the work that threads do not shorten.
        """
        found = np.zeros(len(self.operators))
        for precision in set(self.precisions):
            places = [n for n, own in enumerate(self.precisions) if own == precision]
            part = self.parts[precision]
            shape = part.document.shape
            changed = {
                name: min(serial * getattr(shape, name), 1.0)
                for name in ("serial_work_fraction", "serial_traffic_fraction")
            }
            found[places] = operator_latencies_s(
                Columns.of([self.operators[place] for place in places]),
                shape.model_copy(update=changed),
                part.scale,
                bytes_per_element=part.document.bytes_per_element,
                threads=threads,
            )
        return found

    def overhead_stretch(self, total_s: float) -> _Stretch:
        """What the overhead of operators leaves open where it weighs more than it ever did."""
        overhead = seen = 0.0
        for own in self.precisions:
            document, scale = self.parts[own].document, self.parts[own].scale
            overhead += document.shape.overhead_macs * scale.overhead / scale.macs_per_s
            seen += document.largest_overhead_fraction / len(self.precisions)
        excess = overhead / total_s - seen
        if excess <= 0:
            return _Stretch()
        return _Stretch(
            low=1.0 - excess + excess / _OVERHEAD_DOUBT,
            high=1.0 - excess + excess * _OVERHEAD_DOUBT,
            why=f"{100 * overhead / total_s:.0f} % of the time is the overhead of operators, which "
            f"was {100 * seen:.0f} % at most in the measurements",
        )


def _threaded(
    network: _Network, threads: Threads, measured: tuple[int, ...]
) -> tuple[Floats, _Stretch]:
    """Seconds of each operator, and what the number of threads leaves open.

    A thread count that was measured needs neither. Any other follows from Amdahl's law, and the
    interval is widened by what halving and doubling the serial parts would change against the
    nearest measured count, and by what unequal cores leave open.
    """
    measured = measured or (1,)
    if threads.count in measured:
        return network.seconds(threads.count), _Stretch()
    least, most = threads.equivalents()
    worth = float(np.sqrt(least * most))
    nearest = min(measured, key=lambda count: abs(np.log(count / threads.count)))
    seconds = network.seconds(worth)
    middle = seconds.sum() / network.seconds(nearest).sum()
    ratios = [
        network.seconds(equivalent, serial).sum() / network.seconds(nearest, serial).sum() / middle
        for equivalent in (least, most)
        for serial in (1.0 / _SERIAL_DOUBT, _SERIAL_DOUBT)
    ]
    counts = " and ".join(map(str, measured))
    return seconds, _Stretch(
        low=float(min(*ratios, 1.0)),
        high=float(max(*ratios, 1.0)),
        why=f"the measurements ran on {counts} thread(s): that on {threads.count} follows from "
        "Amdahl's law",
    )


def _linear_s(
    operators: Sequence[Operator], precisions: Sequence[Precision], linear: LinearScale
) -> Floats:
    """Seconds of each operator, [operators], without the start of the inference."""
    macs = np.array([one.macs for one in operators], dtype=float)
    size_bytes = np.array(
        [
            one.elements * BYTES_PER_ELEMENT[own]
            for one, own in zip(operators, precisions, strict=True)
        ]
    )
    seconds: Floats = (
        linear.operator_us / 1e6 + macs / linear.macs_per_s + size_bytes / linear.bytes_per_s
    )
    return seconds
