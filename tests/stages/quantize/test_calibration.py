from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.calibrate import CalibrationDataReader, create_calibrator

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.data.dataset import Split
from edgedistill.errors import InputError
from edgedistill.stages.quantize.calibration import CalibrationSet, calibrate, open_calibration
from edgedistill.stages.quantize.placement import place
from edgedistill.stages.quantize.ranges import Settings
from edgedistill.stages.quantize.session import open_session
from edgedistill.stages.quantize.transform import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edgedistill.core.stage import Advance
    from edgedistill.data.dataset import Dataset

METHODS = (
    "min-max",
    "moving-average",
    "exponential-average",
    "percentile",
    "entropy",
    "mean-squared-error",
)


@pytest.fixture(params=["residual-cnn", "transformer"])
def prepared(
    request: pytest.FixtureRequest, trained: Callable[[str], Path], tmp_path: Path
) -> Path:
    return prepare(onnx.load_model(trained(request.param)), tmp_path)


@pytest.fixture
def samples(prepared: Path, digits: Dataset) -> CalibrationSet:
    return open_calibration(digits.calibration, open_session(prepared, 1))


@pytest.fixture
def operators(prepared: Path) -> tuple[str, ...]:
    return place(onnx.load_model(prepared).graph).operators


class Reader(CalibrationDataReader):
    def __init__(self, samples: Sequence[Any]) -> None:
        self.samples = list(samples)

    def get_next(self) -> Any:
        return self.samples.pop(0) if self.samples else None


def library(
    model: Path, operators: Sequence[str], samples: CalibrationSet, method: str, **options: object
) -> Any:
    """What onnxruntime's own calibrator says when it is given all samples at once."""
    calibrator = create_calibrator(
        model,
        list(operators),
        augmented_model_path=str(model.with_name("library.onnx")),
        calibrate_method=getattr(CalibrationMethod, method),
        extra_options={"symmetric": False, **options},
    )
    if options.get("one_by_one"):
        for sample in samples:
            calibrator.collect_data(Reader([sample]))
    else:
        calibrator.collect_data(Reader(list(samples)))
    return calibrator.compute_data()


def ends(ranges: Any, name: str) -> tuple[float, float]:
    low, high = ranges[name].range_value
    return low.item(), high.item()


def test_min_max_is_exactly_onnxruntimes(
    prepared: Path, samples: CalibrationSet, operators: tuple[str, ...], context: StageContext
) -> None:
    theirs = library(prepared, operators, samples, "MinMax")
    ours = calibrate(prepared, samples, operators, context, method="min-max")
    assert len(ours.keys()) > 20
    assert set(ours.keys()) == set(theirs.keys())
    assert all(ends(ours, name) == ends(theirs, name) for name in ours.keys())  # noqa: SIM118


@pytest.mark.parametrize(
    ("method", "one_by_one"), [("moving-average", False), ("exponential-average", True)]
)
def test_averages_are_onnxruntimes_to_rounding(
    method: Any,
    one_by_one: bool,
    prepared: Path,
    samples: CalibrationSet,
    operators: tuple[str, ...],
    context: StageContext,
) -> None:
    theirs = library(
        prepared, operators, samples, "MinMax", moving_average=True, one_by_one=one_by_one
    )
    ours = calibrate(prepared, samples, operators, context, method=method)
    assert set(ours.keys()) == set(theirs.keys())
    for name in ours.keys():  # noqa: SIM118 - not a mapping
        assert ends(ours, name) == pytest.approx(ends(theirs, name), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("method", "bins"), [("entropy", 128), ("entropy", 512)])
@pytest.mark.parametrize("prepared", ["residual-cnn"], indirect=True)
def test_entropy_is_exactly_onnxruntimes(
    method: Any, bins: int, prepared: Path, samples: CalibrationSet, context: StageContext
) -> None:
    theirs = library(prepared, ["Conv", "Gemm"], samples, "Entropy", num_bins=bins)
    settings = Settings(entropy_bins=bins)
    ours = calibrate(prepared, samples, ["Conv", "Gemm"], context, method=method, settings=settings)
    assert set(ours.keys()) == set(theirs.keys())
    for name in ours.keys():  # noqa: SIM118 - not a mapping
        assert ends(ours, name) == pytest.approx(ends(theirs, name), rel=1e-6)


@pytest.mark.parametrize("share", [99.0, 99.99, 99.999])
def test_percentiles_are_onnxruntimes_within_one_bin(
    share: float,
    prepared: Path,
    samples: CalibrationSet,
    operators: tuple[str, ...],
    context: StageContext,
) -> None:
    theirs = library(prepared, operators, samples, "Percentile", percentile=share)
    extremes = calibrate(prepared, samples, operators, context, method="min-max")
    settings = Settings(percentile=share)
    ours = calibrate(prepared, samples, operators, context, method="percentile", settings=settings)
    assert set(ours.keys()) == set(theirs.keys())
    for name in ours.keys():  # noqa: SIM118 - not a mapping
        bin_width = 2 * max(map(abs, ends(extremes, name))) / 2048
        assert ends(ours, name) == pytest.approx(ends(theirs, name), abs=1.001 * bin_width)


