from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest
from cost_documents import PROFILE, ROW, write_documents, write_network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edgedistill
from edgedistill.catalog.profiles import load
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.target_fit import TargetFit

HEAD = "model,precision,threads,latency_ms\n"
DAY = date(2026, 11, 22)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder of profiles, and networks of four families in `zoo`."""
    write_documents(tmp_path / "boards")
    for place, name in enumerate(("alpha", "beta", "gamma", "delta")):
        for size in (1, 2):
            write_network(
                tmp_path / "zoo" / f"{name}{size}.onnx",
                channels=8 * (place + 1),
                pixels=8 * size,
                layers=2 + place,
            )
    return tmp_path


def fit(desk: Path, lines: str, *, head: str = HEAD, out: str = "mine.yaml") -> TargetFit:
    (desk / "zoo" / "measured.csv").write_text(head + lines, encoding="utf-8")
    return edgedistill.fit_target(
        "board",
        desk / "zoo" / "measured.csv",
        runtime="armnn",
        out=desk / out,
        force=True,
        folders=[desk / "boards"],
        fitted_on=DAY,
    )


def told_ms(desk: Path, model: str, target: str, threads: int = 1) -> float:
    found = edgedistill.estimate(
        desk / "zoo" / model,
        target,
        runtime="armnn",
        precision="fp32",
        threads=threads,
        folders=[desk / "boards"],
    )
    assert found.latency_ms is not None
    return found.latency_ms.value


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(latency_ms=st.floats(1e-4, 1e6), threads=st.integers(1, 4))
def test_one_measurement_is_reproduced_exactly(desk: Path, latency_ms: float, threads: int) -> None:
    found = fit(desk, f"alpha1.onnx,fp32,{threads},{latency_ms!r}\n")
    (row,) = found.rows
    assert row.after_ms == pytest.approx(latency_ms, rel=1e-9)
    told = told_ms(desk, "alpha1.onnx", str(desk / "mine.yaml"), threads)
    assert told == pytest.approx(latency_ms, rel=1e-9)
    (one,) = found.costs
    assert (one.tier_before, one.cost.tier) == ("data-sheet", "few-measurements")
    assert one.cost.threads == (threads,)
    assert (one.cost.interval.low, one.cost.interval.high) == (0.7, 1.4)
    assert one.cost.error is None


def test_one_measurement_moves_every_other_network_alike(desk: Path) -> None:
    before = told_ms(desk, "delta2.onnx", "board")
    fit(desk, f"alpha1.onnx,fp32,1,{3 * told_ms(desk, 'alpha1.onnx', 'board')!r}\n")
    assert told_ms(desk, "delta2.onnx", str(desk / "mine.yaml")) == pytest.approx(3 * before)


def test_the_profile_keeps_every_line_that_a_person_wrote(desk: Path) -> None:
    fit(desk, "alpha1.onnx,fp32,1,5.0\n")
    written = (desk / "mine.yaml").read_text(encoding="utf-8").splitlines()
    lost = [line for line in PROFILE.splitlines() if line not in written]
    assert lost == ["name: board"]
    assert (desk / "boards" / "board.yaml").read_text(encoding="utf-8") == PROFILE
    profile = load("mine", [desk])
    cost = profile.converted_runtimes["armnn"].cost["fp32"]
    assert cost.sources == ("Own measurements on this device: measured.csv, 2026-11-22",)
    assert cost.fitted_on == "2026-11-22"


def many(desk: Path, wrong: float = 1.0) -> str:
    """24 measurements of 8 networks on a device 2.5 times as slow; one family slower still."""
    return "".join(
        f"{name}{size}.onnx,fp32,{threads},{2.5 * (wrong if name == 'delta' else 1.0) * told!r}\n"
        for name in ("alpha", "beta", "gamma", "delta")
        for size in (1, 2)
        for threads in (1, 2, 4)
        for told in [told_ms(desk, f"{name}{size}.onnx", "board", threads)]
    )


def test_many_measurements_of_several_families_are_a_measured_device(desk: Path) -> None:
    (one,) = fit(desk, many(desk)).costs
    assert (one.cost.tier, one.cost.measurements, one.cost.families) == ("measured", 24, 4)
    assert one.cost.threads == (1, 2, 4)
    assert one.cost.error is not None
    assert one.cost.error.mean_percent < 1.0
    assert one.cost.error.macs_constant_mean_percent is not None
    assert one.cost.error.macs_constant_mean_percent > one.cost.error.mean_percent
    assert one.cost.scale is not None
    assert one.cost.scale.macs_per_s == pytest.approx(1.5e9 * 4 * 0.5 / 2.5, rel=0.02)


def test_the_interval_of_a_measured_device_is_as_wide_as_its_residuals(desk: Path) -> None:
    (one,) = fit(desk, many(desk, wrong=1.5)).costs
    assert one.cost.tier == "measured"
    assert one.cost.interval.high > 1.2


def test_a_few_measurements_never_promise_more_than_their_tier_or_than_was_seen(
    desk: Path,
) -> None:
    told = told_ms(desk, "alpha1.onnx", "board")
    few = "".join(
        f"{name}1.onnx,fp32,1,{factor * told_ms(desk, f'{name}1.onnx', 'board')!r}\n"
        for name, factor in (("alpha", 1.0), ("beta", 6.0), ("gamma", 0.3))
    )
    (one,) = fit(desk, few).costs
    assert one.cost.tier == "few-measurements"
    assert one.cost.interval.high > 1.4
    assert told > 0


def test_a_fitted_profile_can_be_fitted_again(desk: Path) -> None:
    fit(desk, "alpha1.onnx,fp32,1,5.0\n")
    found = edgedistill.fit_target(
        desk / "mine.yaml",
        desk / "zoo" / "measured.csv",
        runtime="armnn",
        out=desk / "again.yaml",
        folders=[desk / "boards"],
    )
    (row,) = found.rows
    assert row.before_ms == pytest.approx(5.0)
    assert row.after_ms == pytest.approx(5.0)
    assert found.costs[0].tier_before == "few-measurements"


def test_a_measured_network_may_be_one_of_a_file_of_operator_lists(desk: Path) -> None:
    (desk / "zoo" / "lists.json").write_text(json.dumps({"resnet18": [ROW]}), encoding="utf-8")
    found = fit(desk, "lists.json#resnet18,fp32,1,5.0\n")
    (row,) = found.rows
    assert row.after_ms == pytest.approx(5.0)
    with pytest.raises(InputError, match=r"line 2: model.*lists\.json#resnet19"):
        fit(desk, "lists.json#resnet19,fp32,1,5.0\n")


def test_all_faults_of_the_measurements_come_at_once_with_their_lines(desk: Path) -> None:
    lines = (
        "absent.onnx,fp32,1,5.0\n"
        "alpha1.onnx,fp8,1,5.0\n"
        "alpha1.onnx,fp16,1,5.0\n"
        "alpha1.onnx,fp32,0,5.0\n"
        "alpha1.onnx,fp32,5,5.0\n"
        "alpha1.onnx,fp32,1,nan\n"
        "alpha1.onnx,fp32,1,0\n"
        "alpha1.onnx,fp32,1,-3\n"
        "alpha1.onnx,fp32,1,inf\n"
        "alpha1.onnx,fp32,1,fast\n"
        "alpha1.onnx,fp32,1\n"
        "\n"
        "alpha1.onnx,fp32,one,-1\n"
    )
    with pytest.raises(InputError) as caught:
        fit(desk, lines)
    message = str(caught.value)
    for words in (
        "line 2: model: is not a file (given: 'absent.onnx')",
        "line 3: precision: is not a precision (given: 'fp8')",
        "line 4: precision: is not a precision of armnn here (given: 'fp16')",
        "line 5: threads: is not a number of threads (given: '0'). Give a whole number from 1 to 4",
        "line 6: threads: is not a number of threads (given: '5')",
        "line 7: latency_ms: is not a latency (given: 'nan'). Give milliseconds, more than 0",
        "line 8: latency_ms",
        "line 9: latency_ms",
        "line 10: latency_ms",
        "line 11: latency_ms",
        "line 12: has another number of cells (given: '3'). Give 4 cells",
        "line 14: threads",
        "line 14: latency_ms",
    ):
        assert words in message
    assert len(caught.value.faults) == 13
    assert not (desk / "mine.yaml").exists()


@pytest.mark.parametrize(
    ("head", "lines", "words"),
    [
        (HEAD, "", "holds no measurement"),
        ("", "", "lacks the column model, precision, threads, latency_ms"),
        ("model,precision,threads\n", "", "lacks the column latency_ms"),
        ("model,precision,threads,latency_ms,temp\n", "", "is not a known column (given: 'temp')"),
        ("model,model,precision,threads,latency_ms\n", "", "is a column that stands twice"),
        (
            "model,precision,threads,latency_ms,percentile\n",
            "alpha1.onnx,fp32,1,5.0,95\n",
            "line 2: percentile: is not the median",
        ),
        (
            "model,precision,threads,latency_ms,runtime\n",
            "alpha1.onnx,fp32,1,5.0,armn\n",
            "line 2: runtime: is not a runtime of board (given: 'armn'). Choose one of: cpu, armnn",
        ),
        (HEAD, "alpha1.onnx,int8,1,5.0\n", "cannot be fitted: there is no shape for armnn in int8"),
        (HEAD, "measured.csv,fp32,1,5.0\n", "line 2: model: cannot be read as an ONNX model"),
    ],
)
def test_what_cannot_be_read_is_refused(desk: Path, head: str, lines: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        fit(desk, lines, head=head)
    assert words in str(caught.value)
    assert not (desk / "mine.yaml").exists()


def test_nothing_is_overwritten_unless_it_is_wanted(desk: Path) -> None:
    csv = desk / "zoo" / "measured.csv"
    csv.write_text(f"{HEAD}alpha1.onnx,fp32,1,5.0\n", encoding="utf-8")
    (desk / "mine.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is there already"):
        edgedistill.fit_target(
            "board", csv, runtime="armnn", out=desk / "mine.yaml", folders=[desk / "boards"]
        )
    assert (desk / "mine.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["Mine.yaml", "mine.txt", "mine", "my board.yaml"])
def test_a_file_that_no_profile_can_have_is_refused(desk: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be the file of a profile"):
        fit(desk, "alpha1.onnx,fp32,1,5.0\n", out=name)


def test_a_missing_file_of_measurements_is_named(desk: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: is not a file"):
        edgedistill.fit_target("board", desk / "none.csv", folders=[desk / "boards"])
