"""Everything that is looked for, and in which order it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.findings import Severity
from edgedistill.diagnosis.conversions import stray_conversions
from edgedistill.diagnosis.coverage import fallbacks
from edgedistill.diagnosis.layout import layout_findings
from edgedistill.diagnosis.leftovers import leftover_findings
from edgedistill.diagnosis.runtime_fit import runtime_findings
from edgedistill.diagnosis.saturation import saturation
from edgedistill.diagnosis.scales import scale_findings
from edgedistill.diagnosis.weights import weight_findings

if TYPE_CHECKING:
    from edgedistill.core.findings import Finding
    from edgedistill.diagnosis.patient import Patient

_CHECKS = (
    runtime_findings,
    weight_findings,
    saturation,
    scale_findings,
    fallbacks,
    stray_conversions,
    layout_findings,
    leftover_findings,
)


def diagnose(patient: Patient) -> tuple[Finding, ...]:
    """All findings about a model on a target, the worst first, then the dearest."""
    found = [finding for check in _CHECKS for finding in check(patient)]
    return tuple(sorted(found, key=_rank))


def _rank(finding: Finding) -> tuple[int, float]:
    share = 0.0 if finding.cost is None else finding.cost.share_fraction
    return list(Severity).index(finding.severity), -share
