"""A model's answers, computed where the model will run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgedistill.bench.opening import opened
from edgedistill.bench.session import (
    DEFAULT_TIMEOUT_S,
    Facts,
    Worker,
    check,
    open_worker,
    steps,
)
from edgedistill.core.stage import StageResult
from edgedistill.core.strict import plain
from edgedistill.errors import DeviceError, Fault, InputError, PromiseError
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgedistill.core.evidence import Conditions
    from edgedistill.core.profile import Runtime
    from edgedistill.core.stage import StageContext
    from edgedistill.devices.transport import Transport

LOGITS_FILE = "logits.npy"
_CHUNK_BYTES = 128 * 1024**2
_READ_SAMPLES = 256
_MODEL = "model.onnx"
_INPUTS = "inputs.npz"
_DTYPE = np.dtype("<f4")
_OUTPUTS = "outputs.npy"


class InputBatches(Protocol):
    """Samples in order, for instance a data set's split."""

    def __len__(self) -> int:
        """How many samples there are."""

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Indices and network-ready inputs by name, up to `size` samples at a time, in order."""


@dataclass(frozen=True)
class Predicting:
    """Computes a model's outputs on a device: a stage.

    Attributes:
        model: The ONNX file.
        split: The samples.
        transport: The way to the device.
        device: The profile's name.
        runtime: Provider and, unless `threads` says otherwise, threads.
        threads: Threads for this; it is not timed.
        chunk_bytes: How much of the inputs lies on the device at a time.
        timeout_s: How long the device may be silent.
    """

    model: Path
    split: InputBatches
    transport: Transport
    device: str
    runtime: Runtime
    threads: int | None = None
    chunk_bytes: int = _CHUNK_BYTES
    timeout_s: float = DEFAULT_TIMEOUT_S

    def run(self, context: StageContext) -> StageResult:
        """Writes `logits.npy`, float32 [samples, classes], in the order of the samples.

        Raises:
            InputError: If the model file is missing or there is no sample.
            DeviceError: If the device failed or what it gave back is not whole.
            PromiseError: If the model answers with NaN or infinity.
        """
        self._check_inputs()
        sha256 = file_sha256(self.model)
        start = 0
        conditions: Conditions | None = None
        with (
            open_worker(self.transport, context.folder, self.timeout_s) as worker,
            (context.folder / LOGITS_FILE).open("wb") as stream,
        ):
            self.transport.put(self.model, _MODEL)
            for answers, facts in self._answers(worker, sha256, context):
                # Plain writes: on a full disk a writable memory map ends the process by a signal.
                if conditions is None:
                    shape = (len(self.split), answers.shape[1])
                    header = {"descr": _DTYPE.str, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(stream, header)
                stream.write(np.ascontiguousarray(answers, dtype=_DTYPE).tobytes())
                start += len(answers)
                conditions = facts.conditions(
                    device=self.device, provider=self.runtime.provider, threads=self._threads
                )
        if conditions is None or start != len(self.split):
            raise PromiseError(
                stage="predict",
                promised=f"answers to {len(self.split)} samples",
                found=f"{start}",
                remedy="The data set's length and its batches disagree",
            )
        return StageResult(
            facts={"conditions": plain(conditions), "model_sha256": sha256, "samples": start}
        )

    @property
    def _threads(self) -> int:
        return self.runtime.threads if self.threads is None else self.threads

    def _answers(
        self, worker: Worker, sha256: str, context: StageContext
    ) -> Iterator[tuple[np.ndarray, Facts]]:
        """The outputs of one chunk after the other, with the facts of the machine."""
        job = {
            "action": "predict",
            "model": _MODEL,
            "inputs": _INPUTS,
            "outputs": _OUTPUTS,
            **opened(self.runtime, {_MODEL: self.model}, threads=self._threads),
        }
        title = f"Running {self.model.name} on {self.device}"
        with context.progress.track(title, len(self.split)) as advance:
            for inputs, count in _chunks(self.split, self.chunk_bytes):
                worker.put_inputs(inputs, _INPUTS)
                result = worker.run(job, on_progress=steps(advance))
                if result.get("sha256") != sha256:
                    raise DeviceError(f"{self.device}: the model there is not the one sent to it")
                facts = check(Facts, result.get("facts"), "facts")
                yield _read_outputs(worker, count), facts

    def _check_inputs(self) -> None:
        faults = []
        if not self.model.is_file():
            remedy = "Give an .onnx file"
            faults.append(Fault(file=self.model, problem="there is no such model", remedy=remedy))
        if len(self.split) == 0:
            faults.append(Fault(problem="no samples to run on", remedy="Give at least one sample"))
        if faults:
            raise InputError(*faults)


def _chunks(split: InputBatches, chunk_bytes: int) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """Inputs by name and how many samples they hold, about `chunk_bytes` at a time."""
    parts: list[dict[str, np.ndarray]] = []
    count = size_bytes = 0
    for indices, inputs in split.batches(_READ_SAMPLES):
        parts.append(inputs)
        count += len(indices)
        size_bytes += sum(array.nbytes for array in inputs.values())
        if size_bytes >= chunk_bytes:
            yield _joined(parts), count
            parts, count, size_bytes = [], 0, 0
    if parts:
        yield _joined(parts), count


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _read_outputs(worker: Worker, count: int) -> np.ndarray:
    """The outputs of one chunk, float32 [count, classes]."""
    local = worker.scratch / _OUTPUTS
    worker.transport.get(_OUTPUTS, local)
    try:
        answers = np.load(local, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DeviceError(f"the worker's outputs cannot be read: {error}") from error
    finally:
        local.unlink()
    if not isinstance(answers, np.ndarray) or answers.ndim != 2 or len(answers) != count:
        raise DeviceError(f"the worker's outputs are not [{count}, classes]")
    if not np.isfinite(answers).all():
        raise PromiseError(
            stage="predict",
            promised="finite outputs",
            found="NaN or infinity",
            remedy="The model is broken on this runtime; look at the step that made it",
        )
    return answers
