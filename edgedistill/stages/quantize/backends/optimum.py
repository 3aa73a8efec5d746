"""optimum's ORTQuantizer: onnxruntime's quantizer as Hugging Face configures and calibrates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx

from edgedistill.errors import MissingExtraError
from edgedistill.models.quiet import quiet
from edgedistill.stages.quantize.backends.request import library_method
from edgedistill.stages.quantize.transform import TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from edgedistill.stages.quantize.backends.request import Request


class Optimum:
    """`ORTQuantizer` with the scheme as a `QuantizationConfig`."""

    def quantize(self, request: Request) -> onnx.ModelProto:
        """The QDQ graph.

        Raises:
            InputError: If optimum is not installed, or its calibrators do not have the method.
        """
        method = library_method(request, "optimum")
        with quiet():
            try:
                from optimum.onnxruntime import ORTQuantizer
                from optimum.onnxruntime.configuration import CalibrationConfig
                from transformers import PretrainedConfig
            except ImportError as error:
                raise MissingExtraError(
                    extra="hf", package="optimum", needed_for="backend: optimum"
                ) from error
            config = _config(request)
            quantizer = ORTQuantizer(request.prepared, config=PretrainedConfig())
            ranges = quantizer.fit(
                _Samples(request),
                CalibrationConfig(
                    dataset_name="calibration",
                    dataset_config_name="",
                    dataset_split="calibration",
                    dataset_num_samples=len(request.samples),
                    method=method,
                    moving_average=request.method == "moving-average",
                    # optimum hands on None where nothing is set, on which the calibrators die
                    num_bins=128 if request.method == "entropy" else 2048,
                    num_quantized_bins=128,
                    percentile=99.999,
                    averaging_constant=0.01,
                ),
                onnx_augmented_model_name=str(request.folder / "augmented.onnx"),
                operators_to_quantize=config.operators_to_quantize,
            )
            folder = quantizer.quantize(
                config,
                save_dir=request.folder / "optimum",
                file_suffix=None,
                calibration_tensors_range=ranges,
            )
            return onnx.load_model(folder / request.prepared.name)


class _Samples:
    """Calibration samples as optimum reads a data set: without the batch axis, which it adds."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def __iter__(self) -> Iterator[Mapping[str, np.ndarray]]:
        for sample in self._request.samples:
            yield {name: values[0] for name, values in sample.items()}


def _config(request: Request) -> Any:
    from onnxruntime.quantization import QuantFormat, QuantizationMode
    from optimum.onnxruntime.configuration import QuantizationConfig

    scheme = request.scheme
    return QuantizationConfig(
        is_static=True,
        format=QuantFormat.QDQ,
        mode=QuantizationMode.QLinearOps,
        activations_dtype=TYPES[scheme.activation],
        activations_symmetric=scheme.symmetric_activation,
        weights_dtype=TYPES[scheme.weight],
        weights_symmetric=scheme.symmetric_weight,
        per_channel=scheme.per_channel,
        reduce_range=scheme.reduce_range,
        qdq_add_pair_to_weight=scheme.symmetric_activation,
        qdq_dedicated_pair=scheme.symmetric_activation,
    )