@pytest.mark.parametrize("prepared", ["transformer"], indirect=True)
def test_squared_error_rounds_the_activations_no_worse_than_any_other_method(
    prepared: Path, samples: CalibrationSet, operators: tuple[str, ...], context: StageContext
) -> None:
    ranges: dict[str, Any] = {
        method: calibrate(prepared, samples, operators, context, method=method)  # type: ignore[arg-type]
        for method in METHODS
    }
    seen = activations(prepared, samples)
    for name, values in seen.items():
        errors = {method: rounding_error(values, *ends(ranges[method], name)) for method in METHODS}
        # the histogram knows values to a bin, so a tie may be lost by very little
        assert errors["mean-squared-error"] <= 1.02 * min(errors.values()) + 1e-12, name


def activations(model: Path, samples: CalibrationSet) -> dict[str, np.ndarray]:
    """What the nodes make of all samples, by running a graph that shows it."""
    proto = onnx.load_model(model)
    shown = {output.name for output in proto.graph.output}
    made = [node.output[0] for node in proto.graph.node if node.op_type in ("Add", "MatMul")]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made if name not in shown)
    path = model.with_name("shown.onnx")
    onnx.save_model(proto, path)
    session = open_session(path, 1, optimize=False)
    split = samples.split.batch(np.arange(len(samples)))
    return dict(zip(made, session.run(made, split), strict=True))


def rounding_error(values: np.ndarray, low: float, high: float) -> float:
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / 255
    zero = round(-low / step)
    rounded = np.clip(np.round(values.astype(np.float64) / step) + zero, 0, 255)
    return float((((rounded - zero) * step - values) ** 2).mean())


def one_input(values: np.ndarray) -> CalibrationSet:
    split = Split(
        inputs={"x": values},
        labels=np.zeros(len(values), np.int64),
        groups=None,
        preprocessing=Preprocessing(),
        augmentation=Augmentation(),
    )
    return CalibrationSet(split, {"x": "x"})


def small_graph(text: str, folder: Path) -> Path:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]>{text}')
    path = folder / "small.onnx"
    onnx.save_model(model, path)
    return path


@pytest.mark.parametrize("method", METHODS)
def test_an_activation_that_is_not_finite_is_named_with_its_sample(
    method: Any, tmp_path: Path, context: StageContext
) -> None:
    model = small_graph(
        "g (float[N,2] x) => (float[N,2] y) { root = Sqrt (x) safe = Relu (root)"
        " y = Add (safe, safe) }",
        tmp_path,
    )
    samples = one_input(np.array([[1, 2], [3, 4], [5, -6]], np.float32))
    with pytest.raises(InputError, match=r"root: this activation.*calibration sample 2"):
        calibrate(model, samples, ["Relu", "Add"], context, method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 3.0, -0.7, 1e-41])
def test_an_activation_that_never_changes_has_a_range_of_one_value(
    method: Any, value: float, tmp_path: Path, context: StageContext
) -> None:
    model = small_graph("g (float[N,2] x) => (float[N,2] y) { y = Relu (x) }", tmp_path)
    samples = one_input(np.full((3, 2), value, np.float32))
    ranges = calibrate(model, samples, ["Relu"], context, method=method)
    value = float(np.float32(value))
    low, high = ends(ranges, "x")
    if method == "mean-squared-error":  # it says what the quantizer would make of it: zero is in
        assert (low, high) == pytest.approx((min(value, 0.0), max(value, 0.0)), rel=1e-3, abs=1e-40)
    else:
        assert (low, high) == pytest.approx((value, value), rel=1e-6)
    assert all(np.isfinite(end) for end in ends(ranges, "y"))


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_keeps_its_type_and_an_empty_tensor_takes_no_room(
    method: Any, tmp_path: Path, context: StageContext
) -> None:
    model = small_graph(
        "g (float[N,4] x) => (float[N,4] y, float[N,0] nothing) {"
        " half = Cast <to = 10> (x) kept = Relu (half) y = Cast <to = 1> (kept)"
        " from = Constant <value = int64[1] {0}> () axis = Constant <value = int64[1] {1}> ()"
        " none = Slice (x, from, from, axis) nothing = Relu (none) }",
        tmp_path,
    )
    values = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    ranges = calibrate(model, one_input(values), ["Relu"], context, method=method)
    low, high = ranges["half"].range_value
    assert low.dtype == high.dtype == np.float16
    assert values.min() - 1e-2 <= low.item() < high.item() <= values.max() + 1e-2
    assert ends(ranges, "nothing") == (0.0, 0.0)


def test_a_graph_in_which_only_the_input_is_a_real_number(
    tmp_path: Path, context: StageContext
) -> None:
    model = small_graph(
        "g (float[N,2] x) => (int64[N,1] y) { y = ArgMax <axis = 1> (x) }", tmp_path
    )
    samples = one_input(np.array([[1, 2], [-3, 4]], np.float32))
    ranges = calibrate(model, samples, ["ArgMax"], context, method="min-max")
    assert ends(ranges, "x") == (-3.0, 4.0)


@pytest.mark.parametrize(("method", "passes"), [("percentile", 1), ("entropy", 2)])
@pytest.mark.parametrize("prepared", ["residual-cnn"], indirect=True)
def test_progress_tells_each_sample(
    method: Any, passes: int, prepared: Path, samples: CalibrationSet, tmp_path: Path
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
    calibrate(prepared, samples, ["Gemm"], context, method=method)
    assert progress.done == progress.total == passes * len(samples)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("prepared", ["residual-cnn"], indirect=True)
def test_nothing_is_printed(
    method: Any,
    prepared: Path,
    samples: CalibrationSet,
    context: StageContext,
    capfd: pytest.CaptureFixture[str],
) -> None:
    calibrate(prepared, samples, ["Gemm"], context, method=method)
    assert capfd.readouterr() == ("", "")
