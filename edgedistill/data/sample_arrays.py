"""Samples that are arrays in files, ready for the model as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.data.contents import chunk_length
from edgedistill.data.stored_arrays import StoredArray, require_small, stored_arrays
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from edgedistill.core.quantized import ModelInput
    from edgedistill.data.contents import Format


@dataclass(frozen=True)
class SampleFile:
    """One file: an array for each input of the model."""

    arrays: Mapping[str, StoredArray]
    samples: int
    single: bool
    """Whether each array is one sample, without the axis of samples."""


@dataclass(frozen=True)
class SampleArrays:
    """Samples in .npy files (one input) or .npz files (an array for each input)."""

    files: tuple[SampleFile, ...]
    inputs: tuple[ModelInput, ...]

    @classmethod
    def open(
        cls,
        files: Sequence[Path],
        inputs: tuple[ModelInput, ...],
        *,
        besides: Collection[str] = (),
    ) -> SampleArrays:
        """Reads the heads of the files.

        An array has the model's axes, the first for samples, or those of one sample.

        Args:
            files: Each with an array for each input.
            inputs: What the model takes.
            besides: Names of arrays of a .npz that are no input and are left alone.

        Raises:
            InputError: With every file that does not hold what the model takes.
        """
        opened: list[SampleFile] = []
        faults: list[Fault] = []
        for file in files:
            try:
                opened.append(_open(file, inputs, besides))
            except InputError as error:
                faults += error.faults
        first = opened[0] if opened else None
        for file, one in zip(files, opened, strict=False):
            assert first is not None
            faults += [] if faults else _shape_faults(file, one, first)
        if faults:
            raise InputError(*faults)
        return cls(tuple(opened), inputs)

    def __len__(self) -> int:
        return sum(file.samples for file in self.files)

    def faults(self) -> list[Fault]:
        """Nothing: the heads were checked when they were read."""
        return []

    def formats(self) -> dict[str, Format]:
        """Shape and type of a sample by input name."""
        first = self.files[0]
        return {name: (_sample_shape(first, name), first.arrays[name].dtype) for name in self.names}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return tuple(one.name for one in self.inputs)

    def chunks(self, indices: np.ndarray, *, threads: int) -> Iterator[dict[str, np.ndarray]]:
        """Samples in the order of the indices, which must rise, some at a time.

        Raises:
            InputError: If a file is damaged or a value is not finite.
        """
        del threads
        length = min(chunk_length(shape) for shape, _ in self.formats().values())
        waiting: list[dict[str, np.ndarray]] = []
        for sample in self._samples(indices):
            waiting.append(sample)
            if len(waiting) == length:
                yield self._stacked(waiting)
                waiting = []
        if waiting:
            yield self._stacked(waiting)

    def texts(self, indices: np.ndarray) -> None:
        """None: arrays are not texts."""

    def _samples(self, indices: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        start = 0
        for file in self.files:
            inside = indices[(indices >= start) & (indices < start + file.samples)] - start
            start += file.samples
            if not len(inside):
                continue
            rows = [file.arrays[name].rows(inside, whole=file.single) for name in self.names]
            for values in zip(*rows, strict=True):
                sample = dict(zip(self.names, values, strict=True))
                for name, array in sample.items():
                    _require_finite(array, file.arrays[name])
                yield sample

    def _stacked(self, samples: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.stack([sample[name] for sample in samples]) for name in self.names}


def _open(file: Path, inputs: tuple[ModelInput, ...], besides: Collection[str]) -> SampleFile:
    stored = {name: one for name, one in stored_arrays(file).items() if name not in besides}
    wanted = [one.name for one in inputs]
    if len(wanted) == len(stored) == 1:
        arrays = {wanted[0]: next(iter(stored.values()))}
    elif set(stored) == set(wanted):
        arrays = {name: stored[name] for name in wanted}
    else:
        given = ", ".join(name or "one array without a name" for name in stored) or "nothing"
        raise InputError(
            Fault(
                file=file,
                given=given,
                problem=f"the model takes {', '.join(wanted)}",
                remedy="Save .npz files with one array for each input, under its name",
            )
        )
    faults = [
        fault for one in inputs for fault in _form_faults(file, one, arrays[one.name], len(inputs))
    ]
    if faults:
        raise InputError(*faults)
    singles = {len(arrays[one.name].shape) < len(one.shape) for one in inputs}
    lengths = {1 if singles == {True} else array.shape[0] for array in arrays.values()}
    if len(singles) > 1 or len(lengths) > 1:
        given = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        remedy = "Give as many samples for each input"
        raise InputError(
            Fault(file=file, given=given, problem="its arrays differ in length", remedy=remedy)
        )
    made = SampleFile(arrays, lengths.pop(), single=singles == {True})
    for name, array in arrays.items():
        require_small(_sample_shape(made, name), array.dtype, file)
    return made


def _form_faults(file: Path, one: ModelInput, array: StoredArray, inputs: int) -> Iterator[Fault]:
    """Whether an array is what the model takes, with or without the axis of samples."""
    field = one.name if inputs > 1 or array.member is not None else None
    given = f"{array.dtype} {list(array.shape)}"
    if array.dtype != np.dtype(one.dtype):
        yield Fault(
            file=file,
            field=field,
            given=given,
            problem=f"the model takes {one.written()}",
            remedy=f"Save it as that type: array.astype(numpy.{one.dtype})",
        )
    sample = array.shape if len(array.shape) < len(one.shape) else array.shape[1:]
    if not one.fits(sample):
        yield Fault(
            file=file,
            field=field,
            given=given,
            problem=f"does not have the shape that the model takes, {one.written()}",
            remedy="Save samples as the model takes them, with the axis of samples first, or one "
            "sample a file without it",
        )


def _shape_faults(file: Path, one: SampleFile, first: SampleFile) -> list[Fault]:
    return [
        Fault(
            file=file,
            field=name,
            given=str(list(_sample_shape(one, name))),
            problem=f"other samples have the shape {list(_sample_shape(first, name))}",
            remedy="Give samples of one shape",
        )
        for name in first.arrays
        if _sample_shape(one, name) != _sample_shape(first, name)
    ]


def _sample_shape(file: SampleFile, name: str) -> tuple[int, ...]:
    shape = file.arrays[name].shape
    return shape if file.single else shape[1:]


def _require_finite(values: np.ndarray, array: StoredArray) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(
            Fault(
                file=array.file,
                field=array.member,
                problem="holds NaN or infinity",
                remedy="Remove the sample or mend its values",
            )
        )
