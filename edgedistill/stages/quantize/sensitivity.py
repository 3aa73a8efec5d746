"""Which operators an int8 model loses its accuracy in.

Each heavy operator in turn is quantized alone, everything else stays in float, and the distance of
the model's outputs from the float model's is taken (Wu et al. 2020, arXiv 2004.09602, section 6.1,
with accuracy in place of distance: the distance of a few samples ranks operators where their
accuracies are all alike). The other way round, one operator in float among all in int8, does not
see a broken tensor between two operators, for either of them alone still rounds it.

Rounding errors of different operators are nearly independent, so the squares of their distances
nearly add up, and the square is what an operator's return to float is worth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import onnx

from edgedistill.stages.quantize.fidelity import FloatOutputs
from edgedistill.stages.quantize.placement import HEAVY, products_of_activations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from edgedistill.stages.quantize.calibration import CalibrationSet
    from edgedistill.stages.quantize.drafts import Draft, Workshop

SAMPLES = 32
"""Calibration samples that show the distance, at most."""

_FEWEST_SAMPLES = 4
_RUNS = 2048
"""Runs of the network in all: a network of more than 64 heavy operators is shown fewer samples.
Quantizing and loading it once for each operator takes time beside, which grows with the square of
their number: a second each for the 54 of a ResNet-50."""


def sensitivities(workshop: Workshop, draft: Draft) -> dict[str, float]:
    """The distance of the outputs when only one heavy operator is quantized, by its node's name.

    Nothing is corrected here: that would take passes over all samples for each operator.

    Args:
        workshop: Builds the drafts.
        draft: How each operator is quantized; its own float operators are in float throughout and
            are not listed.
    """
    context = workshop.context
    names = heavy_names(workshop, draft)
    many = min(SAMPLES, max(_FEWEST_SAMPLES, _RUNS // max(len(names), 1)))
    folder = workshop.folder / "sensitivity"
    folder.mkdir()
    few = _Few(workshop.samples, many)
    answers = FloatOutputs(workshop.prepared, few, folder, threads=context.threads)
    found = {}
    with context.progress.track("Looking for operators that lose accuracy", len(names)) as advance:
        for name in names:
            alone = replace(
                draft,
                techniques=frozenset(draft.preparations),
                floating=draft.floating | (set(names) - {name}),
            )
            found[name] = answers.distance(workshop.write(alone))
            advance(note=f"{name}: {found[name]:.4f}")
    return found


def heavy_names(workshop: Workshop, draft: Draft) -> tuple[str, ...]:
    """Names of the heavy operators that a draft quantizes, in the order of the graph."""
    graph = onnx.load_model(workshop.float_graph(draft)).graph
    floating = draft.floating | set(products_of_activations(graph))
    return tuple(
        node.name for node in graph.node if node.op_type in HEAVY and node.name not in floating
    )


@dataclass(frozen=True)
class _Few:
    """The first of the calibration samples."""

    samples: CalibrationSet
    count: int

    def __iter__(self) -> Iterator[Mapping[str, np.ndarray]]:
        return islice(iter(self.samples), self.count)
