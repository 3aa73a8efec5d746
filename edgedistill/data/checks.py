"""Whether labels, groups and samples of a source belong together. All faults at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgedistill.data.numeric import shape_faults
from edgedistill.errors import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.data.contents import Contents, Part

_SHOWN = 5


def content_faults(
    contents: Contents, preprocessing: Preprocessing, *, augmented: bool, file: Path | None
) -> list[Fault]:
    """Everything wrong with what a source holds, except files that cannot be decoded."""
    found: list[Fault] = []
    for part in contents.parts.values():
        found += part.samples.faults() or []
        found += _label_faults(part, contents.class_names, file)
        found += _group_faults(part, file)
    if contents.class_names is not None:
        found += _class_name_faults(contents.class_names, file)
    if not found:
        found += _format_faults(contents, preprocessing, augmented=augmented, file=file)
    return found


def _label_faults(
    part: Part, class_names: tuple[str, ...] | None, file: Path | None
) -> list[Fault]:
    labels, field = part.labels, f"{part.prefix}labels"
    if labels.dtype.kind not in "iu":
        remedy = "Number the classes from 0 and give them as integers, with class_names beside"
        given = f"type {labels.dtype}"
        return [_fault("are not whole numbers", remedy, file=file, field=field, given=given)]
    if labels.ndim != 1:
        given = f"shape {list(labels.shape)}"
        return [_fault("are not one per sample", "Give [n]", file=file, field=field, given=given)]
    found = []
    if len(labels) != len(part.samples):
        problem = f"are {len(labels)}, but there are {len(part.samples)} samples"
        found.append(_fault(problem, "Give one label per sample", file=file, field=field))
    limit = None if class_names is None else len(class_names)
    outside = labels < 0 if limit is None else (labels < 0) | (labels >= limit)
    if outside.any():
        known = "from 0 up" if limit is None else f"between 0 and {limit - 1}"
        first = int(outside.argmax())
        given = f"{labels[first]} at sample {first}, {int(outside.sum())} such labels"
        remedy = f"Give labels {known}, or name more classes"
        problem = "lie outside the range of the classes"
        found.append(_fault(problem, remedy, file=file, field=field, given=given))
    return found


def _group_faults(part: Part, file: Path | None) -> list[Fault]:
    groups, field = part.groups, f"{part.prefix}groups"
    if groups is None:
        return []
    if groups.dtype.kind not in "iuU":
        given = f"type {groups.dtype}"
        remedy = "Give one text or whole number per sample (a pickled object is never loaded)"
        return [_fault("are not names", remedy, file=file, field=field, given=given)]
    if groups.shape != (len(part.samples),):
        problem = f"have the shape {list(groups.shape)}, but there are {len(part.samples)} samples"
        return [_fault(problem, "Give one group per sample", file=file, field=field)]
    return []


def _class_name_faults(class_names: tuple[str, ...], file: Path | None) -> list[Fault]:
    given = ", ".join(class_names)
    if len(class_names) < 2:
        remedy = "Give samples of at least two classes"
        problem = "there is nothing to tell apart"
        return [_fault(problem, remedy, file=file, field="class_names", given=given)]
    if len(set(class_names)) < len(class_names) or not all(class_names):
        remedy = "Give each class a name of its own"
        return [_fault("are not distinct", remedy, file=file, field="class_names", given=given)]
    return []


def _format_faults(
    contents: Contents, preprocessing: Preprocessing, *, augmented: bool, file: Path | None
) -> list[Fault]:
    formats = contents.parts["train"].samples.formats()
    found = []
    for shape, _ in formats.values():
        found += shape_faults(shape, preprocessing, augmented=augmented)
    for name, part in contents.parts.items():
        other = part.samples.formats()
        if other != formats:
            problem = f"differ from the train samples, which are {_describe(formats)}"
            remedy = "Give all splits in the same shape and type (for pictures: declare resize)"
            given = _describe(other)
            found.append(_fault(problem, remedy, file=file, field=f"{name} samples", given=given))
    return found


def train_class_faults(
    labels: np.ndarray, class_names: tuple[str, ...], file: Path | None
) -> list[Fault]:
    """Classes without a sample to train on.

    Args:
        labels: The classes of the train split, int64 `[n]`.
        class_names: All classes.
        file: What to name.
    """
    counts = np.bincount(labels, minlength=len(class_names))
    empty = [name for name, count in zip(class_names, counts, strict=True) if count == 0]
    if not empty:
        return []
    shown = ", ".join(empty[:_SHOWN]) + (", ..." if len(empty) > _SHOWN else "")
    problem = f"{len(empty)} of {len(class_names)} classes have no sample in the train split"
    remedy = "Add samples of these classes, or leave the classes out"
    return [_fault(problem, remedy, file=file, field="classes", given=shown)]


def _describe(formats: dict[str, tuple[tuple[int, ...], np.dtype]]) -> str:
    return ", ".join(f"{list(shape)} {dtype}" for shape, dtype in formats.values())


def _fault(
    problem: str, remedy: str, *, file: Path | None, field: str, given: str | None = None
) -> Fault:
    return Fault(problem=problem, remedy=remedy, file=file, field=field, given=given)
