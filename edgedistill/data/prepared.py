"""The prepared folder: arrays that are memory-mapped, and dataset.json. No machine path in it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.strict import Strict, plain
from edgedistill.data.dataset import Dataset, Split
from edgedistill.data.kept_texts import KeptTexts
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgedistill.data.contents import Format

FILE = "dataset.json"
SplitName = Literal["train", "validation", "test", "calibration"]


class PreparedSplit(Strict):
    """Which files hold a split."""

    samples: int = Field(ge=1)
    inputs: dict[str, str] = Field(min_length=1)
    """Input name to file name."""
    labels: str
    groups: str | None
    texts: str | None = None


class PreparedData(Strict):
    """What dataset.json holds."""

    schema_version: Literal[1] = 1
    kind: Literal["edgedistill-dataset"] = "edgedistill-dataset"
    name: str
    source: str
    sha256: str
    class_names: tuple[str, ...] = Field(strict=False, min_length=2)
    preprocessing: Preprocessing
    augmentation: Augmentation
    splits: dict[SplitName, PreparedSplit]
    companions: tuple[str, ...] = Field(default=(), strict=False)
    """Names of the files that travel beside a model."""


def write_split(
    folder: Path,
    name: SplitName,
    chunks: Iterable[dict[str, np.ndarray]],
    formats: Mapping[str, Format],
    labels: np.ndarray,
    groups: np.ndarray | None,
) -> PreparedSplit:
    """Writes one split; the samples go to disk chunk by chunk, so memory stays flat.

    Args:
        folder: The prepared folder.
        name: Of the split.
        chunks: Prepared samples by input name, in order, one for each label in all.
        formats: Shape of one sample and type, by input name.
        labels: int64 `[n]`.
        groups: Text `[n]`, or None.
    """
    inputs = {key: f"{name}.{key}.npy" for key in formats}
    write_arrays({key: folder / file for key, file in inputs.items()}, chunks, formats, len(labels))
    np.save(folder / f"{name}.labels.npy", labels, allow_pickle=False)
    if groups is not None:
        np.save(folder / f"{name}.groups.npy", groups, allow_pickle=False)
    return PreparedSplit(
        samples=len(labels),
        inputs=inputs,
        labels=f"{name}.labels.npy",
        groups=None if groups is None else f"{name}.groups.npy",
    )


def write_arrays(
    places: Mapping[str, Path],
    chunks: Iterable[Mapping[str, np.ndarray]],
    formats: Mapping[str, Format],
    samples: int,
) -> None:
    """Writes samples as one array for each input, chunk by chunk, so memory stays flat.

    Plain writes, not a writable memory map: on a full disk a map kills the process.

    Args:
        places: Input name to file.
        chunks: Prepared samples by input name, in order.
        formats: Shape of one sample and type, by input name.
        samples: How many there are in all chunks.
    """
    with ExitStack() as stack:
        files = {key: stack.enter_context(places[key].open("wb")) for key in formats}
        for key, (shape, dtype) in formats.items():
            np.lib.format.write_array_header_1_0(
                files[key],
                {
                    "descr": np.lib.format.dtype_to_descr(dtype),
                    "fortran_order": False,
                    "shape": (samples, *shape),
                },
            )
        for chunk in chunks:
            for key, file in files.items():
                file.write(np.ascontiguousarray(chunk[key]).tobytes())


def write_description(folder: Path, prepared: PreparedData) -> None:
    """Writes dataset.json."""
    text = json.dumps(plain(prepared), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def open_dataset(folder: Path) -> Dataset:
    """Opens a prepared folder; the inputs stay on disk, memory-mapped.

    Raises:
        InputError: If it is no prepared data set, or is damaged.
    """
    file = folder / FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, ValueError) as error:
        raise InputError(
            Fault(file=file, problem="is not there or no JSON", remedy="Prepare the data again")
        ) from error
    prepared = PreparedData.read(document, file=file)
    missing = [
        name for name in ("train", "validation", "calibration") if name not in prepared.splits
    ]
    if missing:
        raise InputError(
            Fault(
                file=file,
                field="splits",
                problem=f"{', '.join(missing)} missing",
                remedy="Prepare the data again",
            )
        )
    splits = {name: _open_split(folder, name, prepared) for name in prepared.splits}
    return Dataset(
        name=prepared.name,
        source=prepared.source,
        sha256=prepared.sha256,
        class_names=prepared.class_names,
        preprocessing=prepared.preprocessing,
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test"),
        calibration=splits["calibration"],
        companions=tuple(folder / Path(name).name for name in prepared.companions),
    )


def _open_split(folder: Path, name: SplitName, prepared: PreparedData) -> Split:
    split = prepared.splits[name]
    return Split(
        inputs={
            key: _open_array(folder, file, split.samples, mapped=True)
            for key, file in split.inputs.items()
        },
        labels=_open_array(folder, split.labels, split.samples),
        groups=None if split.groups is None else _open_array(folder, split.groups, split.samples),
        preprocessing=prepared.preprocessing,
        augmentation=prepared.augmentation if name == "train" else Augmentation(),
        texts=None
        if split.texts is None
        else KeptTexts(folder / Path(split.texts).name, split.samples),
    )


def _open_array(folder: Path, name: str, length: int, *, mapped: bool = False) -> np.ndarray:
    file = folder / Path(name).name
    try:
        values: np.ndarray = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            Fault(file=file, problem=f"cannot be read: {error}", remedy="Prepare the data again")
        ) from error
    if len(values) != length:
        raise InputError(
            Fault(
                file=file,
                given=str(len(values)),
                problem=f"does not hold the {length} samples that {FILE} names",
                remedy="Prepare the data again",
            )
        )
    return values
