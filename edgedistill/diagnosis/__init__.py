"""What is wrong, or dear, in an ONNX model for a target: findings, each with cost and remedy."""

from edgedistill.diagnosis.anatomy import Costs, InRuntime, Patient
from edgedistill.diagnosis.coverage import coverage
from edgedistill.diagnosis.diagnosis import diagnose

__all__ = ["Costs", "InRuntime", "Patient", "coverage", "diagnose"]
