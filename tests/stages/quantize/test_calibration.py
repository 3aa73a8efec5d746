from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.calibrate import CalibrationDataReader, create_calibrator

from edgedistill.core.stage import StageContext
from edgedistill.stages.quantize.calibration import calibrate, open_calibration
from edgedistill.stages.quantize.placement import place
from edgedistill.stages.quantize.session import open_session
from edgedistill.stages.quantize.transform import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgedistill.core.stage import Advance
    from edgedistill.data.dataset import Dataset, Split
    from edgedistill.stages.quantize.calibration import CalibrationSet


@pytest.fixture
def prepared(trained: Callable[[str], Path], tmp_path: Path) -> Path:
    return prepare(onnx.load_model(trained("residual-cnn")), tmp_path)


@pytest.fixture
def samples(prepared: Path, digits: Dataset) -> CalibrationSet:
    return open_calibration(digits.calibration, open_session(prepared, 1))


@pytest.fixture
def operators(prepared: Path) -> tuple[str, ...]:
    return place(onnx.load_model(prepared).graph).operators


def activations(model: Path, split: Split) -> dict[str, np.ndarray]:
    """Every tensor that a node makes, by running a graph that shows them all."""
    proto = onnx.load_model(model)
    shown = {output.name for output in proto.graph.output}
    for node in proto.graph.node:
        for name in node.output:
            if name not in shown:
                proto.graph.output.append(onnx.ValueInfoProto(name=name))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = split.batch(np.arange(len(split)))
    names = [output.name for output in session.get_outputs()]
    return feed | dict(zip(names, session.run(names, feed), strict=True))


def test_min_max_ranges_are_the_least_and_greatest_of_the_observed_activations(
    prepared: Path,
    samples: CalibrationSet,
    operators: tuple[str, ...],
    digits: Dataset,
    context: StageContext,
) -> None:
    ranges = calibrate(prepared, samples, operators, "min-max", context)
    observed = activations(prepared, digits.calibration)
    assert len(ranges.keys()) > 20
    for name, value in ranges.items():
        low, high = (item.item() for item in value.range_value)
        scale = float(np.abs(observed[name]).max())
        # one sample at a time and all at once differ by the order of sums
        assert low == pytest.approx(float(observed[name].min()), abs=1e-5 * scale)
        assert high == pytest.approx(float(observed[name].max()), abs=1e-5 * scale)


class _AllAtOnce(CalibrationDataReader):
    def __init__(self, samples: CalibrationSet) -> None:
        self.samples = list(samples)

    def get_next(self) -> Any:
        return self.samples.pop(0) if self.samples else None


@pytest.mark.parametrize(("method", "bins"), [("entropy", 512), ("percentile", 2048)])
def test_streamed_histograms_give_the_ranges_of_the_library_given_all_at_once(
    method: str,
    bins: int,
    prepared: Path,
    samples: CalibrationSet,
    context: StageContext,
    tmp_path: Path,
) -> None:
    calibrator = create_calibrator(
        prepared,
        ["Conv"],
        augmented_model_path=str(tmp_path / "library.onnx"),
        calibrate_method=getattr(CalibrationMethod, method.capitalize()),
        extra_options={"num_bins": bins, "symmetric": False},
    )
    calibrator.collect_data(_AllAtOnce(samples))
    theirs = calibrator.compute_data()
    ours = calibrate(prepared, samples, ["Conv"], method, context)
    assert set(ours.keys()) == set(theirs.keys())
    for name in ours.keys():  # noqa: SIM118 - not a mapping
        assert ours[name].range_value == theirs[name].range_value


def test_progress_tells_each_sample(
    prepared: Path, samples: CalibrationSet, tmp_path: Path
) -> None:
    class Counting:
        def __init__(self) -> None:
            self.total, self.done = 0, 0

        @contextmanager
        def track(self, title: str, total: int) -> Iterator[Advance]:
            self.total += total

            def advance(amount: int = 1, *, note: str = "") -> None:
                self.done += amount

            yield advance

        def say(self, line: str) -> None: ...

    progress = Counting()
    context = StageContext(folder=tmp_path, progress=progress)
    calibrate(prepared, samples, ["Gemm"], "percentile", context)
    assert progress.done == progress.total == 2 * len(samples)


def test_nothing_is_printed(
    prepared: Path,
    samples: CalibrationSet,
    context: StageContext,
    capfd: pytest.CaptureFixture[str],
) -> None:
    calibrate(prepared, samples, ["Gemm"], "percentile", context)
    assert capfd.readouterr() == ("", "")
