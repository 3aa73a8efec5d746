"""A transformers network to ONNX through optimum, which knows each architecture's inputs.

Its graphs of pictures run about 1.2 times faster in float than those of torch's newer exporter.
Those of texts are as fast, and compute the shape of the attention mask in a way that shape
inference cannot follow, so texts go through torch's.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from edgedistill.errors import MissingExtraError
from edgedistill.models.quiet import quiet
from edgedistill.stages.export.from_torch import not_exportable
from edgedistill.stages.export.graph import BATCH, OUTPUT

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from edgedistill.models.network import Network
    from edgedistill.models.signature import Signature

MAX_OPSET = 20
"""The newest operator set that torch's older exporter, which optimum calls, writes."""

_TOKENS = "input_ids"
"""What transformers calls the numbers of tokens."""


def is_transformers(module: nn.Module) -> bool:
    """Whether the module is a model of transformers."""
    ancestors = type(module).__mro__
    return any(kind.__module__.split(".")[0] == "transformers" for kind in ancestors)


def export_transformers(
    network: Network, module: nn.Module, file: Path, *, opset: int, static: bool
) -> bool:
    """Writes a transformers model as ONNX; only the batch axis is open, or none.

    Args:
        network: What the module takes and where it comes from.
        module: Its module in eval mode; its configuration may be changed.
        file: What is written.
        opset: The operator set; at most `MAX_OPSET`.
        static: Whether the model takes one sample at a time.

    Returns:
        False, and nothing is written, where optimum does not know the architecture, would
        export other inputs than the signature's, or they are tokens: torch's own exporter is the
        one to use then.

    Raises:
        MissingExtraError: If optimum is not installed.
        InputError: If the module does something that cannot be exported.
    """
    if importlib.util.find_spec("optimum") is None or not _holds_exporter():
        raise MissingExtraError(
            extra="hf", package="optimum-onnx", needed_for="exporting a transformers network"
        )
    with quiet():
        import optimum.exporters.onnx.model_configs  # noqa: F401  # fills the registry
        from optimum.exporters.onnx.convert import export

        config = _config(module, network.signature)
        if config is None:
            return False
        try:
            export(
                module,
                config,
                file,
                opset=opset,
                input_shapes=_sizes(network.signature, static=static),
                disable_dynamic_axes_fix=True,
                no_dynamic_axes=static,
            )
        except (RuntimeError, ValueError, TypeError, LookupError) as error:
            raise not_exportable(network, "optimum", error) from error
    return True


def _holds_exporter() -> bool:
    """Whether the part of optimum that writes ONNX (a package of its own) is there."""
    return importlib.util.find_spec("optimum.exporters.onnx") is not None


def _config(module: Any, signature: Signature) -> Any:
    """Optimum's description of the architecture with a fixed shape; None where it has none."""
    from optimum.exporters.tasks import TasksManager

    try:
        task = TasksManager.infer_task_from_model(module)
        known = TasksManager.get_exporter_config_constructor(
            "onnx", module, task=task, library_name="transformers"
        )
    except (KeyError, ValueError, NotImplementedError):
        return None
    given = known(module.config)
    if len(given.inputs) != len(signature.inputs) or _TOKENS in signature.inputs:
        return None
    axes = {name: {0: BATCH} for name in given.inputs}
    # The architecture's description opens every axis (height, width, sequence length). The
    # data has one shape, and a graph that knows it is smaller and quantizes better.
    fixed = type(
        "Fixed" + type(given).__name__,
        (type(given),),
        {
            "inputs": property(lambda _: axes),
            "outputs": property(lambda _: {OUTPUT: {0: BATCH}}),
        },
    )
    return fixed(module.config, task=task)


def _sizes(signature: Signature, *, static: bool) -> dict[str, int]:
    """Sizes of the example input, a picture [channels, height, width]."""
    shape = next(iter(signature.inputs.values()))
    sizes = {"batch_size": 1 if static else 2}
    if len(shape) == 3:
        return sizes | dict(zip(("num_channels", "height", "width"), shape, strict=True))
    return sizes
