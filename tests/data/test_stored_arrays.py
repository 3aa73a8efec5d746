from __future__ import annotations

import io
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill.data.stored_arrays import stored_arrays
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.random.default_rng(0).standard_normal((50, 3, 4)).astype(np.float32)
PLACES = np.array([0, 7, 8, 49])


def head(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """What begins a .npy file of this shape."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def test_rows_of_a_npy_are_those_that_numpy_reads(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    stored = stored_arrays(tmp_path / "a.npy")[None]
    rows = list(stored.rows(PLACES, whole=False))
    assert np.array_equal(np.stack(rows), VALUES[PLACES])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_of_a_npz_are_those_that_numpy_reads(tmp_path: Path, save: object) -> None:
    assert callable(save)
    save(tmp_path / "a.npz", ids=np.arange(50), values=VALUES)
    stored = stored_arrays(tmp_path / "a.npz")
    assert set(stored) == {"ids", "values"}
    rows = list(stored["values"].rows(PLACES, whole=False))
    assert np.array_equal(np.stack(rows), VALUES[PLACES])
    (whole,) = stored["values"].rows(np.array([0]), whole=True)
    assert np.array_equal(whole, VALUES)


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (open, (str(tmp_path / "ran"), "w"))  # type: ignore[return-value]

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="pickled object array, which is never loaded"):
        stored_arrays(tmp_path / "a.npy")
    assert not (tmp_path / "ran").exists()


def test_a_head_that_claims_more_than_the_file_holds_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(head((10**12, 3)) + b"\0" * 24)
    with pytest.raises(InputError, match=r"a\.npy: is damaged .*cut off"):
        stored_arrays(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", head((10**12, 3)) + b"\0" * 24)
    with pytest.raises(InputError, match="cut off"):
        stored_arrays(tmp_path / "a.npz")


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", values=VALUES)
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="is damaged or holds no numpy array"):
        stored_arrays(tmp_path / "a.npz")


def test_damage_inside_an_archive_shows(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", values=VALUES)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(bytes(content))
    with pytest.raises(InputError, match="CRC"):
        list(stored_arrays(tmp_path / "a.npz")["values"].rows(np.arange(50), whole=False))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an array",
        head((2,))[:40],
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 9) + b"exit(1)  ",
    ],
    ids=["empty", "text", "cut", "code"],
)
def test_what_is_no_array_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match="is damaged or holds no numpy array"):
        stored_arrays(tmp_path / "a.npy")


def test_an_array_saved_by_column_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(VALUES))
    with pytest.raises(InputError, match="column by column"):
        stored_arrays(tmp_path / "a.npy")
