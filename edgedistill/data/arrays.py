"""Samples that are arrays in memory (or memory-mapped)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.data.contents import chunk_length
from edgedistill.data.pictures import PictureError, needs_pillow, prepare_pixels
from edgedistill.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.data.contents import Format


@dataclass(frozen=True, eq=False)
class ArraySamples:
    """Arrays by input name, all `[n, ...]`."""

    inputs: Mapping[str, np.ndarray]
    preprocessing: Preprocessing
    field: str
    """What the source calls these inputs, for errors."""
    file: Path | None = None

    def __len__(self) -> int:
        return min(len(values) if values.ndim else 0 for values in self.inputs.values())

    def faults(self) -> list[Fault]:
        """Wrong names, types, shapes, lengths, and values that are not finite."""
        found: list[Fault] = []
        if self.preprocessing.kind == "text":
            remedy = "Give texts as csv:DIR_OR_FILE, or set another kind"
            found.append(self._fault("are arrays, but preprocessing.kind is text", remedy))
        for name, values in self.inputs.items():
            found += self._type_faults(name, values) or self._value_faults(values)
        lengths = {len(values) for values in self.inputs.values() if values.ndim}
        if len(lengths) > 1:
            found.append(
                self._fault(
                    "inputs differ in length",
                    "Give as many samples in each input",
                    given=str({name: len(values) for name, values in self.inputs.items()}),
                )
            )
        return found

    def formats(self) -> dict[str, Format]:
        """Shape and type of a prepared sample by input name."""
        prepared = self._prepare(np.array([0]))
        return {name: (values.shape[1:], values.dtype) for name, values in prepared.items()}

    def chunks(self, indices: np.ndarray, *, threads: int) -> Iterator[dict[str, np.ndarray]]:
        """Prepared samples in the order of the indices, some at a time, by input name."""
        del threads
        shapes = [values.shape[1:] for values in self.inputs.values()]
        length = min(chunk_length(shape) for shape in shapes)
        for start in range(0, len(indices), length):
            yield self._prepare(indices[start : start + length])

    def texts(self, indices: np.ndarray) -> None:
        """None: arrays are not texts."""

    def _prepare(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        return {name: self._prepare_one(values[indices]) for name, values in self.inputs.items()}

    def _prepare_one(self, values: np.ndarray) -> np.ndarray:
        if values.dtype != np.uint8:
            values = values.astype(np.float32)
        if self.preprocessing.kind != "image":
            return values
        return prepare_pixels(_with_channels(values), self.preprocessing)

    def _type_faults(self, name: str, values: np.ndarray) -> list[Fault]:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            return [self._fault("is no name for an input", "Use letters, digits and _", given=name)]
        if values.dtype.kind not in "buif":
            remedy = "Give whole or floating-point numbers (a pickled object is never loaded)"
            return [self._fault("are not numbers", remedy, given=f"type {values.dtype}")]
        if values.ndim == 0 or len(values) == 0:
            return [self._fault("hold no sample", "Give at least one sample per class")]
        return self._picture_faults(values) if self.preprocessing.kind == "image" else []

    def _picture_faults(self, values: np.ndarray) -> list[Fault]:
        shape = f"shape {list(values.shape)}"
        if values.ndim not in (3, 4) or _with_channels(values).shape[-1] not in (1, 3):
            remedy = "Give pixels [n, height, width], or [n, height, width, channels] with 1 or 3"
            return [self._fault("are not pictures", remedy, given=shape)]
        pixels = _with_channels(values)
        if values.dtype != np.uint8 and needs_pillow(pixels, self.preprocessing):
            return [
                self._fault(
                    "cannot be resized or converted between grey and colour",
                    "Give pixels as uint8, or declare the color and size they have",
                    given=f"type {values.dtype}, {shape}",
                )
            ]
        try:
            prepare_pixels(pixels[:1], self.preprocessing)
        except PictureError as error:
            remedy = "Declare a smaller center_crop, or a larger resize"
            return [self._fault(f"each {error}", remedy, given=shape)]
        return []

    def _value_faults(self, values: np.ndarray) -> list[Fault]:
        if values.dtype.kind != "f":
            return []
        broken = 0
        first = -1
        length = chunk_length(values.shape[1:])
        for start in range(0, len(values), length):
            chunk = values[start : start + length]
            with np.errstate(over="ignore"):
                numbers = chunk.astype(np.float32).reshape(len(chunk), -1)
            bad = ~np.isfinite(numbers).all(axis=1)
            if bad.any() and first < 0:
                first = start + int(bad.argmax())
            broken += int(bad.sum())
        if not broken:
            return []
        problem = f"hold NaN or infinity (or more than float32 holds) in {broken} samples"
        remedy = "Remove these samples or repair their values"
        return [self._fault(problem, remedy, given=f"the first is sample {first}")]

    def _fault(self, problem: str, remedy: str, *, given: str | None = None) -> Fault:
        return Fault(problem=problem, remedy=remedy, file=self.file, field=self.field, given=given)


def _with_channels(values: np.ndarray) -> np.ndarray:
    """Pictures with their axis of channels: `[n, height, width]` get one channel."""
    return values[..., None] if values.ndim == 3 else values
