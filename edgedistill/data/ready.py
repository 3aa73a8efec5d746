"""A prepared folder of samples without labels: arrays that are memory-mapped, and samples.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.strict import Strict, plain
from edgedistill.data.numeric import arrange, normalize
from edgedistill.data.prepared import write_arrays
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from edgedistill.data.contents import Format

FILE = "samples.json"


class _Description(Strict):
    """What samples.json holds."""

    schema_version: Literal[1] = 1
    kind: Literal["edgedistill-samples"] = "edgedistill-samples"
    dtypes: dict[str, str] = Field(min_length=1)
    """What the model takes, by input name; the files are numbered in this order."""
    preprocessing: Preprocessing | None
    samples: dict[str, int]
    """How many calibrate and how many judge."""


@dataclass(frozen=True, eq=False)
class ReadySamples:
    """Samples as the network takes them.

    Attributes:
        inputs: Stored values by input name, `[n, ...]`, memory-mapped; pixels where there is
            preprocessing.
        dtypes: The type that the network takes, by input name.
        preprocessing: The numeric part is done when a batch is made; None for values that are
            ready.
    """

    inputs: Mapping[str, np.ndarray]
    dtypes: Mapping[str, str]
    preprocessing: Preprocessing | None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Network inputs of some samples by input name, `[batch, ...]`, contiguous."""
        return {name: self._ready(name, values[indices]) for name, values in self.inputs.items()}

    def _ready(self, name: str, values: np.ndarray) -> np.ndarray:
        if self.preprocessing is not None:
            values = arrange(normalize(values, self.preprocessing), self.preprocessing)
        return np.ascontiguousarray(values, dtype=self.dtypes[name])


@dataclass(frozen=True)
class ReadyData:
    """What `Unlabelled.run` prepared.

    Attributes:
        calibration: Shows the ranges of the activations.
        judging: Judges candidates; may be empty.
    """

    calibration: ReadySamples
    judging: ReadySamples


def write_ready(
    folder: Path,
    parts: Mapping[str, tuple[int, Iterable[Mapping[str, np.ndarray]]]],
    formats: Mapping[str, Format],
    *,
    dtypes: Mapping[str, str],
    preprocessing: Preprocessing | None,
) -> None:
    """Writes samples and their description.

    Args:
        folder: Where to.
        parts: Name of a part to how many samples it has and these in chunks.
        formats: Shape of one stored sample and type, by input name.
        dtypes: What the model takes.
        preprocessing: What is done when a batch is made.
    """
    for part, (count, chunks) in parts.items():
        write_arrays(_places(folder, part, list(dtypes)), chunks, formats, count)
    description = _Description(
        dtypes=dict(dtypes),
        preprocessing=preprocessing,
        samples={part: count for part, (count, _) in parts.items()},
    )
    text = json.dumps(plain(description), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def open_ready(folder: Path) -> ReadyData:
    """Opens a prepared folder; the values stay on disk, memory-mapped.

    Raises:
        InputError: If it is no prepared folder.
    """
    file = folder / FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, ValueError) as error:
        raise InputError(
            Fault(file=file, problem="is not there or no JSON", remedy="Run quantize again")
        ) from error
    description = _Description.read(document, file=file)
    return ReadyData(
        calibration=_open_part(folder, "calibration", description),
        judging=_open_part(folder, "judging", description),
    )


def _open_part(folder: Path, part: str, description: _Description) -> ReadySamples:
    # an empty array has no bytes to map
    mode: Literal["r"] | None = "r" if description.samples[part] else None
    return ReadySamples(
        inputs={
            name: np.load(place, mmap_mode=mode, allow_pickle=False)
            for name, place in _places(folder, part, list(description.dtypes)).items()
        },
        dtypes=description.dtypes,
        preprocessing=description.preprocessing,
    )


def _places(folder: Path, part: str, names: list[str]) -> dict[str, Path]:
    """Numbered files: a model's input may have any name."""
    return {name: folder / f"{part}.{place}.npy" for place, name in enumerate(names)}
