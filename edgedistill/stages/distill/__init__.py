"""Training and distillation: a teacher's answers, kept once, and networks that learn from them."""

from __future__ import annotations

from edgedistill.stages.distill.answers import Teach, open_answers
from edgedistill.stages.distill.distillation import Distillation
from edgedistill.stages.distill.feedback import Replay
from edgedistill.stages.distill.given_answers import Keep
from edgedistill.stages.distill.losses import answers_loss, soft_target_loss
from edgedistill.stages.distill.objective import require_layers
from edgedistill.stages.distill.rounded_numbers import Rounding
from edgedistill.stages.distill.train import Train

__all__ = [
    "Distillation",
    "Keep",
    "Replay",
    "Rounding",
    "Teach",
    "Train",
    "answers_loss",
    "open_answers",
    "require_layers",
    "soft_target_loss",
]
