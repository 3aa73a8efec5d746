"""Arrays in .npy and .npz files, read row by row: memory does not grow with the file.

Nothing pickled is ever loaded, and a header that promises more than its file holds is found out
before anything is read.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_ROW_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 20
_MOST_DEFLATED = 1100
"""Deflate makes at most 1032 bytes of one (zlib's technical details)."""

_DAMAGED = (EOFError, NotImplementedError, OSError, RuntimeError, ValueError, zlib.error)
_Damage = (*_DAMAGED, zipfile.BadZipFile)


@dataclass(frozen=True)
class StoredArray:
    """One array in a file; its rows along the first axis are read when they are asked for."""

    file: Path
    member: str | None
    """Its name inside a .npz; None for a .npy."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def rows(self, places: np.ndarray, *, whole: bool) -> Iterator[np.ndarray]:
        """Some rows in rising order, each a copy of its own.

        Args:
            places: Which rows, rising.
            whole: Whether the whole array is the one row there is.

        Raises:
            InputError: If the file ends too early or cannot be unpacked.
        """
        row_shape = self.shape if whole else self.shape[1:]
        row_bytes = math.prod(row_shape) * self.dtype.itemsize
        try:
            with _opened(self.file, self.member) as stream:
                _read_header(stream)
                at = 0
                for place in places.tolist():
                    _skip(stream, (place - at) * row_bytes)
                    values = np.frombuffer(_exactly(stream, row_bytes), self.dtype)
                    yield values.reshape(row_shape)
                    at = place + 1
        except _Damage as error:
            raise InputError(_damaged(self.file, self.member, error)) from error


def stored_arrays(file: Path) -> dict[str | None, StoredArray]:
    """The arrays of a file by name, None for the only one of a .npy; their values stay on disk.

    Raises:
        InputError: If the file is damaged, or an array in it is a pickle, is saved column by
            column or claims to be larger than its file can be.
    """
    if file.suffix.lower() == ".npy":
        return {None: _stored(file, None, file.stat().st_size)}
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except _Damage as error:
        raise InputError(_damaged(file, None, error)) from error
    found: dict[str | None, StoredArray] = {}
    for info in members:
        if info.file_size > _MOST_DEFLATED * (info.compress_size + 1):
            raise InputError(_damaged(file, info.filename, "its size is not believable"))
        name = info.filename.removesuffix(".npy")
        found[name] = _stored(file, info.filename, info.file_size)
    return found


def _stored(file: Path, member: str | None, size_bytes: int) -> StoredArray:
    try:
        with _opened(file, member) as stream:
            shape, by_column, dtype = _read_header(stream)
    except _Damage as error:
        raise InputError(_damaged(file, member, error)) from error
    field = None if member is None else member.removesuffix(".npy")
    if dtype.hasobject:
        raise InputError(
            Fault(
                file=file,
                field=field,
                problem="is a pickled object array, which is never loaded: it could run code",
                remedy="Save it as numbers, not as objects",
            )
        )
    if by_column and len(shape) > 1:
        raise InputError(
            Fault(
                file=file,
                field=field,
                problem="is saved column by column, so its samples do not lie one after the other",
                remedy="Save numpy.ascontiguousarray(array)",
            )
        )
    if math.prod(shape) * dtype.itemsize > size_bytes:
        raise InputError(_damaged(file, member, f"it is cut off: {list(shape)} needs more bytes"))
    return StoredArray(file, member, shape, dtype)


def require_small(row_shape: tuple[int, ...], dtype: np.dtype[Any], file: Path) -> None:
    """Refuses samples that nobody can mean.

    Raises:
        InputError: If one sample is empty or larger than a gigabyte.
    """
    size_bytes = math.prod(row_shape) * dtype.itemsize
    if 0 < size_bytes <= _MOST_ROW_BYTES:
        return
    problem = "holds empty samples" if size_bytes == 0 else "holds samples above 1 GiB each"
    raise InputError(
        Fault(
            file=file,
            given=f"{dtype} {list(row_shape)}",
            problem=problem,
            remedy="Save one row for each sample",
        )
    )


def _opened(file: Path, member: str | None) -> Any:
    if member is None:
        return file.open("rb")
    return _Member(file, member)


class _Member:
    """A file inside an archive, open as long as the `with` block lasts."""

    def __init__(self, file: Path, member: str) -> None:
        self._archive = zipfile.ZipFile(file)
        try:
            self._stream = self._archive.open(member)
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> IO[bytes]:
        return self._stream

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._archive.close()


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"it is in version {version} of the format, which holds no plain numbers")
    shape, by_column, dtype = readers[version](stream)
    if any(axis < 0 for axis in shape):
        raise ValueError(f"its shape is {shape}")
    return shape, by_column, dtype


def _skip(stream: IO[bytes], size_bytes: int) -> None:
    if stream.seekable() and not isinstance(stream, zipfile.ZipExtFile):
        stream.seek(size_bytes, 1)
        return
    left = size_bytes
    while left:
        block = stream.read(min(left, _BLOCK_BYTES))
        if not block:
            raise EOFError("it ends too early")
        left -= len(block)


def _exactly(stream: IO[bytes], size_bytes: int) -> bytearray:
    content = bytearray()
    while len(content) < size_bytes:
        block = stream.read(min(size_bytes - len(content), _BLOCK_BYTES))
        if not block:
            raise EOFError("it ends too early")
        content += block
    return content


def _damaged(file: Path, member: str | None, why: object) -> Fault:
    return Fault(
        file=file,
        field=None if member is None else member.removesuffix(".npy"),
        given=str(why).replace(str(file), file.name) or type(why).__name__,
        problem="is damaged or holds no numpy array",
        remedy="Write it again with numpy.save or numpy.savez",
    )
