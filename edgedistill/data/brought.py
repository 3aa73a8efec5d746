"""Samples that somebody brought to look at models with, with labels or without.

A folder with one folder of pictures per class, or .npz files with an array `labels` (and, where
there are groups, `groups`) beside those that the model takes, have labels, as has a CSV file of
texts. Every other folder of pictures or arrays has none.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgedistill.core.labels import UNLABELLED
from edgedistill.core.strict import plain
from edgedistill.data.folder import PictureFiles
from edgedistill.data.sample_arrays import SampleArrays
from edgedistill.data.stored_arrays import stored_arrays
from edgedistill.data.table import scan as scan_table
from edgedistill.data.texts import TextSamples
from edgedistill.data.tree import scan
from edgedistill.data.unlabelled import require_pictures
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.core.quantized import ModelInput
    from edgedistill.core.recipe import Columns
    from edgedistill.data.contents import Samples
    from edgedistill.data.stored_arrays import StoredArray
    from edgedistill.data.tokens import Tokenizing
    from edgedistill.data.unlabelled import Found

LABELS, GROUPS = "labels", "groups"
"""Arrays of a .npz that are no input of a model."""
_SPLITS = {"train", "validation", "val", "test"}
_FORMAT = "edgedistill-brought 1"


@dataclass(frozen=True, eq=False)
class Brought:
    """Samples, some of which are taken."""

    source: str
    """Name of the folder or file."""
    kind: Literal["pictures", "arrays", "texts"]
    samples: Samples
    files: tuple[Path, ...]
    """Whose bytes they are: one for each sample, or those that hold them all."""
    preprocessing: Preprocessing | None
    """What is done to each; None for arrays."""
    labels: np.ndarray | None
    """The classes, int64 `[n]`, UNLABELLED where unknown; None without labels."""
    groups: np.ndarray | None
    """The group of each sample, text `[n]`."""
    class_names: tuple[str, ...] | None
    """What the labels number; None where only numbers are known."""
    taken: np.ndarray
    """Which samples are taken, rising, int64 `[k]`."""

    @property
    def taken_labels(self) -> np.ndarray | None:
        """The classes of the samples that are taken, int64 `[k]`."""
        return None if self.labels is None else self.labels[self.taken]

    @property
    def taken_groups(self) -> np.ndarray | None:
        """The groups of the samples that are taken, text `[k]`."""
        return None if self.groups is None else self.groups[self.taken]

    @property
    def unlabelled(self) -> int:
        """How many samples among labelled ones have no label; they are never taken."""
        return 0 if self.labels is None else int((self.labels == UNLABELLED).sum())

    def draw(self, most: int | None, seed: int) -> Brought:
        """The same samples with at most so many of them taken, drawn at random.

        Args:
            most: None for all.
            seed: Of the draw.

        Raises:
            InputError: If none is left.
        """
        able = np.arange(len(self.samples))
        if self.labels is not None:
            able = able[self.labels != UNLABELLED]
        if not len(able):
            raise InputError(
                Fault(file=self.source, problem="holds no sample to compare with", remedy="Add one")
            )
        if most is not None and most < len(able):
            able = np.sort(np.random.default_rng(seed).choice(able, most, replace=False))
        drawn = replace(self, taken=able)
        if self.kind == "pictures":
            require_pictures([self.files[place] for place in able])
        return drawn

    def sha256(self) -> str:
        """Of the samples that are taken, their labels and all done to them, as hex digits."""
        words: dict[str, Any] = {
            "format": _FORMAT,
            "preprocessing": None if self.preprocessing is None else plain(self.preprocessing),
            "taken": self.taken.tolist(),
            "labels": None if self.taken_labels is None else self.taken_labels.tolist(),
            "groups": None if self.taken_groups is None else self.taken_groups.tolist(),
        }
        digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
        chosen = [self.files[place] for place in self.taken] if self._by_file else self.files
        for file in chosen:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()

    @property
    def _by_file(self) -> bool:
        return self.kind == "pictures"


def has_class_folders(found: Found) -> bool:
    """Whether every picture lies in a folder of its class.

    Raises:
        InputError: If the classes lie in folders of splits.
    """
    if found.kind != "pictures" or found.path.is_file():
        return False
    places = [file.relative_to(found.path).parts for file in found.files]
    if all(len(parts) == 3 and parts[0] in _SPLITS for parts in places):
        first = places[0][0]
        raise InputError(
            Fault(
                file=found.path,
                given=", ".join(sorted({parts[0] for parts in places})),
                problem="holds splits, and the models are compared on one of them",
                remedy=f"Name it, for instance {found.path / first}",
            )
        )
    return all(len(parts) == 2 for parts in places) and len({parts[0] for parts in places}) > 1


def bring_pictures(found: Found, preprocessing: Preprocessing, *, labelled: bool) -> Brought:
    """Pictures as samples.

    Args:
        found: Where they lie.
        preprocessing: What is done to each.
        labelled: Whether the folder of each is its class.

    Raises:
        InputError: With everything in the class folders that does not belong there.
    """
    files, labels, names = found.files, None, None
    if labelled:
        tree = scan(found.path)
        members = tree.files["train"]
        files, names = tuple(file for file, _ in members), tree.class_names
        labels = np.array([label for _, label in members], dtype=np.int64)
    return Brought(
        source=found.path.resolve().name,
        kind="pictures",
        samples=PictureFiles(files, preprocessing),
        files=files,
        preprocessing=preprocessing,
        labels=labels,
        groups=None,
        class_names=names,
        taken=np.arange(len(files)),
    )


def bring_arrays(found: Found, inputs: tuple[ModelInput, ...], *, labelled: bool) -> Brought:
    """Arrays as samples, as the model takes them.

    Args:
        found: Where they lie.
        inputs: What the model takes.
        labelled: Whether `labels` is looked for; else it is left alone.

    Raises:
        InputError: If they are not what the model takes, or labels or groups are not one for each
            sample.
    """
    own = {one.name for one in inputs}
    besides = frozenset({LABELS, GROUPS} - own)
    samples = SampleArrays.open(found.files, inputs, besides=besides)
    stored = [stored_arrays(file) if file.suffix.lower() == ".npz" else {} for file in found.files]
    beside = [{name: one[name] for name in besides if name in one} for one in stored]
    counts = [file.samples for file in samples.files]
    labels = groups = None
    if labelled:
        labels = _joined(LABELS, found.files, beside, counts, kinds="iu")
        groups = _joined(GROUPS, found.files, beside, counts, kinds="iuU")
        if labels is not None and labels.min() < UNLABELLED:
            raise InputError(
                Fault(
                    file=found.path,
                    field=LABELS,
                    given=str(labels.min()),
                    problem="numbers no class",
                    remedy=f"Number classes from 0; {UNLABELLED} stands where a label is unknown",
                )
            )
    return Brought(
        source=found.path.resolve().name,
        kind="arrays",
        samples=samples,
        files=found.files,
        preprocessing=None,
        labels=None if labels is None else labels.astype(np.int64),
        groups=None if labels is None or groups is None else groups.astype(np.str_),
        class_names=None,
        taken=np.arange(len(samples)),
    )


def bring_texts(file: Path, columns: Columns, tokenizing: Tokenizing, *, labelled: bool) -> Brought:
    """The rows of a CSV file as samples; classes in alphabetical order.

    Args:
        file: The CSV file.
        columns: What its columns are called.
        tokenizing: How a text becomes tokens.
        labelled: Whether the labels are used.

    Raises:
        InputError: With every row that is wrong.
    """
    table = scan_table(file, columns)
    names = tuple(sorted(table.labels))
    numbers = np.array([names.index(label) for label in table.labels], dtype=np.int64)
    return Brought(
        source=file.name,
        kind="texts",
        samples=TextSamples(table, tokenizing),
        files=(file,),
        preprocessing=tokenizing.contract,
        labels=numbers[table.numbers] if labelled else None,
        groups=table.groups if labelled else None,
        class_names=names if labelled else None,
        taken=np.arange(len(table)),
    )


def _joined(
    name: str,
    files: Sequence[Path],
    beside: Sequence[dict[str, StoredArray]],
    counts: Sequence[int],
    *,
    kinds: str,
) -> np.ndarray | None:
    """The array of this name of all files, one value a sample; None where no file has one."""
    there = [name in one for one in beside]
    if not any(there):
        return None
    faults, parts = [], []
    for file, one, count in zip(files, beside, counts, strict=True):
        stored = one.get(name)
        shapes = [(count,)] + ([()] if count == 1 else [])
        if stored is None:
            given, problem = None, "is missing, and other files have it"
        elif stored.shape not in shapes or stored.dtype.kind not in kinds:
            given = f"{stored.dtype} {list(stored.shape)}"
            problem = f"is not one {'whole number' if kinds == 'iu' else 'name or number'} a sample"
        else:
            rows = list(stored.rows(np.arange(count), whole=stored.shape == ()))
            parts.append(np.array(rows).reshape(count))
            continue
        remedy = f"Save {name} with {count} values"
        faults.append(Fault(file=file, field=name, given=given, problem=problem, remedy=remedy))
    if faults:
        raise InputError(*faults)
    return np.concatenate(parts)
