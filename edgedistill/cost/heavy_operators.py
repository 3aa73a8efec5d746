"""Operators that multiply matrices, in any domain of ONNX Runtime: what int8 is for."""

from __future__ import annotations

INT8_OPERATORS = frozenset(
    {
        "ConvInteger",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeMatMul",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "NhwcQLinearConv",
        "QAttention",
        "QGemm",
        "QLinearConv",
        "QLinearConvTranspose",
        "QLinearMatMul",
        "QOrderedAttention",
        "QOrderedLongformerAttention",
        "QOrderedMatMul",
    }
)
"""Heavy operators of onnxruntime that multiply eight-bit integers."""

FLOAT_OPERATORS = frozenset(
    {
        "Attention",
        "Conv",
        "ConvTranspose",
        "ConvTransposeWithDynamicPads",
        "Einsum",
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "FusedMatMulActivation",
        "GRU",
        "Gemm",
        "GemmFastGelu",
        "GroupQueryAttention",
        "LSTM",
        "MatMul",
        "MatMulNBits",
        "MultiHeadAttention",
        "NhwcConv",
        "NhwcFusedConv",
        "PackedAttention",
        "RNN",
        "TransposeMatMul",
    }
)
"""Heavy operators of onnxruntime, in any of its domains, that multiply floats."""
