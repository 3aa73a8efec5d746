"""How one answer of a teacher lies on disk: all of its logits, or the highest and what remains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch

from edgedistill.errors import PromiseError

if TYPE_CHECKING:
    from edgedistill.core.learning import Answers

_HALF_LOWEST = float(np.finfo(np.float16).min)
_SCALARS: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}


@dataclass(frozen=True)
class RowForm:
    """Packs logits `[batch, classes]` into rows of a fixed number of bytes, and unpacks them.

    As float32 logits are kept as the teacher gave them. As float16 each answer is kept less its
    highest logit: a shift changes no softmax, nor a loss that is made of one, and it moves the
    error of rounding from the classes that matter to those that do not. A logit x below the
    highest is kept within `x 2^-11`, so the probabilities at any temperature T are off by at most
    `2^-11 sum p x / T <= 2^-11 ln(classes)` in total variation (to first order; `sum p x / T` is
    the entropy of the softmax less a number that is not negative). Rounding the logits themselves
    has no such bound: it grows with their size.

    With `top_k` the highest logits are kept, the classes they belong to, and the logarithm of the
    probability that remains at temperature 1. Unpacked, it is spread evenly over the other classes.
    """

    classes: int
    precision: Literal["float16", "float32"]
    top_k: int | None
    """How many of the classes are kept; None: all."""

    @classmethod
    def of(cls, config: Answers, *, classes: int) -> Self:
        """The form that a recipe asks for; as many classes as there are, or more, keep all."""
        fewer = config.top_k is not None and config.top_k < classes
        return cls(classes, config.precision, config.top_k if fewer else None)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the array's elements: a logit, or a record of one answer."""
        logit = _SCALARS[self.precision]
        if self.top_k is None:
            return logit
        index = np.min_scalar_type(self.classes - 1).newbyteorder("<")
        shape = (self.top_k,)
        return np.dtype([("log_rest", "<f4"), ("logits", logit, shape), ("classes", index, shape)])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one answer as elements of `dtype`: `[classes]`, or one record."""
        return (self.classes,) if self.top_k is None else ()

    @property
    def size_bytes(self) -> int:
        """Of one answer."""
        return self.dtype.itemsize * math.prod(self.shape)

    def pack(self, logits: np.ndarray) -> np.ndarray:
        """Finite logits, float32 `[batch, classes]`, as rows `[batch, *shape]` of `dtype`.

        Raises:
            PromiseError: If a logit is too far below the highest of its answer for float16.
        """
        if self.top_k is None:
            return self._rounded(logits)
        chosen = _highest(logits, self.top_k)
        kept = np.nonzero(chosen)[1].reshape(-1, self.top_k)
        values = np.take_along_axis(logits, kept, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        values = np.take_along_axis(values, order, axis=1)
        rows = np.empty(len(logits), self.dtype)
        rows["log_rest"] = _log_rest(values, np.where(chosen, -np.inf, logits))
        rows["logits"] = self._rounded(values)
        rows["classes"] = np.take_along_axis(kept, order, axis=1)
        return rows

    def unpack(self, rows: np.ndarray) -> np.ndarray:
        """Rows `[batch, *shape]` as logits, float32 `[batch, classes]`, contiguous, a copy.

        The rows must be in memory that may be written to, as torch wants it, though nothing is.
        With `top_k` the other classes share one logit: the `log sum exp` of all, plus the logarithm
        of the remaining probability, less the logarithm of their number.
        """
        if self.top_k is None:
            if self.precision == "float32":
                return rows.astype(np.float32)
            # torch turns float16 into float32 in a seventh of the time that numpy takes.
            return torch.from_numpy(rows).float().numpy()
        kept, log_rest = rows["logits"].astype(np.float32), rows["log_rest"].astype(np.float64)
        log_sum = _log_sum(kept, kept[:, 0]) - np.log(-np.expm1(log_rest))
        rest = log_sum + log_rest - math.log(self.classes - self.top_k)
        logits = np.repeat(rest.astype(np.float32), self.classes).reshape(-1, self.classes)
        logits[np.arange(len(rows))[:, None], rows["classes"]] = kept
        return logits

    def best(self, rows: np.ndarray) -> np.ndarray:
        """The class of the highest logit in each of rows `[batch, *shape]`, int64 `[batch]`."""
        if self.top_k is None:
            return np.asarray(rows.argmax(axis=1))
        return np.asarray(rows["classes"][:, 0], dtype=np.int64)

    def _rounded(self, logits: np.ndarray) -> np.ndarray:
        if self.precision == "float32":
            return logits.astype(_SCALARS["float32"])
        with np.errstate(over="ignore"):
            below: np.ndarray = logits - logits.max(axis=1, keepdims=True)
        lowest = float(below.min())
        if not lowest >= _HALF_LOWEST:
            raise PromiseError(
                stage="teach",
                promised="answers that fit into float16",
                found=f"a logit {-lowest:.6g} below the highest of its answer, where float16 "
                f"reaches {-_HALF_LOWEST:g}",
                remedy="Set stages.answers.precision: float32",
            )
        return below.astype(_SCALARS["float16"])


def _highest(logits: np.ndarray, count: int) -> np.ndarray:
    """Where the highest of each row stand, bool `[batch, classes]`; of equals the first ones."""
    least = torch.from_numpy(logits).topk(count, dim=1).values[:, -1].numpy()
    chosen = logits >= least[:, None]
    surplus = chosen.sum(axis=1) - count
    for row in np.flatnonzero(surplus):
        equals = np.flatnonzero(logits[row] == least[row])
        chosen[row, equals[-surplus[row] :]] = False
    return chosen


def _log_rest(kept: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The logarithm of the others' share in the sum of exponentials, float64 `[batch]`.

    `-log(1 + exp(kept - others))` of the two `log sum exp`, which is exact both where nearly
    nothing remains and where nearly all does. Never below the lowest float16: that is nothing.
    """
    difference = _log_sum(kept, kept[:, 0]) - _log_sum(others, others.max(axis=1))
    return np.asarray(np.maximum(-np.logaddexp(0.0, difference), _HALF_LOWEST))


def _log_sum(logits: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """The logarithm of the sum of exponentials of each row, float64 `[batch]`."""
    with np.errstate(over="ignore"):
        shares = np.exp(logits - highest[:, None]).sum(axis=1, dtype=np.float64)
    return np.asarray(highest.astype(np.float64) + np.log(shares))
