"""Bias correction: rounding shifts the mean of what an operator gives, and the bias takes it back.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction" (arXiv
1906.04721), section 4.2, in the empirical form of its appendix D: the shift is seen on samples.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import onnx

from edgedistill.stages.quantize.walking import Walk, few_samples
from edgedistill.stages.quantize.weights import layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import CalibrationSet
    from edgedistill.stages.quantize.weights import Layer


def correct_bias(
    prepared: onnx.ModelProto,
    quantized: onnx.ModelProto,
    samples: CalibrationSet,
    context: StageContext,
) -> onnx.ModelProto:
    """Gives each channel of each heavy operator the mean that it has in the float graph.

    Operators are corrected in the order of the graph, each on what the corrected ones before it
    give. The mean is that of the sums before the activation, over the samples and, for a
    convolution, the places. No node is added: an operator without a bias of its own stays as it is.

    Args:
        prepared: The float graph that was quantized.
        quantized: The QDQ graph made from it.
        samples: Calibration samples; some of them are used where there are many.
        context: Threads and progress.

    Returns:
        The corrected QDQ graph.
    """
    corrected = onnx.ModelProto()
    corrected.CopyFrom(quantized)
    few = few_samples(prepared, samples, context.threads)
    real = Walk(prepared, few, threads=context.threads)
    rounded = Walk(corrected, few, threads=context.threads)
    found = layers(prepared, corrected)
    with context.progress.track("Correcting biases", len(found)) as advance:
        for layer in found:
            keep_means(layer, real, rounded)
            advance()
    return corrected


def keep_means(layer: Layer, real: Walk, rounded: Walk) -> None:
    """Runs an operator in both graphs and changes its bias so that the means agree.

    Args:
        layer: The operator; without a bias of its own it stays as it is.
        real: The float graph, on its way.
        rounded: The QDQ graph on the same samples; goes on with the changed bias.
    """
    if layer.bias is None:
        return
    name, axis = layer.after.output[0], layer.channel_axis
    wanted = _channel_means(real.values(layer.before.output[0]), axis)
    added = layer.bias.add(wanted - _channel_means(rounded.values(name), axis))
    if layer.after.op_type != "MatMul":  # whose Add has not run yet
        rounded.amend(name, partial(_shifted, shift=added, axis=axis))


def _channel_means(arrays: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """The mean of each channel over samples and places, `[channels]`."""
    sums = [np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1) for array in arrays]
    count = sum(flat.shape[1] for flat in sums)
    total: np.ndarray = np.sum([flat.sum(axis=1, dtype=np.float64) for flat in sums], axis=0)
    return total / count


def _shifted(array: np.ndarray, *, shift: np.ndarray, axis: int) -> np.ndarray:
    shape = [1] * array.ndim
    shape[axis] = shift.size
    moved: np.ndarray = (array + shift.reshape(shape)).astype(array.dtype)
    return moved
