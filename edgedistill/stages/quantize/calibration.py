"""What range each activation takes on real samples: onnxruntime's calibrators, fed one by one.

One sample is in memory at a time. The library's histogram methods hold every activation of every
sample when they are given all at once; here they get the bounds from a first, min-max pass, so
that each sample can be counted into bins that are final from the start. The histogram is the
same, and so are the ranges.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.calibrate import (
    CalibrationDataReader,
    HistogramCollector,
    create_calibrator,
)

from edgedistill.errors import Fault, InputError
from edgedistill.stages.quantize.session import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import onnxruntime

    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Split

    Sample = Mapping[str, np.ndarray]

_BINS = {"entropy": 512, "percentile": 2048}
"""Bins of a histogram. With onnxruntime's default of 128 the entropy method has a single
candidate and is min-max by another name; NVIDIA's has 2048 (GTC 2017, S7310), in C++."""
_QUANTIZED_BINS = 128
_PERCENTILE = 99.999


@dataclass(frozen=True)
class CalibrationSet:
    """The samples that show the ranges, in the model's own input names.

    Attributes:
        split: The calibration split.
        names: The data set's input name to the model's.
    """

    split: Split
    names: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.split)

    def __iter__(self) -> Iterator[Sample]:
        for index in range(len(self.split)):
            batch = self.split.batch(np.array([index]))
            sample = {self.names[name]: array for name, array in batch.items()}
            _require_finite(sample, index)
            yield sample


def open_calibration(split: Split, session: onnxruntime.InferenceSession) -> CalibrationSet:
    """The calibration samples for a model.

    Raises:
        InputError: If there are none, or they are not what the model takes.
    """
    if len(split) == 0:
        raise InputError(
            Fault(
                field="data.splits.calibration",
                given="0 samples",
                problem="there is nothing to calibrate with",
                remedy="Give at least one training sample; 100 to 500 are usual",
            )
        )
    wanted = [value.name for value in session.get_inputs()]
    given = list(split.inputs)
    if len(wanted) == len(given) == 1:
        names = {given[0]: wanted[0]}
    elif set(wanted) == set(given):
        names = {name: name for name in given}
    else:
        raise InputError(
            Fault(
                field="data",
                given=", ".join(given),
                problem=f"the model's inputs are {', '.join(wanted)}",
                remedy="Give the data set's inputs the model's names",
            )
        )
    calibration = CalibrationSet(split, names)
    _require_fit(next(iter(calibration)), session)
    return calibration


def calibrate(
    model: Path,
    samples: CalibrationSet,
    operators: Sequence[str],
    method: str,
    context: StageContext,
) -> Any:
    """The range of every activation around the operators to quantize.

    Args:
        model: The float model.
        samples: What to run it on.
        operators: Operator types whose inputs and outputs are watched.
        method: min-max, entropy or percentile.
        context: For threads and progress.

    Returns:
        onnxruntime's `TensorsData`: tensor name to `lowest` and `highest`.

    Raises:
        InputError: If an activation is not finite.
    """
    ranges = _run(model, samples, operators, "min-max", context, bounds=None)
    _require_finite_ranges(ranges, model)
    if method == "min-max":
        return ranges
    return _run(model, samples, operators, method, context, bounds=ranges)


class _OneSample(CalibrationDataReader):  # type: ignore[misc]
    """A calibration data reader that gives one sample."""

    def __init__(self, sample: Sample) -> None:
        self._sample: Sample | None = sample

    def get_next(self) -> Sample | None:
        """The sample, then None."""
        sample, self._sample = self._sample, None
        return sample


def _run(
    model: Path,
    samples: CalibrationSet,
    operators: Sequence[str],
    method: str,
    context: StageContext,
    *,
    bounds: Any,
) -> Any:
    augmented = model.with_name(f"augmented-{method}.onnx")
    calibrator = create_calibrator(
        model,
        list(operators),
        augmented_model_path=str(augmented),
        calibrate_method=_method(method),
        extra_options={"num_bins": _BINS.get(method), "symmetric": False},
    )
    # the calibrator's own session takes every processor; ours has the threads that were asked for
    calibrator.infer_session = open_session(augmented, context.threads, optimize=False)
    if bounds is not None:
        calibrator.collector = _empty_histograms(method, bounds)
    with (
        context.progress.track(f"Calibrating ({method})", len(samples)) as advance,
        contextlib.redirect_stdout(io.StringIO()),  # the collector prints
    ):
        for sample in samples:
            calibrator.collect_data(_OneSample(sample))
            advance()
        return calibrator.compute_data()


def _method(name: str) -> CalibrationMethod:
    return {
        "min-max": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }[name]


def _empty_histograms(method: str, bounds: Any) -> Any:
    bins = _BINS[method]
    collector = HistogramCollector(
        method=method,
        symmetric=False,
        num_bins=bins,
        num_quantized_bins=_QUANTIZED_BINS,
        percentile=_PERCENTILE,
        scenario="same",
    )
    for name, bound in bounds.items():
        low, high = (np.float32(value.item()) for value in bound.range_value)
        reach = np.array(max(abs(low), abs(high)), dtype=np.float32)
        span: Any = (-reach, reach)  # in float32, as the collector itself
        edges = np.histogram(np.zeros(0, np.float32), bins, range=span)[1]
        collector.histogram_dict[name] = (np.zeros(bins, np.int64), edges, low, high, reach)
    return collector


def _require_finite(sample: Sample, index: int) -> None:
    for name, array in sample.items():
        if not np.isfinite(array).all():
            raise InputError(
                Fault(
                    field="data",
                    given=f"calibration sample {index}, input {name}",
                    problem="a calibration sample holds NaN or infinity",
                    remedy="Remove the sample or mend its values",
                )
            )


def _require_fit(sample: Sample, session: onnxruntime.InferenceSession) -> None:
    faults = []
    for value in session.get_inputs():
        shape = sample[value.name].shape
        fits = len(shape) == len(value.shape) and all(
            not isinstance(wanted, int) or wanted == size
            for wanted, size in zip(value.shape, shape, strict=True)
        )
        if not fits:
            faults.append(
                Fault(
                    field=value.name,
                    given=str(list(shape)),
                    problem=f"the model takes {list(value.shape)}, one sample at a time",
                    remedy="Prepare the data as the model wants it, and export the model for a "
                    "batch of 1 or a dynamic batch",
                )
            )
    if faults:
        raise InputError(*faults)


def _require_finite_ranges(ranges: Any, model: Path) -> None:
    for name, value in sorted(ranges.items()):
        if not np.isfinite(value.range_value).all():
            raise InputError(
                Fault(
                    file=model.name,
                    field=name,
                    problem="this activation becomes NaN or infinity on a calibration sample",
                    remedy="The float model itself is broken: train or export it again",
                )
            )
