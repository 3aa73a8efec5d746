from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from judged_reports import conditions

from edgedistill.bench.memory import MeasuringMemory, Memory
from edgedistill.core.evidence import Evidence
from edgedistill.core.stage import StageContext
from edgedistill.devices.local import LocalTransport
from edgedistill.errors import DeviceError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteModel

    from edgedistill.core.profile import Runtime


def test_memory_is_the_median_over_processes_with_its_interval() -> None:
    grown = tuple(range(1_000_000, 17_000_000, 1_000_000))
    figure = Memory(grown, conditions()).peak_mb()
    assert figure.value == 8.5
    assert (figure.low, figure.high) == (4.0, 13.0)
    assert figure.samples == 16
    assert figure.evidence is Evidence.MEASURED_ON_DEVICE
    assert [one.low for one in figure.wider] == sorted(
        (one.low for one in figure.wider), reverse=True
    )
    with pytest.raises(DeviceError, match="3 processes are too few"):
        Memory(grown[:3], conditions()).peak_mb()


def test_each_process_is_new_and_tells_its_conditions(
    write_model: WriteModel, runtime: Runtime, tmp_path: Path
) -> None:
    measuring = MeasuringMemory(
        model=write_model("model.onnx"),
        inputs={"input": np.zeros((2, 4), np.float32)},
        transport=LocalTransport(),
        device="host",
        runtime=runtime,
        processes=2,
    )
    folder = tmp_path / "measured"
    folder.mkdir()
    measured = measuring.run(StageContext(folder=folder))
    assert len(measured.grown_bytes) == 2
    assert all(one >= 0 for one in measured.grown_bytes)
    assert measured.conditions.device == "host"
    assert list(folder.iterdir()) == []
    other = replace(measuring, inputs={"other": np.zeros((2, 4), np.float32)})
    with pytest.raises(DeviceError, match="takes the inputs"):
        other.run(StageContext(folder=folder))
