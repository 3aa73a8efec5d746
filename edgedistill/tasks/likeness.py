"""How near one model's outputs are to another's, where nobody knows what is right.

Three figures, by what the outputs are. Class scores [1, classes]: the share of samples to which
both give the same class. Other real numbers: the share of the first model's variance that the
second keeps, 1 - sum of squared differences / sum of squares about the mean, which is 1 - 1/SQNR
with the mean taken out; 0.99 is a relative error of 10 %. Whole numbers: the share of equal ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.evidence import Evidence, Quantity, wider
from edgedistill.tasks.intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.quantized import AgreementKind

CONFIDENCE = 0.95


@dataclass
class Likeness:
    """Two models' outputs beside each other, sample by sample.

    Attributes:
        kind: Which figure is asked for.
        samples: How many were seen.
        same: To how many of them both gave the same class.
        finite: Whether the second model gave finite numbers only.
        outputs: One for each output.
    """

    kind: AgreementKind
    samples: int = 0
    same: int = 0
    finite: bool = True
    outputs: list[OutputLikeness] = field(default_factory=list)

    def add(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> None:
        """Takes in the outputs of both models for one sample."""
        self.outputs = self.outputs or [OutputLikeness() for _ in first]
        self.samples += 1
        self.finite = self.finite and all(_finite(values) for values in second)
        if self.kind == "top-1" and first[0].shape == second[0].shape and _finite(second[0]):
            self.same += int(first[0].argmax() == second[0].argmax())
        for output, one, other in zip(self.outputs, first, second, strict=True):
            output.add(one, other)

    def agreement(self, evidence: Evidence, confidence: float = CONFIDENCE) -> Quantity | None:
        """The figure, of the output where it is lowest; None where it cannot be told.

        Args:
            evidence: How the outputs were got.
            confidence: Of the interval, two-sided.
        """
        if not self.samples:
            return None
        if self.kind == "top-1":
            return self._share(self.same, self.samples, evidence, confidence)
        lowest = self._lowest(confidence)
        if lowest is None:
            return None
        value, low, high = lowest
        what = "share of equal whole numbers"
        if self.kind == "signal":
            what = "share of the float output's variance that is kept"
        return Quantity(
            value=value,
            low=low,
            high=high,
            confidence=confidence,
            evidence=evidence,
            samples=self.samples,
            method=f"{what}; ratio of sums over samples with the interval of its linearization "
            "(Cochran 1977, section 6.3)",
            wider=wider(low, high, confidence, self._ends),
        )

    def _ends(self, confidence: float) -> tuple[float, float] | None:
        lowest = self._lowest(confidence)
        return None if lowest is None else lowest[1:]

    def _lowest(self, confidence: float) -> tuple[float, float, float] | None:
        """Value and interval of the output where the figure is lowest."""
        figures = [output.kept(confidence) for output in self.outputs]
        told = [figure for figure in figures if figure is not None]
        return min(told) if told and len(told) == len(figures) else None

    @property
    def relative_error(self) -> float | None:
        """Root mean square of the difference over that of the spread, of the worst output.

        Where the first model's output never changes, over its size. None where there is no sample
        or no output of real numbers.
        """
        figures = [output.distance for output in self.outputs if output.real]
        return max(figures) if figures and self.finite else None

    def _share(self, same: int, samples: int, evidence: Evidence, confidence: float) -> Quantity:
        low, high = wilson_interval(same, samples, confidence)
        return Quantity(
            value=same / samples,
            low=low,
            high=high,
            confidence=confidence,
            evidence=evidence,
            samples=samples,
            method="share of samples to which both models give the same class, Wilson score "
            "interval (Wilson 1927)",
            wider=wider(low, high, confidence, lambda other: wilson_interval(same, samples, other)),
        )


@dataclass
class OutputLikeness:
    """One output of two models, as sums that each sample adds to.

    Attributes:
        real: Whether it is of real numbers; else of whole ones.
        errors: By sample: sum of squared differences, or how many numbers differ.
        counts: By sample: how many numbers the output has.
        sums: By sample: their sum in the first model.
        squares: By sample: the sum of their squares in the first model.
    """

    real: bool = True
    errors: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)
    squares: list[float] = field(default_factory=list)

    def add(self, first: np.ndarray, second: np.ndarray) -> None:
        """Takes in one sample; an output of another shape, or not finite, has nothing in common."""
        self.real = first.dtype.kind == "f"
        self.counts.append(first.size)
        one = first.astype(np.float64).ravel()
        self.sums.append(float(one.sum()))
        self.squares.append(float(one @ one))
        alike = first.shape == second.shape and _finite(second)
        if not self.real:
            self.errors.append(float((first != second).sum()) if alike else float(first.size))
            return
        difference = one - second.astype(np.float64).ravel() if alike else one - one.mean()
        self.errors.append(float(difference @ difference))

    def lost(self) -> float | None:
        """Sum of squared differences over the sum of squares about the mean, or share of unequal.

        None where the first model's output never changes.
        """
        whole = sum(self._spreads())
        return sum(self.errors) / whole if whole > 0 else None

    @property
    def distance(self) -> float:
        """Root mean square of the difference over that of the spread, or else of the values."""
        whole = sum(self._spreads()) or sum(self.squares) or 1.0
        return sqrt(sum(self.errors) / whole)

    def kept(self, confidence: float) -> tuple[float, float, float] | None:
        """1 less what is lost, with its interval; None where it cannot be told."""
        lost, many = self.lost(), len(self.errors)
        if lost is None:
            return None
        if not self.real and set(self.counts) == {1}:
            same = many - round(sum(self.errors))
            return same / many, *wilson_interval(same, many, confidence)
        if many < 2:
            return None
        from scipy.special import stdtrit

        spreads = self._spreads()
        residuals = [
            error - lost * spread for error, spread in zip(self.errors, spreads, strict=True)
        ]
        squared = sum(residual * residual for residual in residuals) * many / (many - 1)
        half = float(stdtrit(many - 1, 0.5 + confidence / 2)) * sqrt(squared) / sum(spreads)
        return 1 - lost, 1 - lost - half, min(1.0, 1 - lost + half)

    def _spreads(self) -> list[float]:
        """By sample: what its errors are held against."""
        if not self.real:
            return [float(count) for count in self.counts]
        mean = sum(self.sums) / max(sum(self.counts), 1)
        return [
            max(0.0, square - 2 * mean * total + count * mean * mean)
            for square, total, count in zip(self.squares, self.sums, self.counts, strict=True)
        ]


def agreement_kind(outputs: Sequence[tuple[np.dtype, Sequence[int | None]]]) -> AgreementKind:
    """Which figure says how near two models are.

    Args:
        outputs: Type and shape of each, None where an axis is open.

    >>> agreement_kind([(np.dtype("f4"), [None, 10])])
    'top-1'
    >>> agreement_kind([(np.dtype("f4"), [None, 3, 8, 8])]), agreement_kind([(np.dtype("i8"), [1])])
    ('signal', 'values')
    """
    if all(dtype.kind != "f" for dtype, _ in outputs):
        return "values"
    if len(outputs) == 1 and len(outputs[0][1]) == 2:
        classes = outputs[0][1][1]
        if classes is not None and classes >= 2:
            return "top-1"
    return "signal"


def _finite(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())
