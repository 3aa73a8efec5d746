"""Which picture of a folder belongs to which split and class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.data.contents import PartName

PICTURES = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Endings of files that are pictures, in small letters."""

_PARTS: dict[str, PartName] = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class Tree:
    """The pictures of a folder."""

    class_names: tuple[str, ...]
    """In alphabetical order."""
    files: Mapping[PartName, tuple[tuple[Path, int], ...]]
    """By split: each picture with its class, in alphabetical order of class and name."""


def scan(folder: Path) -> Tree:
    """Lists a folder of pictures. Hidden files are ignored, as are files beside the classes.

    Raises:
        InputError: With every file in a class folder that is no picture, every class without
            one, every picture without a class, and every split that does not belong.
    """
    if not folder.is_dir():
        raise InputError(
            Fault(
                file=folder,
                field="data.source",
                problem="is not a folder" if folder.exists() else "does not exist",
                remedy="Give the folder that holds one folder of pictures per class",
            )
        )
    faults: list[Fault] = []
    parts = _part_folders(folder, faults)
    classes = {part: _visible_folders(place, faults) for part, place in parts.items()}
    known = [path.name for path in classes.get("train", [])]
    files: dict[PartName, tuple[tuple[Path, int], ...]] = {}
    for part, folders in classes.items():
        members = []
        for place in folders:
            if place.name not in known:
                faults.append(_unknown_class(place, known))
                continue
            members += [(file, known.index(place.name)) for file in _pictures(place, faults)]
        files[part] = tuple(members)
    if len(known) < 2 and not faults:
        faults.append(_too_few_classes(parts["train"], known))
    if faults:
        raise InputError(*faults)
    return Tree(class_names=tuple(known), files=files)


def _part_folders(folder: Path, faults: list[Fault]) -> dict[PartName, Path]:
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and not _hidden(path)]
    names = {path.name for path in folders}
    if not names & {"train"} and not (names and names <= set(_PARTS)):
        return {"train": folder}
    parts: dict[PartName, Path] = {}
    for path in folders:
        part = _PARTS.get(path.name)
        if part is None:
            remedy = "Beside train only validation (or val) and test may stand"
            faults.append(Fault(file=path, problem="is not a split", remedy=remedy))
        elif part in parts:
            remedy = f"Keep {parts[part].name} or {path.name}"
            faults.append(Fault(file=path, problem="is a second validation split", remedy=remedy))
        else:
            parts[part] = path
    if "train" not in parts:
        remedy = "Add a folder train with one folder of pictures per class"
        faults.append(Fault(file=folder, problem="has no train split", remedy=remedy))
    return parts


def _visible_folders(place: Path, faults: list[Fault]) -> list[Path]:
    folders = []
    for path in sorted(place.iterdir()):
        if _hidden(path):
            continue
        if path.is_dir():
            folders.append(path)
        elif path.suffix.lower() in PICTURES:
            remedy = "Move it into the folder of its class"
            faults.append(Fault(file=path, problem="is a picture without a class", remedy=remedy))
    return folders


def _pictures(place: Path, faults: list[Fault]) -> list[Path]:
    pictures = []
    others = 0
    for path in sorted(place.iterdir()):
        if _hidden(path):
            continue
        if path.is_file() and path.suffix.lower() in PICTURES:
            pictures.append(path)
        else:
            others += 1
            problem = "is a folder inside a class" if path.is_dir() else "is not a picture"
            remedy = f"Take it out of the class folder; pictures end in {', '.join(PICTURES)}"
            faults.append(Fault(file=path, problem=problem, remedy=remedy))
    if not pictures and not others:
        remedy = "Add pictures, or remove the folder"
        faults.append(Fault(file=place, problem="is a class without a picture", remedy=remedy))
    return pictures


def _unknown_class(place: Path, known: list[str]) -> Fault:
    return Fault(
        file=place,
        given=place.name,
        problem="is a class that train does not have",
        remedy=f"Known classes: {', '.join(known[:20])}",
    )


def _too_few_classes(place: Path, known: list[str]) -> Fault:
    return Fault(
        file=place,
        given=", ".join(known) or "no folder",
        problem="does not hold at least two classes",
        remedy="Give one folder of pictures per class",
    )


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")
