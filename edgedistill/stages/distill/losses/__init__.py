"""What a student learns from: pure functions of logits, labels and features, and layer by layer."""

from __future__ import annotations

from edgedistill.stages.distill.losses.correlation import correlation_loss
from edgedistill.stages.distill.losses.decoupled import decoupled_loss
from edgedistill.stages.distill.losses.features import (
    attention_transfer_loss,
    hint_loss,
    regressor,
)
from edgedistill.stages.distill.losses.layers import Features, LayerLosses, capture
from edgedistill.stages.distill.losses.objective import answers_loss
from edgedistill.stages.distill.losses.relations import (
    relational_angle_loss,
    relational_distance_loss,
    similarity_preserving_loss,
)
from edgedistill.stages.distill.losses.sequences import (
    forward_kl,
    jensen_shannon,
    reverse_kl,
    top_k_forward_kl,
)
from edgedistill.stages.distill.losses.soft_targets import soft_target_loss
from edgedistill.stages.distill.losses.standardization import standardize

__all__ = [
    "Features",
    "LayerLosses",
    "answers_loss",
    "attention_transfer_loss",
    "capture",
    "correlation_loss",
    "decoupled_loss",
    "forward_kl",
    "hint_loss",
    "jensen_shannon",
    "regressor",
    "relational_angle_loss",
    "relational_distance_loss",
    "reverse_kl",
    "similarity_preserving_loss",
    "soft_target_loss",
    "standardize",
    "top_k_forward_kl",
]
