"""A trained network on its way to disk, proven there."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgedistill import models
from edgedistill.errors import PromiseError
from edgedistill.models import weights
from edgedistill.models.network import WEIGHTS
from edgedistill.stages.distill.feed import feed_of
from edgedistill.stages.distill.reproducible import reproducible

if TYPE_CHECKING:
    from edgedistill.core.stage import StageContext
    from edgedistill.data import Split
    from edgedistill.models import Network

_PROOF_SAMPLES = 256


def save_proven(
    trained: Network, start: Network, split: Split, context: StageContext, *, stage: str
) -> None:
    """Saves a trained network and proves that the file gives the very same answers.

    Of several processes the first does; all have the same network.

    Args:
        trained: What is saved into the context's folder.
        start: The network the training started from; a copy of it takes the saved weights.
        split: Some of its first samples are asked of both.
        context: Where to write, and with how many threads to ask.
        stage: Who promises, for the error.

    Raises:
        PromiseError: If an answer differs in any bit, or a weight is NaN or infinite.
    """
    if context.company.rank:
        return
    models.save(trained, context.folder)
    path = context.folder / WEIGHTS
    tensors, _ = weights.read(path, field=WEIGHTS)
    again = replace(start, module=copy.deepcopy(start.module))
    weights.load_into(again.module, tensors, file=path, field=WEIGHTS)
    expected, found = (_first_answers(network, split, context) for network in (trained, again))
    if not np.array_equal(expected, found):
        raise PromiseError(
            stage=stage,
            promised="a file that gives the answers of the trained network",
            found=f"a difference of up to {float(np.abs(expected - found).max()):.3g}",
            remedy="The network keeps something outside of its parameters and buffers; register "
            "it as a buffer",
        )


def _first_answers(network: Network, split: Split, context: StageContext) -> np.ndarray:
    with reproducible(seed=context.seed, threads=context.threads):
        return next(feed_of(network).answers(split, batch_size=_PROOF_SAMPLES))[1]
