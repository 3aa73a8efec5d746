"""What may stand for each kind of figure, and what would settle it where it does not."""

from __future__ import annotations

from edgedistill.core.figure import Evidence
from edgedistill.core.limits import LIMITS, RELATIVE, Kind, Limit

__all__ = ["ACCEPTED", "ESTIMABLE", "LIMITS", "PROVE", "RELATIVE", "Kind", "Limit"]

_MEASURED = frozenset({Evidence.MEASURED_ON_DEVICE})
_EXACT_ANYWHERE = frozenset(
    {Evidence.COUNTED, Evidence.MEASURED_ON_DEVICE, Evidence.MEASURED_ON_STAND_IN}
)

ACCEPTED: dict[Kind, frozenset[Evidence]] = {
    # A stand-in's and an emulator's milliseconds say nothing about the device.
    "latency": _MEASURED,
    # What a network answers hardly depends on the machine; that it is no estimate is asked for.
    "accuracy": frozenset(
        {Evidence.MEASURED_ON_DEVICE, Evidence.MEASURED_ON_STAND_IN, Evidence.EMULATED}
    ),
    "size": _EXACT_ANYWHERE,
    "memory": _MEASURED,
    "energy": _MEASURED,
    # An emulator of the instruction set executes those that the device would.
    "instructions": _MEASURED | {Evidence.EMULATED, Evidence.COUNTED},
    "coverage": _EXACT_ANYWHERE,
    "parity": _EXACT_ANYWHERE,
}
"""By which evidence a figure of a kind may be judged."""

ESTIMABLE: frozenset[Kind] = frozenset({"latency", "memory", "energy"})
"""Kinds for which a budget may accept an estimate as well."""

PROVE: dict[Kind, str] = {
    "latency": "Measure on the device itself (stage benchmark)",
    "accuracy": "Evaluate the model on labelled validation samples",
    "size": "Give the model file's own size",
    "memory": "Measure the process on the device itself",
    "energy": "Measure on the device itself, with a meter",
    "instructions": "Count them on the device and give its report (--device-report)",
    "coverage": "Count them in the model's own graph",
    "parity": "Run compress again: the export stage proves it on real inputs",
}
"""What to do where the evidence for a figure of a kind is not enough."""
