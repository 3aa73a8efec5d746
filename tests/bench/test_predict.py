from __future__ import annotations

import errno
import hashlib
import io
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill.bench.predict import LOGITS_FILE, Predicting
from edgedistill.core.stage import StageContext
from edgedistill.devices.fake import FakeTransport, Reply
from edgedistill.devices.local import LocalTransport
from edgedistill.errors import DeviceError, InputError, PromiseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from edgedistill.core.profile import Runtime
    from tests.bench.conftest import WriteModel


@dataclass(frozen=True)
class Rows:
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        for start in range(0, len(self.values), size):
            part = self.values[start : start + size]
            yield np.arange(start, start + len(part)), {"input": part}


@pytest.fixture
def rows() -> Rows:
    return Rows(np.random.default_rng(1).normal(size=(600, 4)).astype(np.float32))


@pytest.mark.parametrize("batch", ["batch", 1])
def test_answers_come_in_order_through_as_many_chunks_as_needed(
    write_model: WriteModel,
    runtime: Runtime,
    folder: Path,
    rows: Rows,
    weight: np.ndarray,
    batch: int | str,
) -> None:
    model = write_model("m.onnx", batch=batch)
    stage = Predicting(model, rows, LocalTransport(), "a-device", runtime, chunk_bytes=256 * 16)
    result = stage.run(StageContext(folder))
    logits = np.load(folder / LOGITS_FILE, allow_pickle=False)
    assert logits.dtype == np.float32
    assert logits.flags.c_contiguous
    np.testing.assert_allclose(logits, rows.values @ weight, rtol=1e-5, atol=1e-6)
    assert (folder / LOGITS_FILE).stat().st_size == len(npy(logits))
    assert result.facts["samples"] == 600
    assert result.facts["conditions"]["device"] == "a-device"
    assert [path.name for path in folder.iterdir()] == [LOGITS_FILE]


def test_nan_answers_are_no_answers(
    write_model: WriteModel, runtime: Runtime, folder: Path, rows: Rows, weight: np.ndarray
) -> None:
    model = write_model("m.onnx", weight=np.full_like(weight, np.nan))
    stage = Predicting(model, rows, LocalTransport(), "a-device", runtime)
    with pytest.raises(PromiseError, match="promised finite outputs, found NaN or infinity"):
        stage.run(StageContext(folder))


def test_missing_model_and_no_samples_are_told_at_once(
    runtime: Runtime, folder: Path, tmp_path: Path
) -> None:
    nothing = Rows(np.zeros((0, 4), np.float32))
    stage = Predicting(tmp_path / "absent", nothing, LocalTransport(), "a-device", runtime)
    with pytest.raises(InputError) as caught:
        stage.run(StageContext(folder))
    assert len(caught.value.faults) == 2


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("outputs", "sha256", "word"),
    [
        (npy(np.zeros((599, 3), np.float32)), None, r"not \[600, classes\]"),
        (npy(np.zeros((600, 3), np.float32))[:-4], None, "cannot be read"),
        (b"", None, "cannot be read"),
        (npy(np.zeros((600, 3), np.float32)), "0" * 64, "not the one sent"),
    ],
)
def test_answers_that_are_not_whole_are_refused(
    write_model: WriteModel,
    runtime: Runtime,
    folder: Path,
    rows: Rows,
    outputs: bytes,
    sha256: str | None,
    word: str,
) -> None:
    good = Predicting(write_model("m.onnx"), rows, LocalTransport(), "a-device", runtime)
    facts: dict[str, object] = {}

    def answer(arguments: Sequence[str], files: Mapping[str, bytes]) -> Reply:
        job = json.loads(files[arguments[-1]])
        result = {"sha256": sha256 or facts["sha256"], "facts": facts["facts"]}
        return Reply(files={job["result"]: json.dumps(result).encode(), job["outputs"]: outputs})

    state = {"temperature_c": {}, "clock_mhz": {}, "load_average": 0.0}
    texts = ("processor", "machine", "operating_system", "python", "numpy", "onnxruntime")
    facts["sha256"] = hashlib.sha256(good.model.read_bytes()).hexdigest()
    facts["facts"] = {
        **dict.fromkeys(texts, "text"),
        "board": None,
        "isa_flags": [],
        "processors": 1,
        "governor": None,
        "providers": [],
        "state": state,
    }
    stage = Predicting(good.model, rows, FakeTransport(answer), "a-device", runtime)
    with pytest.raises(DeviceError, match=word):
        stage.run(StageContext(folder))


class Crowded(LocalTransport):
    """Beside it another program fills the disk, once a part of the answers is written."""

    def __init__(self, disk: Path, elsewhere: Path) -> None:
        super().__init__()
        self.disk = disk
        self.elsewhere = elsewhere
        self.parts = 0

    def get(self, name: str, local: Path) -> None:
        self.parts += local.suffix == ".npy"
        if local.suffix != ".npy" or self.parts < 2:
            super().get(name, local)
            return
        super().get(name, self.elsewhere)
        local.symlink_to(self.elsewhere)
        with suppress(OSError), (self.disk / "more").open("wb", buffering=0) as more:
            while True:
                more.write(bytes(512))


def test_a_disk_that_fills_up_is_an_error_and_no_signal(
    write_model: WriteModel,
    runtime: Runtime,
    tmp_path: Path,
    small_disk: Callable[[int], AbstractContextManager[Path]],
) -> None:
    rows = Rows(np.zeros((3000, 4), np.float32))
    model = write_model("m.onnx")
    with small_disk(64) as disk:
        transport = Crowded(disk, tmp_path / "answers.npy")
        (disk / "step").mkdir()
        stage = Predicting(model, rows, transport, "a-device", runtime, chunk_bytes=1500 * 16)
        with pytest.raises(OSError, match="No space") as caught:
            stage.run(StageContext(disk / "step"))
        assert caught.value.errno == errno.ENOSPC
