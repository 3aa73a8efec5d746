from __future__ import annotations

from pathlib import Path

from edgedistill.core.cost_shape import CostScale
from edgedistill.core.fitted import FitError, FittedCost, IntervalFactors
from edgedistill.core.target_fit import FittedRow, RefittedCost, TargetFit
from edgedistill.render.estimate import WIDTH
from edgedistill.render.target_fit import fit_page


def test_each_measurement_stands_beside_what_was_said_before_and_after() -> None:
    rows = tuple(
        FittedRow(
            line=place,
            model=name,
            runtime="cpu",
            precision="fp32",
            threads=4,
            measured_ms=100.0,
            before_ms=before,
            after_ms=104.0,
        )
        for place, (name, before) in enumerate(
            [("a/long/path/" * 6 + "net.onnx", 150.0), ("b", None)]
        )
    )
    cost = FittedCost(
        shape="a-shape",
        scale=CostScale(macs_per_s=1e9),
        measurements=2,
        families=2,
        sources=("a desk",),
        fitted_on="2026-11-22",
        interval=IntervalFactors(low=0.8, high=1.25),
        tier="few-measurements",
        error=FitError(
            mean_percent=4.0,
            median_percent=4.0,
            p90_percent=4.0,
            within_10_percent_fraction=1.0,
            macs_constant_mean_percent=33.0,
        ),
    )
    refitted = RefittedCost(runtime="cpu", precision="fp32", tier_before="data-sheet", cost=cost)
    page = fit_page(TargetFit(target="mine", file=Path("mine.yaml"), rows=rows, costs=(refitted,)))
    for words in (
        "150 ms  +50.0 %  104 ms  +4.0 %",
        "-        -  104 ms  +4.0 %",
        "data-sheet before, now few-measurements (2 measurement(s), families: 2)",
        "off by 4.0 % on average, MACs times a constant by 33.0 %",
        "Written to mine.yaml as the target mine",
    ):
        assert words in page
    assert max(map(len, page.splitlines())) <= WIDTH
