"""Losses on sequences: an answer over a vocabulary at each token, some tokens of which count.

All take logits `[batch, tokens, vocabulary]` and a mask `[batch, tokens]`, and give the mean over
the tokens the mask chooses, in nats; 0, still with a gradient (of 0), where it chooses none. What
stands at other tokens is not looked at, not even a NaN. P is the teacher's distribution at a token,
Q the student's, both softened by the temperature. There is no factor T^2, as in Agarwal et al.
2024 (GKD, arXiv 2306.13649): multiply by it where a loss on labels stands beside, as
`soft_target_loss` does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from edgedistill.stages.distill.losses.divergence import kullback_leibler, softened
from edgedistill.stages.distill.losses.precision import wide

if TYPE_CHECKING:
    from torch import Tensor


def forward_kl(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, *, temperature: float = 1.0
) -> Tensor:
    """KL(P || Q): the student is to find probable whatever the teacher does.

    Supervised distillation in arXiv 2306.13649, section 3; `soft_target_loss` token by token, less
    its factor T^2.

    Args:
        student_logits: `[batch, tokens, vocabulary]`.
        teacher_logits: `[batch, tokens, vocabulary]`; no gradient flows into them.
        mask: bool `[batch, tokens]`.
        temperature: Above 0; higher is softer.
    """
    log_q, log_p = _chosen(student_logits, teacher_logits, mask, temperature)
    return _mean(kullback_leibler(log_p, log_q))


def reverse_kl(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, *, temperature: float = 1.0
) -> Tensor:
    """KL(Q || P): the student is to find nothing probable that the teacher does not.

    arXiv 2306.13649, section 2. Infinite where a sure teacher rules a token out, so P counts as at
    least the smallest normal number of the precision (e^-87 in float32): the loss stays below 88
    there, and its gradient finite.

    Args:
        student_logits: `[batch, tokens, vocabulary]`.
        teacher_logits: `[batch, tokens, vocabulary]`; no gradient flows into them.
        mask: bool `[batch, tokens]`.
        temperature: Above 0; higher is softer.
    """
    log_q, log_p = _chosen(student_logits, teacher_logits, mask, temperature)
    return _mean(kullback_leibler(log_q, _floored(log_p)))


def jensen_shannon(
    student_logits: Tensor,
    teacher_logits: Tensor,
    mask: Tensor,
    *,
    beta: float = 0.5,
    temperature: float = 1.0,
) -> Tensor:
    """Generalised Jensen-Shannon divergence, between forward and reverse KL.

    `beta KL(P || M) + (1 - beta) KL(Q || M)` with M = beta P + (1 - beta) Q (arXiv 2306.13649,
    eq. 1). Bounded by the entropy of beta against 1 - beta: ln 2 at 0.5, where it is symmetric.

    The equation itself goes to 0 at both ends. Divided by beta it goes to KL(P || Q) where beta
    goes to 0, and divided by 1 - beta to KL(Q || P) where beta goes to 1, so exactly there it is
    `forward_kl` and `reverse_kl` (as in the TRL library): a jump, since the weight changes.

    Args:
        student_logits: `[batch, tokens, vocabulary]`.
        teacher_logits: `[batch, tokens, vocabulary]`; no gradient flows into them.
        mask: bool `[batch, tokens]`.
        beta: 0 to 1, the teacher's share in M.
        temperature: Above 0; higher is softer.
    """
    if beta == 0:
        return forward_kl(student_logits, teacher_logits, mask, temperature=temperature)
    if beta == 1:
        return reverse_kl(student_logits, teacher_logits, mask, temperature=temperature)
    pair = _chosen(student_logits, teacher_logits, mask, temperature)
    # Two probabilities of 0 have no logarithm of their sum with a gradient; e^-87 weighs nothing.
    log_q, log_p = (_floored(logs) for logs in pair)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    to_teacher = beta * kullback_leibler(log_p, log_m)
    return _mean(to_teacher + (1 - beta) * kullback_leibler(log_q, log_m))


def top_k_forward_kl(
    student_logits: Tensor,
    top_indices: Tensor,
    top_log_probabilities: Tensor,
    mask: Tensor,
    *,
    temperature: float = 1.0,
) -> Tensor:
    """KL(P || Q) where only the teacher's k most probable classes were kept.

    All other classes together are one more class: P gives it what the k leave of 1, Q the sum over
    those classes. By the log sum inequality this is never above `forward_kl`, and the same where k
    is the whole vocabulary. Kept values are rounded, so P is made to sum to 1 again.

    Args:
        student_logits: `[batch, tokens, vocabulary]`.
        top_indices: int64 `[batch, tokens, k]`, each class once.
        top_log_probabilities: `[batch, tokens, k]`, the teacher's, over the whole vocabulary; no
            gradient flows into them.
        mask: bool `[batch, tokens]`.
        temperature: The one the teacher's answers were softened by before they were kept.
    """
    indices = top_indices[mask]
    log_q = functional.log_softmax(wide(student_logits[mask]) / temperature, dim=-1)
    log_p = wide(top_log_probabilities[mask].detach()).to(log_q.dtype)
    log_top = log_q.gather(-1, indices)
    if indices.shape[-1] < log_q.shape[-1]:
        rest = (1 - log_p.exp().sum(dim=-1, keepdim=True)).clamp(min=0).log()
        log_p = torch.cat([log_p, rest], dim=-1)
        log_rest = log_q.scatter(-1, indices, -math.inf).logsumexp(dim=-1, keepdim=True)
        log_top = torch.cat([log_top, log_rest], dim=-1)
    return _mean(kullback_leibler(functional.log_softmax(log_p, dim=-1), log_top))


def _chosen(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of student and teacher at the chosen tokens, `[chosen, vocabulary]`."""
    student, teacher = softened(student_logits[mask], teacher_logits[mask], temperature)
    return functional.log_softmax(student, dim=-1), functional.log_softmax(teacher, dim=-1)


def _floored(log_probabilities: Tensor) -> Tensor:
    return log_probabilities.clamp(min=math.log(torch.finfo(log_probabilities.dtype).tiny))


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(len(values), 1)
