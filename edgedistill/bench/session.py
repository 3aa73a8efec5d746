"""The worker on a device, for as long as one stage needs it."""

from __future__ import annotations

import json
import shutil
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from edgedistill.bench.samples import Surroundings
from edgedistill.core.evidence import Conditions
from edgedistill.core.strict import Strict
from edgedistill.errors import DeviceError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from edgedistill.core.stage import Advance
    from edgedistill.devices.transport import Transport

DEFAULT_TIMEOUT_S = 600.0
"""How long the worker may be silent: loading all models and one round must fit in."""
Answer = TypeVar("Answer", bound=Strict)
_WORKER = "worker.py"
_JOB = "job.json"
_RESULT = "result.json"


class Facts(Strict):
    """What the worker says about its machine."""

    processor: str
    board: str | None
    machine: str
    isa_flags: list[str]
    processors: int
    governor: str | None
    operating_system: str
    python: str
    numpy: str
    onnxruntime: str
    providers: list[str]
    state: Surroundings

    def conditions(self, *, device: str, provider: str, threads: int) -> Conditions:
        """The conditions of what is measured here."""
        return Conditions(
            device=device,
            processor=self.processor,
            machine=self.machine,
            isa_flags=tuple(self.isa_flags),
            runtime=f"onnxruntime {self.onnxruntime}",
            provider=provider,
            threads=threads,
            operating_system=self.operating_system,
            governor=self.governor,
        )


@dataclass(frozen=True)
class Worker:
    """The worker's file on an open transport."""

    transport: Transport
    scratch: Path
    timeout_s: float

    def put_inputs(self, inputs: Mapping[str, np.ndarray], name: str) -> None:
        """Sends samples by input name, as an npz file (np.savez would pickle objects)."""
        local = self.scratch / name
        with zipfile.ZipFile(local, "w") as archive:
            for key, array in inputs.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
        self.transport.put(local, name)
        local.unlink()

    def facts(self) -> Facts:
        """What the machine is.

        Raises:
            DeviceError: If the worker died or its answer is not whole.
        """
        return check(Facts, self.run({"action": "facts"}), "facts")

    def run(
        self, job: Mapping[str, Any], *, on_progress: Callable[[int], None] | None = None
    ) -> dict[str, Any]:
        """Runs one job.

        Args:
            job: What the worker is asked; `result` and `leash` are filled in.
            on_progress: Is given how much of the job is done.

        Raises:
            DeviceError: If the worker died or left no whole result; in its own words, if it said.
        """
        local = self.scratch / _JOB
        local.write_text(json.dumps({**job, "result": _RESULT, "leash": True}), encoding="utf-8")
        self.transport.put(local, _JOB)
        errors: list[str] = []

        def hear(line: str) -> None:
            message = _message(line)
            if "error" in message:
                errors.append(str(message["error"]))
            elif on_progress is not None and isinstance(message.get("progress"), int):
                on_progress(message["progress"])

        try:
            command = [*self.transport.python, _WORKER, _JOB]
            self.transport.run(command, on_line=hear, timeout_s=self.timeout_s)
        except DeviceError as error:
            if errors:
                raise DeviceError(f"{self.transport.name}: {errors[-1]}") from error
            raise
        local = self.scratch / _RESULT
        self.transport.get(_RESULT, local)
        return _read_result(local, self.transport.name)


@contextmanager
def open_worker(transport: Transport, folder: Path, timeout_s: float) -> Iterator[Worker]:
    """Opens the transport and sends the worker; small files pass through a scratch folder.

    Args:
        transport: The way to the device.
        folder: Where the scratch folder is made, and removed at the end.
        timeout_s: How long the worker may be silent.
    """
    scratch = folder / "scratch"
    scratch.mkdir()
    try:
        with transport, as_file(files("edgedistill") / _WORKER) as source:
            transport.put(source, _WORKER)
            yield Worker(transport, scratch, timeout_s)
    finally:
        shutil.rmtree(scratch)


def check(model: type[Answer], document: Any, what: str) -> Answer:
    """What a device answered, if it is what was asked.

    Raises:
        DeviceError: With everything wrong in the answer.
    """
    try:
        return model.read(document, file=f"the device's {what}")
    except InputError as error:
        raise DeviceError(f"the device's answer cannot be used:\n{error}") from error


def steps(advance: Advance) -> Callable[[int], None]:
    """Turns how much is done, counted from the start, into steps of a progress bar."""
    done = 0

    def move(now: int) -> None:
        nonlocal done
        advance(now - done)
        done = now

    return move


def _message(line: str) -> dict[str, Any]:
    """The worker's message in a line; empty where a library spoke instead."""
    if not line.startswith("{"):
        return {}
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _read_result(path: Path, name: str) -> dict[str, Any]:
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DeviceError(f"{name}: the worker's result is not whole JSON: {error}") from error
    if not isinstance(result, dict):
        raise DeviceError(f"{name}: the worker's result is not an object")
    return result
