"""The float graph in the form whose int8 edition the runtime runs quickest; its function stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.stages.quantize.averages import name_global_averages
from edgedistill.stages.quantize.pairs import drop_unused
from edgedistill.stages.quantize.products import take_biases_along
from edgedistill.stages.quantize.stems import fit_first_convolutions, fold_pads

if TYPE_CHECKING:
    import onnx

    from edgedistill.core.profile import QuantizationScheme


def arrange(graph: onnx.GraphProto, scheme: QuantizationScheme) -> None:
    """Rewrites a graph whose shapes are inferred and whose nodes have names of their own.

    What is particular to onnxruntime's own kernels is left out where activations are symmetric:
    that is TensorRT's scheme, and its kernels are others.

    Args:
        graph: The float graph; it is changed.
        scheme: How int8 stands for real numbers on the target's runtime.
    """
    fold_pads(graph)
    name_global_averages(graph)
    if not scheme.symmetric_activation:
        fit_first_convolutions(graph)
        take_biases_along(graph)
    drop_unused(graph)
