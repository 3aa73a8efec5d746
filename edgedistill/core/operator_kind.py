"""The classes of operators that the cost model tells apart."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What an operator does, as finely as its speed per multiply-accumulate differs."""

    POINTWISE = "pointwise"
    """Dense convolution with a 1x1 kernel: a matrix product of the picture as it lies."""
    CONV_3X3 = "conv-3x3"
    """Dense 3x3 convolution with stride 1, which several runtimes compute by Winograd."""
    CONV_OTHER = "conv-other"
    """Any other dense convolution, transposed ones included."""
    DEPTHWISE = "depthwise"
    """One filter a channel."""
    GROUPED = "grouped"
    """Several groups of more than one channel each."""
    MATMUL = "matmul"
    """A matrix product that is no convolution; also a convolution on a 1x1 picture."""
    ATTENTION = "attention"
    """Scaled dot-product attention as one operator."""
    POOLING = "pooling"
    ELEMENTWISE = "elementwise"
    """Sums, products and other arithmetic on elements."""
    MOVEMENT = "movement"
    """Copies without arithmetic: concatenation, transposition, slices, resizing."""
    NORMALIZATION = "normalization"
    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    SILU = "silu"
    HARD_SWISH = "hard-swish"
    """Also hard sigmoid: clipping and arithmetic without an exponential."""
    GELU = "gelu"
    RELU = "relu"
    """Only where the runtime has not fused it into the operator before."""
    QUANTIZE = "quantize"
    """Quantize and dequantize."""
    POSTPROCESSING = "postprocessing"
    """Decoding of boxes and their suppression: its time depends on the picture."""
    FREE = "free"
    """A view: no element moves."""


MULTIPLYING = (
    Kind.POINTWISE,
    Kind.CONV_3X3,
    Kind.CONV_OTHER,
    Kind.DEPTHWISE,
    Kind.GROUPED,
    Kind.MATMUL,
    Kind.ATTENTION,
)
"""Kinds whose time is the greater of work and traffic."""

ACTIVATIONS = (
    Kind.SOFTMAX,
    Kind.SIGMOID,
    Kind.SILU,
    Kind.HARD_SWISH,
    Kind.GELU,
    Kind.NORMALIZATION,
)
"""Kinds with a cost for each element of their output beyond moving it."""
