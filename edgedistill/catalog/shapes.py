"""Shapes of the cost model by name: those that ship, and the user's own."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from edgedistill.catalog.profiles import require_folders, shipped_folder
from edgedistill.catalog.yaml_file import read_document
from edgedistill.core.shape_document import ShapeDocument, shape_that_holds
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.core.hardware import IsaLevel

FOLDER = "shapes"
"""The folder of shapes inside a folder of profiles."""
_SUFFIXES = (".yaml", ".yml")


def shape_names(extra_folders: Sequence[Path] = ()) -> list[str]:
    """The names of all known shapes, sorted.

    Args:
        extra_folders: The user's own folders of profiles; shapes lie in `shapes` inside them.

    Raises:
        InputError: If one of the folders does not exist.
    """
    return sorted(_paths(extra_folders))


def shape_document(name: str, extra_folders: Sequence[Path] = ()) -> ShapeDocument:
    """One shape of the cost model.

    Args:
        name: What a profile calls it.
        extra_folders: The user's own folders of profiles; a shape found there hides the one that
            ships.

    Raises:
        InputError: If there is no such shape, or its file is not a valid one.
    """
    paths = _paths(extra_folders)
    if name not in paths:
        raise InputError(_unknown(name, sorted(paths)))
    return _read(paths[name])


def shape_documents(extra_folders: Sequence[Path] = ()) -> tuple[ShapeDocument, ...]:
    """All shapes, sorted by name.

    Raises:
        InputError: With all faults of all files.
    """
    documents, faults = check_shapes(extra_folders)
    if faults:
        raise InputError(*faults)
    return documents


def shape_for(
    engine: str,
    precision: str,
    isa_level: IsaLevel,
    extra_folders: Sequence[Path] = (),
) -> ShapeDocument | None:
    """The shape that holds for a runtime, a precision and a processor; None where none does.

    Args:
        engine: The runtime, for instance onnxruntime-cpu or ncnn.
        precision: fp32, fp16 or int8.
        isa_level: How the processor multiplies int8.
        extra_folders: The user's own folders of profiles.

    Raises:
        InputError: If a shape file is not a valid one.
    """
    return shape_that_holds(shape_documents(extra_folders), engine, precision, isa_level)


def check_shapes(
    extra_folders: Sequence[Path] = (),
) -> tuple[tuple[ShapeDocument, ...], tuple[Fault, ...]]:
    """Reads every shape there is, and goes on after a faulty one.

    Returns:
        The shapes that are valid, sorted by name, and all faults of the others.

    Raises:
        InputError: If one of the folders does not exist.
    """
    documents: list[ShapeDocument] = []
    faults: list[Fault] = []
    for _, path in sorted(_paths(extra_folders).items()):
        try:
            documents.append(_read(path))
        except InputError as error:
            faults.extend(error.faults)
    return tuple(documents), tuple(faults)


def _read(path: Path) -> ShapeDocument:
    document = read_document(ShapeDocument, path)
    if document.name != path.stem:
        raise InputError(
            Fault(
                file=path,
                field="name",
                given=repr(document.name),
                problem="differs from the file's name",
                remedy=f"Call the shape {path.stem} or rename the file to {document.name}.yaml",
            )
        )
    return document


def _paths(extra_folders: Sequence[Path]) -> dict[str, Path]:
    require_folders(extra_folders)
    return {
        path.stem: path
        for folder in (shipped_folder(), *extra_folders)
        if (folder / FOLDER).is_dir()
        for path in sorted((folder / FOLDER).iterdir())
        if path.suffix in _SUFFIXES
    }


def _unknown(name: str, known: list[str]) -> Fault:
    close = difflib.get_close_matches(name, known, n=1)
    return Fault(
        field="shape",
        given=repr(name),
        problem="is not a known shape of the cost model",
        remedy=(f"Did you mean '{close[0]}'? " if close else "")
        + (f"Known shapes: {', '.join(known)}" if known else "No shape ships: add it to shapes/"),
    )
