"""The writer of fitted parameters leaves hand-written profiles as they stand."""

from __future__ import annotations

import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from edgedistill.core.cost_shape import CostScale
from edgedistill.core.fitted import FittedCost, IntervalFactors

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    file = ROOT / "benchmarks" / "cost_fit" / "write.py"
    if not file.is_file():
        pytest.skip("the benchmarks are not part of this distribution")
    spec = spec_from_file_location("cost_fit_write", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "targets" / "raspberry-pi-4.yaml", tmp_path))


def cost(macs_per_s: float) -> FittedCost:
    return FittedCost(
        shape="onnxruntime-cpu-fp32",
        scale=CostScale(macs_per_s=macs_per_s),
        measurements=3,
        sources=("a source",),
        fitted_on="2026-11-22",
        interval=IntervalFactors(low=0.5, high=2.0),
        tier="few-measurements",
    )


def without_costs(file: Path) -> dict[str, object]:
    document: dict[str, object] = yaml.safe_load(file.read_text())
    for section in ("runtimes", "converted_runtimes"):
        for runtime in document[section].values():  # type: ignore[attr-defined]  # plain YAML
            runtime.pop("cost", None)
    return document


@pytest.mark.parametrize("runtime", [("runtimes", "cpu"), ("converted_runtimes", "ncnn")])
def test_only_the_cost_of_that_runtime_changes(
    writer: ModuleType, profile: Path, runtime: tuple[str, str]
) -> None:
    before, comments = without_costs(profile), profile.read_text().count("#")
    writer.write_cost(profile, runtime, "fp32", cost(1.23456e9))
    written = yaml.safe_load(profile.read_text())
    found = written[runtime[0]][runtime[1]]["cost"]["fp32"]
    assert found["scale"]["macs_per_s"] == 1.235e9
    assert without_costs(profile) == before
    assert profile.read_text().count("#") == comments


def test_writing_twice_gives_the_same_bytes(writer: ModuleType, profile: Path) -> None:
    writer.write_cost(profile, ("runtimes", "cpu"), "fp32", cost(1e9))
    once = profile.read_bytes()
    writer.write_cost(profile, ("runtimes", "cpu"), "fp32", cost(1e9))
    assert profile.read_bytes() == once


def test_the_cost_of_another_precision_is_kept(writer: ModuleType, profile: Path) -> None:
    writer.write_cost(profile, ("converted_runtimes", "ncnn"), "fp32", cost(1e9))
    writer.write_cost(profile, ("converted_runtimes", "ncnn"), "int8", cost(2e9))
    costs = yaml.safe_load(profile.read_text())["converted_runtimes"]["ncnn"]["cost"]
    assert [costs[name]["scale"]["macs_per_s"] for name in ("fp32", "int8")] == [1e9, 2e9]


def test_a_runtime_that_the_profile_has_not_is_refused(writer: ModuleType, profile: Path) -> None:
    with pytest.raises(KeyError):
        writer.write_cost(profile, ("runtimes", "absent"), "fp32", cost(1e9))


@pytest.mark.parametrize(
    ("given", "rounded"),
    [(0.0, 0.0), (123456.0, 123500.0), (-0.00012345678, -0.0001235), (9.9999, 10.0), (7, 7)],
)
def test_figures_have_four_digits(writer: ModuleType, given: float, rounded: float) -> None:
    assert writer.rounded(given) == rounded
