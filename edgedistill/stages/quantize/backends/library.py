"""onnxruntime's own static quantizer, with its own calibrators and its own placement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnxruntime.quantization import QuantFormat, quantize_static

from edgedistill.stages.quantize.backends.request import Reader, library_method
from edgedistill.stages.quantize.transform import TYPES, scheme_options

if TYPE_CHECKING:
    from edgedistill.stages.quantize.backends.request import Request


class OnnxRuntime:
    """`quantize_static`: every operator it knows gets quantizers, its calibrators give ranges.

    They hold what they saw of every sample, percentile and entropy each value of each activation,
    so memory grows with the samples.
    """

    def quantize(self, request: Request) -> onnx.ModelProto:
        """The QDQ graph.

        Raises:
            InputError: If onnxruntime's calibrators do not have the method.
        """
        scheme = request.scheme
        written = request.folder / "quantized.onnx"
        quantize_static(
            request.prepared,
            written,
            Reader(request),
            quant_format=QuantFormat.QDQ,
            per_channel=scheme.per_channel,
            reduce_range=scheme.reduce_range,
            activation_type=TYPES[scheme.activation],
            weight_type=TYPES[scheme.weight],
            calibrate_method=library_method(request, "onnxruntime"),
            extra_options={
                **scheme_options(scheme),
                "CalibMovingAverage": request.method == "moving-average",
            },
        )
        return onnx.load_model(written)
