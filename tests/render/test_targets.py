from __future__ import annotations

from edgedistill.core.cost_shape import CostScale
from edgedistill.core.fitted import FitError, FittedCost, IntervalFactors
from edgedistill.core.hardware import Cluster, PowerMode
from edgedistill.core.profile import Precision, Runtime, TargetProfile
from edgedistill.render.targets import WIDTH, target_page

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
    page = target_page(profile({"fp32": COST}))
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
        "x 0.9 to x 1.1",
        "A note.",
    ):
        assert words in page
    assert max(map(len, page.splitlines())) <= WIDTH


def test_a_section_without_content_is_left_out() -> None:
    page = target_page(profile({"fp32": COST}))
    assert "Accelerators" not in page
    assert "Memory" not in page
    assert "Budget" not in page


def test_a_target_without_a_fit_says_what_its_estimates_go_by() -> None:
    page = target_page(profile({}))
    assert "No cost is fitted for this target: `edgedistill estimate` goes by the data" in page


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
