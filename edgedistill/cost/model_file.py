"""Reading a model file that anybody may have sent: a clear error for whatever it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from edgedistill.core.evidence import counted
from edgedistill.errors import Fault, InputError
from edgedistill.units import bytes_to_mb

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.evidence import Quantity

STANDARD_DOMAINS = ("", "ai.onnx")


def load_model(path: Path) -> onnx.ModelProto:
    """The model of an ONNX file, checked, with functions inlined and all weights inside.

    Nothing beside the file itself is read.

    Raises:
        InputError: If there is no such file, it is truncated or not ONNX, its graph is broken,
            or its weights lie in other files.
    """
    try:
        content = path.read_bytes()
        model = onnx.load_model_from_string(content)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(
            Fault(file=path, problem="is not a file", remedy="Give the path of a .onnx file")
        ) from error
    except DecodeError as error:
        raise _not_onnx(path, "cannot be read as an ONNX model", str(error)) from error
    if any(tensor.data_location == tensor.EXTERNAL for tensor in model.graph.initializer):
        raise InputError(
            Fault(
                file=path,
                problem="keeps its weights in other files",
                remedy="Save it as one file: onnx.save(model, path, save_as_external_data=False)",
            )
        )
    try:
        onnx.checker.check_model(content)  # given the model, it would write it out first
    except (onnx.checker.ValidationError, UnicodeDecodeError) as error:
        raise _not_onnx(path, "is not a valid ONNX model", str(error)) from error
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    return model


def file_size_mb(path: Path) -> Quantity:
    """Megabytes (10^6 bytes) of a model's file, counted."""
    return counted(bytes_to_mb(path.stat().st_size), "bytes of the ONNX file / 10^6")


def opset(model: onnx.ModelProto) -> int:
    """The version of the standard operators that the model uses."""
    return max(int(item.version) for item in model.opset_import if item.domain in STANDARD_DOMAINS)


def _not_onnx(path: Path, problem: str, detail: str) -> InputError:
    first_line = detail.strip().splitlines()[0] if detail.strip() else "no detail"
    return InputError(
        Fault(
            file=path,
            problem=problem,
            given=first_line,
            remedy="It may be truncated or damaged: export it again",
        )
    )
