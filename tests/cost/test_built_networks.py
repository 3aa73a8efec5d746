"""The operator lists of networks that were built for the fit of the cost model."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgedistill.core.operator_kind import Kind
from edgedistill.cost.roofline import Columns

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "cost_fit"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("built")


def test_the_operators_of_each_network_do_all_its_work(built: ModuleType) -> None:
    networks = built.read_built(built.BUILT)
    assert len(networks) >= 80
    for name, network in networks.items():
        assert sum(one.macs for one in network.operators) == network.macs, name
        assert Columns.of(network.operators).macs.sum() == network.macs, name


def test_vgg_16_has_the_work_and_parameters_of_its_paper(built: ModuleType) -> None:
    """Simonyan and Zisserman 2015, table 1, D: 3x3 convolutions, then three layers."""
    side, channels, macs, parameters = 224, 3, 0, 0
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            macs += side * side * 9 * channels * width
            parameters += 9 * channels * width + width
            channels = width
        side //= 2
    for inputs, outputs in ((512 * 7 * 7, 4096), (4096, 4096), (4096, 1000)):
        macs += inputs * outputs
        parameters += inputs * outputs + outputs
    network = built.read_built(built.BUILT)["vgg16"]
    assert (network.macs, network.parameters) == (macs, parameters)
    kinds = [one.kind for one in network.operators]
    assert (kinds.count(Kind.CONV_3X3), kinds.count(Kind.MATMUL), kinds.count(Kind.RELU)) == (
        13,
        3,
        0,
    )


def test_a_file_written_reads_the_same(built: ModuleType, tmp_path: Path) -> None:
    network = built.read_built(built.BUILT)["resnet18d"]
    built.write_built(tmp_path / "one.json", {"resnet18d": network})
    assert built.read_built(tmp_path / "one.json") == {"resnet18d": network}
