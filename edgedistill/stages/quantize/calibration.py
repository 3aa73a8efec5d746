"""What range each activation takes on real samples, one sample in memory at a time.

onnxruntime's calibrators hold what they saw of every sample, the histogram methods each value of
each activation. Ranges here are the same, from what fits into a fixed amount of memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData

from edgedistill.errors import Fault, InputError
from edgedistill.stages.quantize.ranges import (
    Entropy,
    ExponentialAverage,
    MinMax,
    MovingAverage,
    Observer,
    Percentile,
    Settings,
    SquaredError,
)
from edgedistill.stages.quantize.watching import Watch, watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import onnxruntime

    from edgedistill.core.quantizing import CalibrationMethodName
    from edgedistill.core.stage import StageContext

    Sample = Mapping[str, np.ndarray]


class Samples(Protocol):
    """Samples as a network takes them, for instance a data set's split."""

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """Values by input name, one row a sample."""

    def __len__(self) -> int:
        """How many samples there are."""

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Network inputs of some samples by input name, `[batch, ...]`."""


class Calibrating(Protocol):
    """What brings calibration samples, for instance a data set."""

    @property
    def calibration(self) -> Samples:
        """The samples that show the ranges of the activations."""


@dataclass(frozen=True)
class CalibrationSet:
    """The samples that show the ranges, in the model's own input names.

    Attributes:
        split: The calibration samples.
        names: The data set's input name to the model's.
    """

    split: Samples
    names: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.split)

    def __iter__(self) -> Iterator[Sample]:
        for index in range(len(self.split)):
            batch = self.split.batch(np.array([index]))
            sample = {self.names[name]: array for name, array in batch.items()}
            _require_finite(sample, index)
            yield sample


def open_calibration(split: Samples, session: onnxruntime.InferenceSession) -> CalibrationSet:
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
    context: StageContext,
    *,
    method: CalibrationMethodName,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> Any:
    """The range of every activation around the operators to quantize.

    Args:
        model: The float model.
        samples: What to run it on.
        operators: Operator types whose inputs and outputs are watched.
        context: For threads and progress.
        method: How a range follows from the values.
        settings: Of the methods.

    Returns:
        onnxruntime's `TensorsData`: tensor name to `lowest` and `highest`, of the tensor's type.

    Raises:
        InputError: If an activation is not finite.
    """
    watched = watch(model, operators, context.threads)
    if method == "entropy":
        extremes = _observe(watched, samples, context, {name: MinMax() for name in watched.dtypes})
        observers: dict[str, Observer] = {
            name: Entropy(extreme, settings) for name, extreme in extremes.items()
        }
    else:
        observers = {name: _observer(method, settings) for name in watched.dtypes}
    ranges = _observe(watched, samples, context, observers)
    data = {
        name: TensorData(
            lowest=np.array(low, watched.dtypes[name]), highest=np.array(high, watched.dtypes[name])
        )
        for name, (low, high) in ranges.items()
    }
    # the quantizer asks only whether ranges are for float 8, which these are not
    return TensorsData(CalibrationMethod.MinMax, data)


def _observer(method: CalibrationMethodName, settings: Settings) -> Observer:
    if method == "moving-average":
        return MovingAverage()
    if method == "exponential-average":
        return ExponentialAverage(settings.averaging_constant)
    if method == "percentile":
        return Percentile(settings)
    if method == "mean-squared-error":
        return SquaredError(settings)
    return MinMax()


def _observe(
    watched: Watch,
    samples: CalibrationSet,
    context: StageContext,
    observers: Mapping[str, Observer],
) -> dict[str, tuple[float, float]]:
    """One pass over the samples, and the ranges after it."""
    with context.progress.track("Calibrating", len(samples)) as advance:
        for index, sample in enumerate(samples):
            for activation in watched.run(sample, index):
                observers[activation.name].see(activation)
            advance()
        return {name: observer.range() for name, observer in observers.items()}


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
