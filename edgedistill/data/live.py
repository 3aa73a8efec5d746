"""A source handed over by the caller's own code: arrays, tensors, or loaders of batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation, Splits
from edgedistill.data.contents import INPUT, PART_NAMES
from edgedistill.data.memory import MemoryReader, RawPart
from edgedistill.data.preparation import Preparation, Source
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.data.contents import PartName

_SHAPES = "(inputs, labels) or (inputs, labels, groups) as arrays, or a loader of such batches"


def live_source(
    *,
    train: Any,
    validation: Any = None,
    test: Any = None,
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
    splits: Splits | None = None,
    augmentation: Augmentation | None = None,
) -> Source:
    """A source from what is in the caller's hands.

    Each split is a tuple of arrays or tensors `(inputs, labels)` or `(inputs, labels, groups)`,
    where inputs is one array `[n, ...]` or a mapping of several by name; or any iterable (for
    instance a torch DataLoader) of such tuples, batch by batch or sample by sample. An iterable
    is run through once, here, and its samples are brought into an order of their own, so that a
    shuffling loader gives the same data set each time. (A loader that changes its samples at random
    gives another data set each time: declare `augmentation` instead.) What is missing is cut from
    train.

    Args:
        train: Samples to learn from.
        validation: Samples that decide.
        test: Samples that are only reported.
        preprocessing: What is done to each sample; where absent, the inputs are ready and are
            used as they are, in float32.
        class_names: One name per class; their numbers where absent.
        splits: How to cut what is missing, and how many samples calibrate.
        augmentation: Views of the train samples; needs a preprocessing of kind image.

    Raises:
        InputError: If a split is none of these, with all faults at once.
    """
    reader = memory_reader(
        {"train": train, "validation": validation, "test": test},
        preprocessing=preprocessing,
        class_names=class_names,
        name="live",
        source="live",
    )
    return Preparation(
        reader=reader, splits=splits or Splits(), augmentation=augmentation or Augmentation()
    )


def memory_reader(
    given: Mapping[PartName, Any],
    *,
    preprocessing: Preprocessing | None,
    class_names: Sequence[str] | None,
    name: str,
    source: str,
    file: Path | None = None,
) -> MemoryReader:
    """Brings arrays, tensors and loaders into memory.

    Raises:
        InputError: If a split is none of these, with all faults at once.
    """
    parts: dict[PartName, RawPart] = {}
    faults: list[Fault] = []
    for part in PART_NAMES:
        if given.get(part) is None and part != "train":
            continue
        try:
            parts[part] = _raw_part(given.get(part), prefix=f"{part}.")
        except (TypeError, ValueError) as error:
            faults.append(
                Fault(file=file, field=part, problem=str(error), remedy=f"Give {_SHAPES}")
            )
    if faults:
        raise InputError(*faults)
    return MemoryReader(
        name=name,
        source=source,
        preprocessing=preprocessing or Preprocessing(kind="caller"),
        parts=parts,
        class_names=None if class_names is None else tuple(str(name) for name in class_names),
        file=file,
        runs_code=file is not None,
    )


def _raw_part(given: Any, *, prefix: str) -> RawPart:
    if isinstance(given, tuple):
        return _batch(given, prefix)
    if isinstance(given, Mapping | str | bytes) or hasattr(given, "shape"):
        raise TypeError(f"a {type(given).__name__} is not a split")
    if not isinstance(given, Iterable) and not hasattr(given, "__getitem__"):
        raise TypeError(f"a {type(given).__name__} is not a split")
    batches = [_batch(batch, prefix) for batch in given]
    if not batches:
        raise ValueError("the loader gave no batch")
    return _in_own_order(_joined(batches, prefix))


def _batch(given: Any, prefix: str) -> RawPart:
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        size = f" of {len(given)}" if isinstance(given, tuple | list) else ""
        raise TypeError(f"a {type(given).__name__}{size} is not (inputs, labels)")
    values, labels = given[0], _array(given[1])
    inputs = (
        {str(name): _array(one) for name, one in values.items()}
        if isinstance(values, Mapping)
        else {INPUT: _array(values)}
    )
    groups = _array(given[2]) if len(given) == 3 else None
    if labels.ndim == 0:
        labels = labels[None]
        inputs = {name: one[None] for name, one in inputs.items()}
        groups = None if groups is None else groups[None]
    return RawPart(inputs=inputs, labels=labels, groups=groups, prefix=prefix)


def _array(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def _joined(batches: list[RawPart], prefix: str) -> RawPart:
    names = set(batches[0].inputs)
    grouped = batches[0].groups is not None
    if any(set(one.inputs) != names or (one.groups is not None) != grouped for one in batches):
        raise ValueError("the batches do not all hold the same inputs and groups")
    groups = [one.groups for one in batches if one.groups is not None]
    return RawPart(
        inputs={
            name: np.concatenate([one.inputs[name] for one in batches])
            for name in batches[0].inputs
        },
        labels=np.concatenate([one.labels for one in batches]),
        groups=np.concatenate(groups) if groups else None,
        prefix=prefix,
    )


def _in_own_order(part: RawPart) -> RawPart:
    """Sorted by a hash of each sample: the order no longer tells how a loader shuffled."""
    arrays = [np.ascontiguousarray(values) for _, values in part.arrays()]
    if len({len(values) for values in arrays}) > 1:
        return part
    digests = []
    for index in range(len(part.labels)):
        digest = hashlib.sha256()
        for values in arrays:
            digest.update(values[index].tobytes())
        digests.append(digest.digest())
    rank = np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)
    return RawPart(
        inputs={name: values[rank] for name, values in part.inputs.items()},
        labels=part.labels[rank],
        groups=None if part.groups is None else part.groups[rank],
        prefix=part.prefix,
    )
