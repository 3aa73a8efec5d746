"""Where networks come from, and how they are kept: never as a pickle."""

from edgedistill.models.building import build
from edgedistill.models.ensemble import Ensemble
from edgedistill.models.identity import draws_weights, fingerprint, source_files
from edgedistill.models.network import Network, count_parameters, create, load, members, save
from edgedistill.models.onnx_graph import GraphModule
from edgedistill.models.signature import Signature, logits
from edgedistill.models.sources import Live, has_weights, portable, runs_code
from edgedistill.models.surgery import History, replay, set_attention_heads

__all__ = [
    "Ensemble",
    "GraphModule",
    "History",
    "Live",
    "Network",
    "Signature",
    "build",
    "count_parameters",
    "create",
    "draws_weights",
    "fingerprint",
    "has_weights",
    "load",
    "logits",
    "members",
    "portable",
    "replay",
    "runs_code",
    "save",
    "set_attention_heads",
    "source_files",
]
