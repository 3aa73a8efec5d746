"""Where networks come from, and how they are kept: never as a pickle."""

from edgedistill.models.building import build
from edgedistill.models.identity import draws_weights, fingerprint
from edgedistill.models.network import Network, create, load, save
from edgedistill.models.signature import Signature, logits
from edgedistill.models.sources import Live, has_weights, runs_code
from edgedistill.models.surgery import History, replay, set_attention_heads

__all__ = [
    "History",
    "Live",
    "Network",
    "Signature",
    "build",
    "create",
    "draws_weights",
    "fingerprint",
    "has_weights",
    "load",
    "logits",
    "replay",
    "runs_code",
    "save",
    "set_attention_heads",
]
