from __future__ import annotations

from typing import Any

from judged_reports import SHIPPED, TEACHER, conditions, quantity

from edgedistill.core.baseline import Baseline, BaselineChange, FigureChange
from edgedistill.core.evidence import counted
from edgedistill.render.baseline import baseline_page


def baseline(**changes: Any) -> Baseline:
    fields: dict[str, Any] = {
        "schema_version": 1,
        "kind": "edgedistill-baseline",
        "target": "board",
        "run": "demo",
        "model_sha256": SHIPPED,
        "figures": {},
        "conditions": conditions(),
        "edgedistill_version": "1.0",
    }
    return Baseline(**(fields | changes))


def figure(budget: str, unit: str, old: Any, new: Any, *, less_is_better: bool = True) -> Any:
    return FigureChange(
        budget=budget, title=budget, unit=unit, less_is_better=less_is_better, old=old, new=new
    )


def page(old: Baseline | None, new: Baseline, *figures: FigureChange, written: bool = True) -> str:
    change = BaselineChange(file="b.json", old=old, new=new, figures=figures, model_differs=False)
    return baseline_page([change], written=written)


def test_each_figure_stands_with_its_interval_and_how_much_it_differs() -> None:
    text = page(
        baseline(model_sha256=TEACHER),
        baseline(),
        figure("latency_p50_ms", "ms", quantity(4.0), quantity(2.0)),
        figure("min_accuracy", "%", quantity(0.8), quantity(0.82), less_is_better=False),
        figure("max_size_mb", "MB", counted(0.5, "x"), counted(0.5, "x")),
        figure("max_energy_mj", "mJ", None, quantity(1.0)),
    )
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert lines["model"] == f"model {SHIPPED[:12]}, was {TEACHER[:12]}"
    assert "4 ms (3.8 to 4.2)" in lines["latency_p50_ms"]
    assert "-2 ms (-50.0%)" in lines["latency_p50_ms"]
    assert lines["latency_p50_ms"].endswith("better")
    assert "80 % (76 to 84)" in lines["min_accuracy"]
    assert "+2.00 points" in lines["min_accuracy"]
    assert lines["min_accuracy"].endswith("not apart")
    assert lines["max_size_mb"].split()[-1] == "same"
    assert lines["max_energy_mj"].split()[1:] == [
        "-",
        "1",
        "mJ",
        "(0.95",
        "to",
        "1.05)",
        "-",
        "new",
    ]


def test_latencies_of_two_times_are_not_called_proof() -> None:
    size = figure("max_size_mb", "MB", counted(0.5, "x"), counted(0.6, "x"))
    latency = figure("latency_p50_ms", "ms", quantity(4.0), quantity(2.0))
    old = baseline(model_sha256=TEACHER)
    assert "prove no change" in page(old, baseline(), size, latency)
    assert "prove no change" not in page(old, baseline(), size)


def test_latencies_under_other_conditions_are_called_incomparable() -> None:
    other = baseline(conditions=conditions(processor="another"))
    assert "not comparable" in page(other, baseline())
    assert "not comparable" not in page(baseline(run="old"), baseline())


def test_it_says_whether_anything_is_written() -> None:
    unchanged = page(baseline(), baseline())
    assert "nothing changes" in unchanged
    assert "better and worse" not in unchanged
    assert "b.json: changed (board, run demo)" in page(baseline(run="old"), baseline())
    assert "b.json: to be made" in page(None, baseline(), written=False)
    kept = baseline(model="b.onnx")
    assert "b.onnx is no longer named: remove it" in page(kept, baseline())
    assert "b.onnx beside it" in page(baseline(), kept)


def test_names_that_steer_a_terminal_are_shown_without_what_steers() -> None:
    assert "\x1b" not in page(None, baseline(run="a\x1b[2J", target="b\x1b[2J"))
