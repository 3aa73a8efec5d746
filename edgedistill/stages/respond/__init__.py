"""A teacher behind an HTTP endpoint: prompts in, its stored responses out.

Where the endpoint tells log-probabilities, a student can learn from the top k at each token; where
it does not, from the texts alone, and the facts say which.
"""

from __future__ import annotations

from edgedistill.stages.respond.log_probabilities import LogProbabilities, TokenTable
from edgedistill.stages.respond.prompts import Message, Prompt, prompts_sha256, read_prompts
from edgedistill.stages.respond.responses import Response, Responses, open_responses
from edgedistill.stages.respond.stage import Responding

__all__ = [
    "LogProbabilities",
    "Message",
    "Prompt",
    "Responding",
    "Response",
    "Responses",
    "TokenTable",
    "open_responses",
    "prompts_sha256",
    "read_prompts",
]
