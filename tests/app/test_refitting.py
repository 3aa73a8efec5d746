"""Operators of another precision in a measured network: their time is not the network's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cost_documents import SHAPE, write_documents

from edgedistill.app.latency import Question, latency_of
from edgedistill.app.own_measurements import OwnMeasurement
from edgedistill.app.refitting import Group, refitted
from edgedistill.catalog.profiles import load
from edgedistill.core.basis import NoBasis
from edgedistill.core.cost_shape import CostScale
from edgedistill.core.fitted import FittedCost, IntervalFactors
from edgedistill.core.operator_kind import Kind
from edgedistill.core.shape_document import ShapeDocument
from edgedistill.cost.operators import Operator

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.profile import Precision, TargetProfile


def shape(precision: str, efficiency: float) -> ShapeDocument:
    document = {
        **SHAPE,
        "name": f"test-{precision}",
        "precision": precision,
        "efficiency": efficiency,
    }
    return ShapeDocument.read(document, file="shape")


SHAPES = (shape("fp32", 0.5), shape("int8", 1.5))


def pointwise(precision: Precision | None) -> Operator:
    return Operator(
        kind=Kind.POINTWISE,
        macs=64 * 64 * 400,
        weight_elements=64 * 64,
        input_elements=64 * 400,
        output_elements=64 * 400,
        input_channels=64,
        output_channels=64,
        precision=precision,
    )


@pytest.fixture
def board(tmp_path: Path) -> TargetProfile:
    return load("board", [write_documents(tmp_path / "boards")])


def with_cost(profile: TargetProfile, precision: Precision, cost: FittedCost) -> TargetProfile:
    armnn = profile.converted_runtimes["armnn"]
    costs = {**armnn.cost, precision: cost}
    changed = armnn.model_copy(update={"cost": costs})
    return profile.model_copy(update={"converted_runtimes": {"armnn": changed}})


def group(profile: TargetProfile, latency_ms: float, tmp_path: Path) -> Group:
    own = OwnMeasurement(
        line=2,
        model=tmp_path / "net.onnx",
        name="net.onnx",
        runtime="armnn",
        precision="int8",
        threads=1,
        latency_ms=latency_ms,
        family="net",
    )
    operators = (pointwise("int8"), pointwise("fp32"), pointwise(None))
    return Group(profile=profile, runtime="armnn", precision="int8", measured=((own, operators),))


def reproduced_ms(measured: Group) -> float:
    cost = refitted(measured, SHAPES, "a desk", "2026-11-22")
    assert isinstance(cost, FittedCost)
    profile = with_cost(measured.profile, "int8", cost)
    ((_, operators),) = measured.measured
    told = latency_of(Question(profile, "armnn", "int8", 1), operators, SHAPES)
    assert not isinstance(told, NoBasis)
    return told.latency_ms.value


@pytest.mark.parametrize("latency_ms", [0.5, 3.0, 500.0])
def test_where_float_follows_from_the_same_scale_a_measurement_is_reproduced(
    board: TargetProfile, tmp_path: Path, latency_ms: float
) -> None:
    assert reproduced_ms(group(board, latency_ms, tmp_path)) == pytest.approx(latency_ms)


def test_where_float_has_a_scale_of_its_own_it_stays_and_the_rest_is_fitted(
    board: TargetProfile, tmp_path: Path
) -> None:
    fp32: dict[str, Any] = {
        "shape": "test-fp32",
        "scale": CostScale(macs_per_s=2e9),
        "measurements": 4,
        "sources": ("a desk",),
        "fitted_on": "2026-11-22",
        "interval": IntervalFactors(low=0.8, high=1.2),
        "tier": "few-measurements",
    }
    profile = with_cost(board, "fp32", FittedCost(**fp32))
    assert reproduced_ms(group(profile, 9.0, tmp_path)) == pytest.approx(9.0)


def test_a_network_without_an_operator_in_the_precision_cannot_be_fitted(
    board: TargetProfile, tmp_path: Path
) -> None:
    measured = group(board, 9.0, tmp_path)
    ((own, _),) = measured.measured
    lone = Group(
        profile=board, runtime="armnn", precision="int8", measured=((own, (pointwise("fp32"),)),)
    )
    found = refitted(lone, SHAPES, "a desk", "2026-11-22")
    assert isinstance(found, NoBasis)
    assert "nothing in the network runs in int8" in found.reason
