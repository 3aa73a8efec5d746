"""Reading a model file that anybody may have sent: a clear error for whatever it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from edgedistill.core.evidence import counted
from edgedistill.cost.file_bytes import read_bounded
from edgedistill.cost.outside_weights import are_outside, pull_in
from edgedistill.cost.soundness import STANDARD_DOMAINS, open_axes, require_sound, require_text
from edgedistill.errors import Fault, InputError
from edgedistill.units import bytes_to_mb

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.evidence import Quantity

__all__ = [
    "STANDARD_DOMAINS",
    "WholeModel",
    "file_size_mb",
    "load_model",
    "load_whole_model",
    "opset",
    "read_metadata",
]


@dataclass(frozen=True)
class WholeModel:
    """A model with everything inside, and where that came from.

    Attributes:
        model: Checked, with functions inlined and all weights inside.
        beside: Files of its folder that hold weights; empty where the file holds them itself.
    """

    model: onnx.ModelProto
    beside: tuple[Path, ...]


def load_model(path: Path) -> onnx.ModelProto:
    """The model of an ONNX file, checked, with functions inlined and all weights inside.

    Nothing beside the file itself is read.

    Raises:
        InputError: If there is no such file, it is truncated or not ONNX, its graph is broken,
            or its weights lie in other files.
    """
    model = _parsed(path)
    if are_outside(model):
        raise InputError(
            Fault(
                file=path,
                problem="keeps its weights in other files",
                remedy="Save it as one file: onnx.save(model, path, save_as_external_data=False)",
            )
        )
    return _checked(model, path)


def load_whole_model(path: Path) -> WholeModel:
    """As `load_model`, but weights in other files of the model's own folder are read too.

    Raises:
        InputError: As `load_model`, and if weights lie outside of the folder or are not there.
    """
    model = _parsed(path)
    try:
        beside = pull_in(model, path)
    except UnicodeDecodeError as error:
        raise _not_onnx(path, "is not a valid ONNX model", str(error)) from error
    return WholeModel(_checked(model, path), beside)


def read_metadata(path: Path) -> dict[str, str]:
    """What an ONNX file says about itself, by key; its graph is not looked at.

    Raises:
        InputError: If there is no such file, or it is truncated or not ONNX.
    """
    return {entry.key: entry.value for entry in _parsed(path).metadata_props}


def _parsed(path: Path) -> onnx.ModelProto:
    content = read_bounded(path)
    if not content:
        raise _not_onnx(path, "cannot be read as an ONNX model", "it is empty")
    try:
        model = onnx.load_model_from_string(content)
        require_text(model)
    except DecodeError as error:
        raise _not_onnx(path, "cannot be read as an ONNX model", str(error)) from error
    except UnicodeDecodeError as error:
        raise _not_onnx(path, "is not a valid ONNX model", str(error)) from error
    return model


def _checked(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    require_sound(model, path)
    open_axes(model)
    try:
        # given the model itself, the checker would write it out first
        onnx.checker.check_model(model.SerializeToString())
    except (onnx.checker.ValidationError, UnicodeDecodeError) as error:
        raise _not_onnx(path, "is not a valid ONNX model", str(error)) from error
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    return model


def file_size_mb(path: Path) -> Quantity:
    """Megabytes (10^6 bytes) of a model's file, counted."""
    return counted(bytes_to_mb(path.stat().st_size), "bytes of the ONNX file / 10^6")


def opset(model: onnx.ModelProto) -> int:
    """The version of the standard operators that the model uses; 0 where it uses none."""
    versions = (int(one.version) for one in model.opset_import if one.domain in STANDARD_DOMAINS)
    return max(versions, default=0)


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
