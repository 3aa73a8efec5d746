from __future__ import annotations

from edgedistill.core.cost_shape import CostScale
from edgedistill.core.fitted import FitError, FittedCost, IntervalFactors
from edgedistill.core.hardware import Cluster, PowerMode
from edgedistill.core.opening import Opening
from edgedistill.core.profile import Precision, Runtime, TargetProfile
from edgedistill.core.target_check import EstimateRow, ShapeRow, TargetsCheck, rows_of
from edgedistill.render.targets import WIDTH, check_page, target_page

COST = FittedCost(
    shape="onnxruntime-cpu-fp32",
    scale=CostScale(macs_per_s=3.1e9),
    measurements=154,
    sources=("Deeplite YOLOBench (Apache-2.0)",),
    fitted_on="2026-11-22",
    error=FitError(
        mean_percent=3.41,
        median_percent=2.5,
        p90_percent=7.0,
        within_10_percent_fraction=0.97,
        macs_constant_mean_percent=45.2,
    ),
    interval=IntervalFactors(low=0.9, high=1.1),
    tier="measured",
)


FIGURES = {
    "mean_percent": 3.41,
    "p90_percent": 7.0,
    "within_10_percent_fraction": 0.97,
    "macs_constant_mean_percent": 45.2,
    "interval_low": 0.9,
    "interval_high": 1.1,
    "coverage_fraction": 0.93,
}
NOTHING = dict.fromkeys(FIGURES)
ESTIMATE = EstimateRow(
    target="device",
    runtime="cpu",
    precision="fp32",
    tier="measured",
    method="a roofline of each operator",
    measurements=154,
    threads=(4,),
    sources=("Deeplite YOLOBench (Apache-2.0)",),
    **FIGURES,
)


def profile(cost: dict[Precision, FittedCost]) -> TargetProfile:
    runtime = Runtime(
        provider="CPUExecutionProvider",
        max_opset=20,
        max_ir_version=10,
        precisions=("fp32",),
        default_precision="fp32",
        cost=cost,
        source="the runtime's table",
    )
    return TargetProfile(
        schema_version=1,
        name="device",
        title="A device",
        soc="SOC-1",
        machine="aarch64",
        clusters=(
            Cluster(
                core="Cortex-A76",
                count=4,
                clock_ghz=2.4,
                fp32_flop_per_cycle=16,
                isa_flags=("neon", "dotprod"),
                source="a long data sheet " * 12,
            ),
        ),
        power_modes=(
            PowerMode(
                name="15W", low_w=7, high_w=15, basis="budget", covers="module", source="the maker"
            ),
        ),
        default_power_mode="15W",
        runtimes={"cpu": runtime},
        default_runtime="cpu",
        notes=("A note.",),
    )


def test_a_page_says_the_figures_and_their_sources_within_its_width() -> None:
    page = target_page(profile({"fp32": COST}), [ESTIMATE])
    for words in (
        "A device (SOC-1)",
        "4 x Cortex-A76 at 2.4 GHz, peak 154 GFLOP/s in fp32",
        "Flags: neon dotprod",
        "15W: 7 to 15 W, budget, of the module (the figures of this page)",
        "cpu (default): CPUExecutionProvider",
        "Accepts opset 20, IR version 10, dynamic shapes; 1 thread(s)",
        "Source: Deeplite YOLOBench (Apache-2.0)",
        "3.4 %",
        "45.2 %",
        "x 0.90 to 1.10",
        "cpu in fp32: a roofline of each operator, on 4 thread(s); fitted on 2026-11-22",
        "A note.",
    ):
        assert words in page
    assert max(map(len, page.splitlines())) <= WIDTH


def test_what_a_file_is_opened_with_is_told_with_its_source() -> None:
    plain = profile({})
    special = Opening(
        provider_options={"trt_int8_enable": "True"}, graph_optimization="none", source="an issue"
    )
    runtime = plain.runtimes["cpu"].model_copy(update={"openings": {"int8": special}})
    page = target_page(plain.model_copy(update={"runtimes": {"cpu": runtime}}))
    told = "Opens int8 files with trt_int8_enable=True, no graph optimization: an issue"
    assert told in " ".join(page.split())
    assert "Opens" not in target_page(plain)


def test_a_section_without_content_is_left_out() -> None:
    page = target_page(profile({"fp32": COST}))
    assert "Accelerators" not in page
    assert "Memory" not in page
    assert "Budget" not in page


def test_what_is_not_estimated_is_told_once_for_each_reason() -> None:
    unknown = [
        EstimateRow(
            target="device",
            runtime="cpu",
            precision=precision,
            tier="unsupported",
            reason="the driver decides",
            **NOTHING,
        )
        for precision in ("fp16", "int8")
    ]
    page = target_page(profile({}), unknown)
    assert "· Not estimated: cpu in fp16, cpu in int8\n    Why: the driver decides." in page
    assert "90 % interval" not in page


def test_the_tables_of_a_check_stay_within_its_width() -> None:
    found = TargetsCheck(
        profiles=("device",),
        faults=(),
        fits=tuple(rows_of(profile({"fp32": COST}))),
        shapes=(
            ShapeRow(
                shape="onnxruntime-cpu-int8-dotprod",
                engine="onnxruntime-cpu",
                precision="int8",
                tier="few-measurements",
                measurements=1234,
                devices=12,
                median_percent=8.0,
                confidence=0.9,
                **FIGURES,
            ),
        ),
        estimates=(ESTIMATE,),
    )
    page = check_page(found)
    for words in (
        "1 valid profiles, 0 faults; 1 valid shapes",
        "by what estimates rest on: measured 1",
        "Fitted to measurements of the device",
        "onnxruntime-cpu-int8-dotprod  few-measurements  1234       12  3.4 %  45.2 %",
        "x 0.90 to 1.10   93 %",
    ):
        assert words in page
    assert max(map(len, page.splitlines())) <= WIDTH


def test_a_power_mode_says_what_it_limits() -> None:
    mode = PowerMode(
        name="30W",
        low_w=30,
        high_w=30,
        basis="budget",
        covers="module",
        cores_on=8,
        cpu_clock_ghz=1.728,
        gpu_clock_mhz=612,
        source="the maker's file",
    )
    plain_mode = profile({}).power_modes
    page = target_page(profile({}).model_copy(update={"power_modes": (*plain_mode, mode)}))
    assert "Limits: 8 cores on, processor at 1.728 GHz, GPU at 612.0 MHz" in page
    assert page.count("Limits:") == 1
