"""From raw times of operators to where the time of one network goes: a pure function."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from edgedistill.bench.statistics import percentile_interval
from edgedistill.core.evidence import Quantity
from edgedistill.core.operator_times import OperatorTime, OperatorTimes
from edgedistill.cost.operator_classes import computes_in_int8, operator_class
from edgedistill.cost.runtime_names import name_in_file
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.bench.operator_samples import OperatorSamples, TimedOperator
    from edgedistill.core.evidence import Evidence
    from edgedistill.core.operator_times import OperatorClass

CONFIDENCE = 0.95
SLOWEST = 10
_US_PER_MS = 1e3


def operator_times(
    samples: OperatorSamples,
    name: str,
    *,
    network: str,
    depthwise: frozenset[str],
    evidence: Evidence,
) -> OperatorTimes | None:
    """Where the time of one network goes.

    The profiler's own work lies in the time of each operator. It is the same for all, and no more
    than the shortest operator took as a whole: so much is taken off every operator's time, and the
    interval reaches up to where nothing is.

    Args:
        samples: Of one measurement.
        name: The model in it.
        network: What the network is called in the report.
        depthwise: Names of the file's nodes that are depthwise convolutions: the runtime's own
            names do not tell.
        evidence: How the samples were got, seen from the profile.

    Returns:
        None where there are too few rounds for an interval.

    Raises:
        InputError: If the samples hold no such model.
    """
    if name not in samples.models:
        raise InputError(
            Fault(
                problem="was not measured here",
                given=name,
                remedy=f"Measured were: {', '.join(sorted(samples.models))}",
            )
        )
    operators = samples.models[name].operators
    own_us = min(median(one.durations_us) for one in operators)
    groups: dict[OperatorClass, list[TimedOperator]] = {}
    for one in operators:
        groups.setdefault(_class(one, depthwise), []).append(one)
    times = {title: _together_ms(group, own_us, evidence) for title, group in groups.items()}
    classes = [
        OperatorTime(
            operators=title, count=len(group), int8=sum(map(_is_int8, group)), time_ms=time
        )
        for title, group in groups.items()
        if (time := times[title]) is not None
    ]
    if len(classes) < len(groups):
        return None
    slow = sorted(operators, key=lambda one: -median(one.durations_us))[:SLOWEST]
    return OperatorTimes(
        network=network,
        classes=tuple(sorted(classes, key=lambda one: -one.time_ms.value)),
        slowest=tuple(
            (name_in_file(one.name), one.operator, (median(one.durations_us) - own_us) / _US_PER_MS)
            for one in slow
        ),
    )


def _together_ms(
    group: Sequence[TimedOperator], own_us: float, evidence: Evidence
) -> Quantity | None:
    """What operators take together in one inference; None where the rounds are too few.

    Args:
        group: The operators.
        own_us: The most that the profiler itself may take of each.
        evidence: How it was got.
    """
    found = [
        percentile_interval([[float(time)] for time in one.durations_us], 0.5, CONFIDENCE)
        for one in group
    ]
    whole = [interval for interval in found if interval is not None]
    if len(whole) < len(group):
        return None
    count = len(group)
    ends = {
        "value": sum(max(one.value - own_us, 0.0) for one in whole),
        # the runtime rounds down, the shortest operator's time as well as any other
        "low": sum(max(one.low - own_us - 1, 0.0) for one in whole),
        "high": sum(one.high for one in whole) + count,
    }
    runs = whole[0].samples
    return Quantity(
        **{end: time_us / _US_PER_MS for end, time_us in ends.items()},
        confidence=CONFIDENCE,
        evidence=evidence,
        samples=runs,
        method="ONNX Runtime's profiler, wall clock of the class's operators in one inference of "
        f"one sample; sum of each operator's median over {runs} interleaved runs and of its order "
        f"statistics (binomial). The profiler's own work, {own_us:g} microseconds of each operator "
        "at most (as long as the shortest one takes), is taken off the value, not off the "
        "interval's high end. The time between operators belongs to none, so classes do not add up "
        "to the latency",
    )


def _class(one: TimedOperator, depthwise: frozenset[str]) -> OperatorClass:
    found = operator_class(one.operator)
    if found != "convolution":
        return found
    if name_in_file(one.name) in depthwise or _is_depthwise(one):
        return "depthwise convolution"
    return found


def _is_depthwise(one: TimedOperator) -> bool:
    """Whether the shapes tell that there is one filter a channel, where the weights are seen."""
    if one.operator not in ("Conv", "FusedConv") or len(one.inputs) < 2:
        return False
    data, weight = one.inputs[0].shape, one.inputs[1].shape
    return len(weight) == len(data) >= 3 and weight[1] == 1 and data[1] > 1


def _is_int8(one: TimedOperator) -> bool:
    inputs, outputs = ([tensor.type for tensor in some] for some in (one.inputs, one.outputs))
    return computes_in_int8(one.operator, inputs, outputs)
