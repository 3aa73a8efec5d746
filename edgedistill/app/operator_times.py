"""Where the time of the teacher and of the network that ships goes: measured, or estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.app.estimate import estimate
from edgedistill.bench.operator_samples import read_operator_samples
from edgedistill.bench.operator_times import operator_times
from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.operator_times import OperatorTime, OperatorTimes
from edgedistill.cost.operator_classes import class_of_kind, depthwise_convolutions
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.rows import Rows
    from edgedistill.core.estimate import Estimate, OperatorCost
    from edgedistill.core.operator_times import OperatorClass


def times_of_operators(rows: Rows, networks: Mapping[str, str]) -> tuple[OperatorTimes, ...]:
    """Where the time of some networks of a target goes; those of which nothing is known are absent.

    Args:
        rows: What is stored about the target's networks.
        networks: What a network is called in the report to what it is called in the measurement.
    """
    exports = rows.road.exports
    files = {name: rows.file(exports[called]) for name, called in networks.items()}
    if rows.samples is None:
        found = [_estimated(name, file, rows) for name, file in files.items()]
    elif rows.road.operators is None:
        return ()
    else:
        samples = read_operator_samples(rows.finished.folder(rows.road.operators))
        found = [
            operator_times(
                samples,
                networks[name],
                network=name,
                depthwise=depthwise_convolutions(file),
                evidence=Evidence.MEASURED_ON_DEVICE,
            )
            for name, file in files.items()
        ]
    return tuple(one for one in found if one is not None)


def _estimated(name: str, file: Path, rows: Rows) -> OperatorTimes | None:
    try:
        found = estimate(file, rows.profile, runtime=rows.resolved.runtime(rows.target)[0])
    except InputError:  # that there is no latency, and why, is told beside it
        return None
    return estimated_times(found, name)


def estimated_times(found: Estimate, network: str) -> OperatorTimes | None:
    """How the cost model shares an estimate among the classes of operators.

    Only whole networks were measured when it was fitted, so nobody knows how far one class is off:
    its interval reaches from nothing to the high end of the whole network's, which holds whenever
    that one does.

    Args:
        found: The estimate of one network.
        network: What the network is called in the report.

    Returns:
        None where there is no latency.
    """
    whole = found.latency_ms
    if whole is None:
        return None
    groups: dict[OperatorClass, list[OperatorCost]] = {}
    for one in found.operators:
        groups.setdefault(class_of_kind(one.kind), []).append(one)
    classes = [
        OperatorTime(
            operators=title,
            count=len(group),
            # what turns numbers into int8 and back computes in float
            int8=sum(one.precision == "int8" for one in group if title != "conversion"),
            time_ms=_part(sum(one.latency_ms for one in group), whole),
        )
        for title, group in groups.items()
    ]
    classes.sort(key=lambda one: -one.time_ms.value)
    return OperatorTimes(network=network, classes=tuple(classes))


def _part(value_ms: float, whole: Quantity) -> Quantity:
    return Quantity(
        value=value_ms,
        low=0.0,
        high=max(whole.high, value_ms),
        confidence=whole.confidence,
        evidence=Evidence.ESTIMATED,
        samples=whole.samples,
        method=f"the class's part of the estimate of the whole network ({whole.method}). The model "
        "was fitted to whole networks, so the interval of a part reaches from nothing to the high "
        "end of the whole",
    )
