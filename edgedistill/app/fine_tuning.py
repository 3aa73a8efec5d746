"""When a network learns once more in rounded numbers, and how they are rounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.app.attempt import Nothing
from edgedistill.core.report import Int8Check
from edgedistill.stages.distill import Rounding
from edgedistill.store import facts_of

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme

_ACTIVATION_LEVELS = {"uint8": 255, "int8": 255, "uint16": 65535, "int16": 65535}


def rounding_of(scheme: QuantizationScheme) -> Rounding:
    """How a scheme rounds, for training that knows it."""
    return Rounding(
        activation_levels=_ACTIVATION_LEVELS[scheme.activation],
        symmetric_activations=scheme.symmetric_activation,
        per_channel=scheme.per_channel,
        weight_levels=63 if scheme.reduce_range else 127,
        symmetric_weights=scheme.symmetric_weight,
    )


def unneeded(quantized: Path) -> Nothing | None:
    """What there is to do instead of fine-tuning where int8 does not need it; None where it does.

    Args:
        quantized: Folder of the step that quantized the network, with all methods that were
            allowed.
    """
    check = Int8Check.read(facts_of(quantized)["check"], file=quantized)
    if check.attempts is None:
        return Nothing("no accuracy was judged while it was quantized", needed=False)
    if check.attempts.broken is None:
        return Nothing("int8 keeps the accuracy without it", needed=False)
    return None
