"""What is wrong, or dear, in an ONNX model for a target: findings, each with cost and remedy."""

from edgedistill.diagnosis.coverage import coverage
from edgedistill.diagnosis.diagnosis import diagnose
from edgedistill.diagnosis.patient import Costs, InRuntime, Patient

__all__ = ["Costs", "InRuntime", "Patient", "coverage", "diagnose"]
