"""Candidates of one network against each other by latency: which is fastest, and who is as fast.

The fastest wins. Candidates that the figures cannot tell from it, because the interval of the ratio
holds 1, count as being as fast; among them the documented order of preference decides, and the race
is undecided. Where the first in that order has no latency, it wins, undecided as well.

Several comparisons at once: let T be the candidate that is fastest in truth. Another wins as
decided only if its comparison with T says, wrongly, that T is slower; with k candidates there are
k - 1 such comparisons, so intervals at a confidence of 1 - 0.05 / (k - 1) keep the chance of any
below 5 % (Bonferroni; the argument is that of multiple comparisons with the best, Hsu 1981,
*Annals of Statistics* 9:1026-1034). `app.latencies` makes the intervals so.

An estimate knows the precision of operators, not the scheme: it compares the first candidate of
each precision, and within one the profile's order stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from edgedistill.core.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.profile import Precision
    from edgedistill.core.report import Latency, Row

    Speedup = Callable[[str, str], Quantity | None]

_FROM_INT8: tuple[Precision, ...] = ("int8", "fp16", "fp32")


class Runner(Protocol):
    """A candidate, as far as a race must know it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def precision(self) -> Precision:
        """What it computes with."""

    @property
    def latency(self) -> Latency | None:
        """Absent where nothing was measured and nothing can be estimated."""


AnyRunner = TypeVar("AnyRunner", bound=Runner)


@dataclass(frozen=True)
class Offer:
    """A candidate that could be made."""

    name: str
    row: Row

    @property
    def precision(self) -> Precision:
        """What it computes with; an offer has a file, so it has one."""
        return self.row.precision or "fp32"

    @property
    def latency(self) -> Latency | None:
        """Of its row."""
        return self.row.latency


def preference(offers: Sequence[AnyRunner], default: Precision) -> tuple[AnyRunner, ...]:
    """The order in which candidates ship where figures cannot tell: from the default away.

    With int8 as the default: the int8 candidates in the profile's order, then fp16, then fp32; with
    fp32 the other way round, within int8 again in the profile's order.
    """
    order = _FROM_INT8 if default == "int8" else _FROM_INT8[::-1]
    return tuple(sorted(offers, key=lambda one: order.index(one.precision)))


@dataclass(frozen=True)
class Race(Generic[AnyRunner]):
    """Candidates against each other.

    Attributes:
        runners: All of them in the order of preference, at least one.
        speedup: How many times as fast the candidate named first is as the one named second: the
            second's median latency over the first's, from interleaved rounds on the device or from
            estimates; None where there is neither.
    """

    runners: tuple[AnyRunner, ...]
    speedup: Speedup

    @cached_property
    def timed(self) -> tuple[AnyRunner, ...]:
        """Those that can be compared; none where the preferred one cannot, or stands alone."""
        timed = [one for one in self.runners if one.latency is not None]
        if len(timed) < 2 or timed[0] is not self.runners[0]:
            return ()
        if not self.estimated:
            return tuple(timed)
        kinds = [one.precision for one in timed]
        firsts = [one for at, one in enumerate(timed) if one.precision not in kinds[:at]]
        return tuple(firsts) if len(firsts) > 1 else ()

    @cached_property
    def estimated(self) -> bool:
        """Whether the latencies are the cost model's and not measured."""
        latencies = (one.latency for one in self.runners)
        return any(one and one.p50_ms.evidence == Evidence.ESTIMATED for one in latencies)

    @cached_property
    def fastest(self) -> AnyRunner:
        """The one with the least latency, told apart from others or not."""
        return max(self.timed or self.runners[:1], key=self.pace)

    @cached_property
    def close(self) -> tuple[AnyRunner, ...]:
        """The fastest and those that the figures cannot tell from it, in the order of preference.

        None where nothing could be compared.
        """
        return tuple(
            one
            for one in self.timed
            if one is self.fastest or not _shown(self.speedup(self.fastest.name, one.name))
        )

    @property
    def winner(self) -> AnyRunner:
        """The one that ships."""
        return self.close[0] if self.close else self.runners[0]

    @property
    def decided(self) -> bool:
        """Whether the figures alone say who wins."""
        return len(self.runners) == 1 or len(self.close) == 1

    def pace(self, one: AnyRunner) -> float:
        """How fast it is against the preferred one, by the ratio of rounds where there is one."""
        first = self.runners[0]
        if one is first:
            return 1.0
        ratio = self.speedup(one.name, first.name)
        if ratio is not None:
            return ratio.value
        assert one.latency is not None
        assert first.latency is not None
        return first.latency.p50_ms.value / one.latency.p50_ms.value


def _shown(ratio: Quantity | None) -> bool:
    """Whether the whole interval says that the first is faster."""
    return ratio is not None and ratio.low > 1.0
