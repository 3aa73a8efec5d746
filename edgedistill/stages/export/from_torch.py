"""Any torch module to ONNX, through torch's own exporter."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgedistill.errors import Fault, InputError
from edgedistill.models.quiet import quiet
from edgedistill.models.signature import Positional, takes_names
from edgedistill.stages.export.graph import BATCH, OUTPUT

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.models.network import Network


def export_torch(
    network: Network, module: nn.Module, file: Path, *, opset: int, static: bool
) -> None:
    """Writes a module as ONNX; only the batch axis is open, or none.

    Args:
        network: What the module takes and where it comes from.
        module: Its module in eval mode.
        file: What is written.
        opset: The operator set.
        static: Whether the model takes one sample at a time.

    Raises:
        InputError: If the module does something that torch cannot export.
    """
    signature = network.signature
    sample = signature.zeros(1 if static else 2)  # an axis of 1 would be taken for a constant
    names = tuple(signature.inputs)
    by_name = takes_names(module, names)
    with torch.no_grad():
        answer = module(**sample) if by_name else module(*sample.values())
    wrapped = by_name or not torch.is_tensor(answer) or _takes_any_number(module)
    axes = tuple({0: BATCH} for _ in names)
    with quiet():
        from torch.onnx import OnnxExporterError

        try:
            torch.onnx.export(
                Positional(module, names) if wrapped else module,
                tuple(sample.values()),
                file,
                dynamo=True,
                opset_version=opset,
                input_names=list(names),
                output_names=[OUTPUT],
                dynamic_shapes=None if static else ((axes,) if wrapped else axes),
                external_data=False,
                verbose=False,
            )
        except (OnnxExporterError, RuntimeError, ValueError, TypeError) as error:
            raise not_exportable(network, "torch.onnx", error) from error


def _takes_any_number(module: nn.Module) -> bool:
    """Whether its inputs come as one tuple (`*inputs`), whose shapes are told as one too."""
    parameters = inspect.signature(module.forward).parameters.values()
    return any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)


def not_exportable(network: Network, exporter: str, error: BaseException) -> InputError:
    """The error for a module that an exporter refuses, with the exporter's own reason."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    reason = lines[0] if lines else type(cause).__name__
    return InputError(
        Fault(
            field="stages.export",
            given=f"{network.model.source} ({type(network.module).__name__})",
            problem=f"{exporter} cannot export this network: {type(cause).__name__}: {reason}",
            remedy="Change its forward() so that it does not branch on the values of tensors and "
            "uses operators that ONNX knows",
        )
    )
