"""The latencies of a target's networks: measured on the device, or estimated where it is away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from edgedistill.app.estimate import estimate
from edgedistill.bench.latency import CONFIDENCE, speedup
from edgedistill.bench.latency import latency as measured_latency
from edgedistill.core.evidence import Evidence, Quantity, Wider
from edgedistill.core.report import Latency
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.race import Speedup
    from edgedistill.bench.samples import Samples
    from edgedistill.core.profile import TargetProfile


class Latencies(Protocol):
    """Latencies of networks that can be compared with each other."""

    def latency(self, name: str, reference: str | None) -> Latency | None:
        """The latency of one network; None where nothing is known.

        Args:
            name: The network.
            reference: The network that the speed-up is against; None for none.
        """
        ...

    def speedup(self, name: str, reference: str, comparisons: int = 1) -> Quantity | None:
        """How many times as fast as another a network is; None where nobody can tell.

        Args:
            name: The network.
            reference: The other.
            comparisons: How many claims of this kind are made together: the intervals hold for all
                of them at once.
        """
        ...

    def silences(self) -> tuple[str, ...]:
        """Why some networks have no latency; empty where all have one."""
        ...


@dataclass(frozen=True)
class MeasuredLatencies:
    """From one measurement in which all networks took turns on the device."""

    samples: Samples

    def latency(self, name: str, reference: str | None) -> Latency | None:
        """The latency of one network, from its samples."""
        evidence = Evidence.MEASURED_ON_DEVICE
        return measured_latency(self.samples, name, reference=reference, evidence=evidence)

    def speedup(self, name: str, reference: str, comparisons: int = 1) -> Quantity | None:
        """From the rounds in which both ran, the confidence shared out (Bonferroni)."""
        return speedup(
            self.samples,
            name,
            reference=reference,
            evidence=Evidence.MEASURED_ON_DEVICE,
            confidence=1 - (1 - CONFIDENCE) / comparisons,
        )

    def silences(self) -> tuple[str, ...]:
        """Nothing is silent that was measured."""
        return ()


@dataclass(frozen=True)
class EstimatedLatencies:
    """By the cost model, for a device that is not at hand.

    Attributes:
        files: Name to ONNX file.
        profile: The device.
        runtime: Which of its runtimes.
        input_shapes: By input name, without the batch axis, where the files leave axes open.
    """

    files: Mapping[str, Path]
    profile: TargetProfile
    runtime: str
    input_shapes: Mapping[str, tuple[int, ...]] | None = None
    _known: dict[str, Quantity | str] = field(default_factory=dict)

    def latency(self, name: str, reference: str | None) -> Latency | None:
        """The estimate of one network; there is no estimate of an extreme percentile."""
        own = self._estimate(name)
        if isinstance(own, str):
            return None
        faster = None if reference is None else self.speedup(name, reference)
        return Latency(p50_ms=own, speedup=faster, stable=True)

    def speedup(self, name: str, reference: str, comparisons: int = 1) -> Quantity | None:
        """The quotient of two estimates.

        Its interval is that of the model's errors, not of samples drawn anew for each comparison:
        it is the same for one claim and for several, and claims less than it could.
        """
        del comparisons
        own, other = self._estimate(name), self._estimate(reference)
        if name == reference or isinstance(own, str) or isinstance(other, str):
            return None
        return estimated_ratio(other, own)

    def silences(self) -> tuple[str, ...]:
        """Why there is no latency, each reason once."""
        found = (self._estimate(name) for name in self.files)
        return tuple(dict.fromkeys(reason for reason in found if isinstance(reason, str)))

    def _estimate(self, name: str) -> Quantity | str:
        """The estimate, or why there is none."""
        if name not in self._known:
            self._known[name] = self._asked(self.files[name])
        return self._known[name]

    def _asked(self, file: Path) -> Quantity | str:
        try:
            found = estimate(
                file, self.profile, runtime=self.runtime, input_shapes=self.input_shapes
            )
        except InputError as error:  # the file runs, but its sizes cannot be told beforehand
            return reason_of(error)
        return found.latency_ms or found.reason or ""


def reason_of(error: InputError) -> str:
    """Why a file that runs has no estimate, without the place where the file lies."""
    return "; ".join(
        f"{fault.field}: {fault.problem}" if fault.field else fault.problem
        for fault in error.faults
    )


def both_ways(latencies: Latencies, called: Mapping[str, str]) -> Speedup:
    """Comparisons of candidates with each other, whose intervals hold for all of them at once.

    Seen from either side a comparison tells the same.

    Args:
        latencies: Where figures come from.
        called: Candidate to what it is called there.
    """
    order, comparisons = list(called), max(1, len(called) - 1)

    def speedup(one: str, other: str) -> Quantity | None:
        if order.index(one) < order.index(other):
            turned = speedup(other, one)
            return None if turned is None else inverse(turned)
        return latencies.speedup(called[one], called[other], comparisons)

    return speedup


def inverse(ratio: Quantity) -> Quantity:
    """The same comparison seen from the other side."""
    ends = {"value": 1 / ratio.value, "low": 1 / ratio.high, "high": 1 / ratio.low}
    wider = tuple(
        Wider(confidence=one.confidence, low=1 / one.high, high=1 / one.low) for one in ratio.wider
    )
    changes = {**ends, "wider": wider, "method": f"inverse of: {ratio.method}"}
    return ratio.model_copy(update=changes)


def estimated_ratio(slow: Quantity, fast: Quantity) -> Quantity:
    """How many times faster one network is than another, both estimated.

    The interval reaches from the quotient of the near ends to that of the far ends, so that it
    leaves 1 exactly where the two intervals do not overlap. What both estimates err in alike, the
    speed of the device, cancels in the quotient and still widens the interval: it claims less than
    it could, never more. There is one confidence only, that of the estimates.

    Args:
        slow: Latency of the network compared with.
        fast: Latency of the network.
    """
    return Quantity(
        value=slow.value / fast.value,
        low=slow.low / fast.high,
        high=slow.high / fast.low,
        confidence=min(slow.confidence, fast.confidence),
        evidence=Evidence.ESTIMATED,
        samples=min(slow.samples, fast.samples),
        method="quotient of two estimates; its interval leaves 1 where theirs do not overlap",
    )
