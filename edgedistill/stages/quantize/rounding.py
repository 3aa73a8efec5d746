"""Weights rounded so that an operator's output is kept, not so that each weight is.

The operator gets what the rounded operators before it give, and is to give what the float one
gives in the float graph. Both steps are closed forms of second moments of its inputs:

1. The float weights that come nearest with the inputs it really gets: least squares, held to the
   trained weights by a ridge. GPTAQ (Li et al. 2025, arXiv 2504.02692) has the same aim.
2. Those are rounded one input after the other; what rounding one loses, the ones not yet rounded
   make good: GPTQ (Frantar et al. 2022, arXiv 2210.17323, algorithm 1, inputs of large second
   moment first), after Optimal Brain Surgeon (Hassibi and Stork 1993).

The question is that of AdaRound (Nagel et al. 2020, arXiv 2004.10568), which learns it by gradient
descent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from threadpoolctl import threadpool_limits

from edgedistill.stages.quantize.bias import keep_means
from edgedistill.stages.quantize.moments import Inputs, mean_squared_errors, moments
from edgedistill.stages.quantize.patches import filters, has_rows, weight_from
from edgedistill.stages.quantize.second_order import Grid, round_in_turn
from edgedistill.stages.quantize.walking import Walk, few_samples
from edgedistill.stages.quantize.weights import layers
from edgedistill.stages.quantize.wiring import Wiring

if TYPE_CHECKING:
    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import CalibrationSet
    from edgedistill.stages.quantize.weights import Layer

_WIDEST = 4608
"""Inputs of an output, beyond which the matrices of a layer would take more than 1 GB."""


def learn_rounding(
    prepared: onnx.ModelProto,
    quantized: onnx.ModelProto,
    samples: CalibrationSet,
    context: StageContext,
) -> onnx.ModelProto:
    """Rounds each weight up or down, or further, so that outputs come near the float graph's.

    Operators follow in the order of the graph, each on what the rounded ones before it give. Three
    quarters of the samples teach; where the others say that rounding to nearest is as good, it
    stays. Biases are corrected on the way. Scales and zero points stay, and no node is added.

    Args:
        prepared: The float graph that was quantized.
        quantized: The QDQ graph made from it.
        samples: Calibration samples; some of them are used where there are many.
        context: Threads, seed and progress.

    Returns:
        The corrected QDQ graph.
    """
    corrected = onnx.ModelProto()
    corrected.CopyFrom(quantized)
    few = few_samples(prepared, samples, context.threads)
    real = Walk(prepared, few, threads=context.threads)
    rounded = Walk(corrected, few, threads=context.threads)
    trained = Wiring.of(prepared.graph).constants
    found = layers(prepared, corrected)
    with (
        context.progress.track("Rounding weights", len(found)) as advance,
        threadpool_limits(context.threads, user_api="blas"),
    ):
        for layer in found:
            held = trained.get(layer.before.input[1])
            if held is not None:
                weight = onnx.numpy_helper.to_array(held)
                if has_rows(layer.after, weight):
                    _round_layer(layer, weight, (real, rounded), context.seed)
            keep_means(layer, real, rounded)
            advance()
    return corrected


def _round_layer(layer: Layer, trained: np.ndarray, walks: tuple[Walk, Walk], seed: int) -> None:
    weight = filters(layer.after, trained).astype(np.float64)
    if weight.shape[2] > _WIDEST:
        return
    real, rounded = walks
    inputs = Inputs(
        layer.after,
        trained.shape[2:] if layer.after.op_type == "Conv" else (),
        real.values(layer.before.input[0]),
        rounded.values(layer.after.input[0]),
        seed,
    )
    learned, judged = inputs.split()
    centred = layer.bias is not None
    grid, nearest = _grid(layer), filters(layer.after, layer.weight.integers)
    found = round_in_turn(weight, moments(learned, weight, centred=centred), grid)
    learned_error, nearest_error = mean_squared_errors(
        judged, weight, [grid.reals(found), grid.reals(nearest)], centred=centred
    )
    if learned_error < nearest_error:
        layer.weight.store(weight_from(layer.after, found, trained.shape))


def _grid(layer: Layer) -> Grid:
    """What the integers of a layer stand for; they go no further than the quantizer's own went."""
    integers, zero_point = layer.weight.integers, layer.weight.zero_point
    low, high = int(integers.min()), int(integers.max())
    if not zero_point.any():
        # seven bits of a reduced range, or eight: its largest weight says which
        low, high = -max(-low, high), max(-low, high)
    scale, points = (
        filters(layer.after, np.broadcast_to(array, integers.shape))
        for array in (layer.weight.scale.astype(np.float64), zero_point)
    )
    return Grid(scale, points, low, high)
