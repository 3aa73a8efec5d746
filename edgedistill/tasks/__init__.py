"""What a network is asked to do: the loss on labels, and how good its answers are."""

from __future__ import annotations

from edgedistill.core.labels import UNLABELLED
from edgedistill.tasks.calibration_error import (
    estimate_calibration_error,
    expected_calibration_error,
)
from edgedistill.tasks.classification import (
    accuracy,
    accuracy_drop,
    agreement,
    drops_at_once,
    label_loss,
    share,
    worst_class,
    worst_group,
)
from edgedistill.tasks.damage import Answered, damage_between
from edgedistill.tasks.evaluation import Evaluation, evaluate
from edgedistill.tasks.flips import Flips, flips
from edgedistill.tasks.intervals import (
    agresti_min_interval,
    bonferroni,
    paired_wald_interval,
    wilson_interval,
)

__all__ = [
    "UNLABELLED",
    "Answered",
    "Evaluation",
    "Flips",
    "accuracy",
    "accuracy_drop",
    "agreement",
    "agresti_min_interval",
    "bonferroni",
    "damage_between",
    "drops_at_once",
    "estimate_calibration_error",
    "evaluate",
    "expected_calibration_error",
    "flips",
    "label_loss",
    "paired_wald_interval",
    "share",
    "wilson_interval",
    "worst_class",
    "worst_group",
]
