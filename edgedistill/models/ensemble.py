"""Several networks that answer as one: the teacher that Hinton et al. distill.

Averaging the answers of networks that err differently lowers the error (Dietterich 2000, "Ensemble
Methods in Machine Learning"). Hinton, Vinyals and Dean 2015 (arXiv 1503.02531, section 1) distill
such an ensemble into one network; You et al. 2017 ("Learning from Multiple Teacher Networks", KDD)
average the softened answers of several teachers alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Combine = Literal["probabilities", "logits"]
"""What of the members is averaged."""


class Ensemble(nn.Module):
    """Answers with the average of its members' answers.

    Attributes:
        members: The networks; each takes the same inputs and knows the same classes.
        combine: What is averaged, see `combined`.
    """

    def __init__(self, members: Iterable[nn.Module], combine: Combine = "probabilities") -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combine = combine

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Inputs [batch, ...] in the signature's order to logits [batch, classes]."""
        return combined(self._each(inputs), self.combine)

    def member_logits(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What each member says: inputs [batch, ...] by name to [members, batch, classes]."""
        return self._each(tuple(inputs.values()))

    def _each(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        answers = [member(*inputs) for member in self.members]
        return torch.stack([getattr(answer, "logits", answer) for answer in answers])


def combined(logits: torch.Tensor, combine: Combine) -> torch.Tensor:
    """Logits of several networks [members, batch, classes] to those of all [batch, classes].

    `probabilities` is the logarithm of the mean probability, so that a softmax of it is that mean:
    log(1/M sum_m softmax(z_m)) = logsumexp_m(log_softmax(z_m)) - log M. `logits` is the mean of
    the logits: the geometric mean of the probabilities, up to its normalization.
    """
    if combine == "logits":
        return logits.mean(0)
    return torch.logsumexp(torch.log_softmax(logits, dim=-1), dim=0) - math.log(len(logits))
