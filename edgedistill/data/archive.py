"""An .npz file of arrays.

Known arrays: `inputs`, `labels` and optionally `groups` (or `train_inputs`, `train_labels`,
`train_groups`), and for splits that the file brings itself `validation_inputs`, ...,
`test_inputs`, ...; optionally `class_names`. Nothing pickled is ever loaded.
"""

from __future__ import annotations

import difflib
import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.data.contents import INPUT, PART_NAMES
from edgedistill.data.memory import MemoryReader, RawPart
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.data.contents import Contents, PartName

_PREFIXES: dict[str, PartName] = {
    "": "train",
    "train_": "train",
    "validation_": "validation",
    "test_": "test",
}
_KINDS = ("inputs", "labels", "groups")
_ARRAYS = [f"{prefix}{kind}" for prefix in _PREFIXES for kind in _KINDS]
KNOWN = (*_ARRAYS, "class_names")


@dataclass(frozen=True, eq=False)
class ArchiveReader:
    """An .npz file."""

    path: Path
    preprocessing: Preprocessing

    @classmethod
    def open(cls, path: Path, preprocessing: Preprocessing) -> ArchiveReader:
        """Looks which arrays the file holds, without loading one.

        Raises:
            InputError: If it is not there, no .npz, or holds other arrays than it should.
        """
        if not path.is_file():
            problem = "is not a file" if path.exists() else "does not exist"
            remedy = "Give the path of an .npz file"
            raise InputError(Fault(file=path, field="data.source", problem=problem, remedy=remedy))
        faults = _layout_faults(path, _names(path))
        if faults:
            raise InputError(*faults)
        return cls(path=path, preprocessing=preprocessing)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def source(self) -> str:
        """The source without the machine's folders."""
        return f"npz:{self.path.name}"

    @property
    def file(self) -> Path:
        """The file."""
        return self.path

    @property
    def runs_code(self) -> bool:
        """No: arrays are data."""
        return False

    def fingerprint(self) -> str:
        """The sha256 of the file, as hex digits."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def read(self) -> Contents:
        """Loads the arrays.

        Raises:
            InputError: If one is damaged or would need a pickle.
        """
        arrays = _load(self.path)
        parts: dict[PartName, RawPart] = {}
        for part in PART_NAMES:
            for prefix in (prefix for prefix, name in _PREFIXES.items() if name == part):
                if f"{prefix}inputs" in arrays:
                    parts[part] = RawPart(
                        inputs={INPUT: arrays[f"{prefix}inputs"]},
                        labels=arrays[f"{prefix}labels"],
                        groups=arrays.get(f"{prefix}groups"),
                        prefix=prefix,
                    )
        names = arrays.get("class_names")
        class_names = None if names is None else tuple(str(name) for name in names.ravel())
        return MemoryReader(
            name=self.name,
            source=self.source,
            preprocessing=self.preprocessing,
            parts=parts,
            class_names=class_names,
            file=self.path,
        ).read()


def _names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(_unreadable(path, str(error))) from error


def _layout_faults(path: Path, names: list[str]) -> list[Fault]:
    faults = []
    for name in names:
        if name not in KNOWN:
            close = difflib.get_close_matches(name, KNOWN, n=1)
            remedy = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(KNOWN)}"
            faults.append(Fault(file=path, field=name, problem="is no known array", remedy=remedy))
    present = {prefix for prefix in _PREFIXES if any(f"{prefix}{k}" in names for k in _KINDS)}
    if {"", "train_"} <= present:
        remedy = "Keep inputs and labels, or train_inputs and train_labels"
        faults.append(Fault(file=path, problem="holds train samples twice", remedy=remedy))
    if not {"", "train_"} & present:
        present.add("")
    for prefix in sorted(present):
        for kind in ("inputs", "labels"):
            if f"{prefix}{kind}" not in names:
                remedy = f"Add it; the file holds {', '.join(names) or 'nothing'}"
                faults.append(
                    Fault(file=path, field=f"{prefix}{kind}", problem="is missing", remedy=remedy)
                )
    return faults


_DAMAGED = (
    EOFError,
    MemoryError,  # a header that lies about the size
    NotImplementedError,  # a compression that is not known here
    OSError,
    RuntimeError,  # an archive with a password
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def _load(path: Path) -> dict[str, np.ndarray]:
    arrays = {}
    faults = []
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            try:
                arrays[name] = archive[name]
            except _DAMAGED as error:
                if "pickle" in str(error).lower():
                    problem = "is a pickled object array, which is never loaded: it could run code"
                    remedy = "Save it as numbers (or text), not as objects"
                    faults.append(Fault(file=path, field=name, problem=problem, remedy=remedy))
                else:
                    faults.append(_unreadable(path, str(error), field=name))
    if faults:
        raise InputError(*faults)
    return arrays


def _unreadable(path: Path, given: str, *, field: str | None = None) -> Fault:
    return Fault(
        file=path,
        field=field,
        given=given,
        problem="is damaged or not an .npz file",
        remedy="Write it again with numpy.savez",
    )
