"""A teacher behind an HTTP endpoint: prompts in, its stored responses out.

Where the endpoint tells log-probabilities, a student can learn from the top k at each token; where
it does not, from the texts alone, and the facts say which. Asked about the samples of a
classification, its responses become verdicts: how probable each class is for each sample.
"""

from __future__ import annotations

from edgedistill.stages.respond.answering import Answering, Verdicts, open_verdicts
from edgedistill.stages.respond.class_names import ClassNames
from edgedistill.stages.respond.log_probabilities import LogProbabilities, TokenTable
from edgedistill.stages.respond.prompts import Message, Prompt, prompts_sha256, read_prompts
from edgedistill.stages.respond.questions import Questions
from edgedistill.stages.respond.responses import Response, Responses, open_responses
from edgedistill.stages.respond.stage import Responding

__all__ = [
    "Answering",
    "ClassNames",
    "LogProbabilities",
    "Message",
    "Prompt",
    "Questions",
    "Responding",
    "Response",
    "Responses",
    "TokenTable",
    "Verdicts",
    "open_responses",
    "open_verdicts",
    "prompts_sha256",
    "read_prompts",
]
