"""Weights that a model keeps in files beside it: read from its own folder, or refused unread."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import onnx

from edgedistill.cost.file_bytes import read_bounded, require_size
from edgedistill.cost.tensors import size_bytes, tensors_of
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

_REMEDY = "Save it as one file: onnx.save(model, path, save_as_external_data=False)"


def are_outside(model: onnx.ModelProto) -> bool:
    """Whether the model keeps any weight in another file."""
    return any(_is_outside(tensor) for tensor in tensors_of(model))


def pull_in(model: onnx.ModelProto, path: Path) -> tuple[Path, ...]:
    """Reads the weights that lie beside a model into it, in place.

    Every place is checked before any file is opened: inside the model's folder, also where links
    lead, an ordinary file, and long enough.

    Args:
        model: The model; its tensors hold their values afterwards.
        path: Its file.

    Returns:
        The files that hold weights, sorted.

    Raises:
        InputError: If a place is outside of the folder or absent, offset or length are not those
            of the tensor, or all together are larger than an ONNX file can be.
    """
    folder = path.parent.resolve()
    outside = [tensor for tensor in tensors_of(model) if _is_outside(tensor)]
    parts = [_part(tensor, folder, path) for tensor in outside]
    require_size(sum(stop - start for _, start, stop in parts) + model.ByteSize(), path)
    contents: dict[Path, bytes] = {}
    for tensor, (file, start, stop) in zip(outside, parts, strict=True):
        if file not in contents:
            contents[file] = read_bounded(file)
        if stop > len(contents[file]):
            raise _fault(tensor, path, f"ends at byte {stop} of {len(contents[file])}")
        tensor.raw_data = contents[file][start:stop]
        tensor.ClearField("external_data")
        tensor.data_location = onnx.TensorProto.DEFAULT
    return tuple(sorted(contents))


def _is_outside(tensor: onnx.TensorProto) -> bool:
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def _part(tensor: onnx.TensorProto, folder: Path, path: Path) -> tuple[Path, int, int]:
    """File, first byte and end of a tensor's values."""
    told = {item.key: item.value for item in tensor.external_data}
    location = told.get("location", "")
    if not location or "\0" in location:
        raise _fault(tensor, path, location or "no location")
    try:
        file = (folder / location).resolve()
        inside = file.is_relative_to(folder) and file.is_file()
    except (OSError, RuntimeError) as error:  # a name that is too long, links in a ring
        raise _fault(tensor, path, location) from error
    if not inside:
        raise _fault(tensor, path, location)
    if any(size < 0 for size in tensor.dims) or tensor.data_type not in _SIZED:
        raise _fault(tensor, path, f"type {tensor.data_type}, shape {list(tensor.dims)}")
    wanted = size_bytes(tensor.data_type, prod(tensor.dims))
    start = _number(told.get("offset", "0"))
    length = _number(told.get("length", str(wanted)))
    if start is None or length != wanted or start + wanted > file.stat().st_size:
        given = f"offset {told.get('offset', '0')}, length {told.get('length', 'absent')}"
        raise _fault(tensor, path, f"{given}, in {file.stat().st_size} bytes, {wanted} wanted")
    return file, start, start + wanted


_SIZED = frozenset(onnx.TensorProto.DataType.values()) - {
    onnx.TensorProto.UNDEFINED,
    onnx.TensorProto.STRING,
}


def _number(text: str) -> int | None:
    """A whole number that is no less than 0 and has few enough digits to be an offset.

    >>> _number("4096"), _number("-1"), _number("9" * 5000)
    (4096, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _fault(tensor: onnx.TensorProto, path: Path, given: str) -> InputError:
    return InputError(
        Fault(
            file=path,
            field=tensor.name or "a constant",
            given=given,
            problem="keeps this weight outside of the model's folder, or where it cannot be",
            remedy=_REMEDY,
        )
    )
