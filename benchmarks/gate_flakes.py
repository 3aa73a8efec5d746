"""Does a gate on latency flake? The same network against itself, and twice the work against it.

    python benchmarks/gate_flakes.py [--runs N] [--limit RATIO] [--networks NAME ...] [--out FILE]

Each run is a whole gate, as `edgedistill gate RUN --baseline FILE` makes it, with a limit on the
median latency of 1.05 times the baseline's. A twin is the same network in a file of other bytes (of
equal bytes the ratio is 1 without a measurement): a gate that flakes fails it now and then. A
double does all of its work twice: a gate that is lax passes it now and then. The bar: never FAIL
for the twin, never PASS for the double.

Beside it stands what a stored figure would have said: the median of one `edgedistill benchmark` of
the twin over that of another, taken at another time, held against the same limit without interval.
Run it on a machine that does other things as well: there a gate has to keep its word.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import edgedistill
from edgedistill.core.baseline import Baseline
from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.report import Choice, Provenance, Report, Row
from edgedistill.render.document import report_text
from edgedistill.store import file_sha256

NETWORKS = {"small": (3, 16, 28), "middle": (6, 32, 64)}
"""Layers, channels, and height and width of the picture."""
LIMIT = 1.05


def network(path: Path, name: str, *, times: int = 1, title: str = "") -> Path:
    """Convolutions in a row, done so many times side by side and added up."""
    layers, channels, size = NETWORKS[name]
    draw = np.random.default_rng(0)
    nodes, weights, ends = [], [], []
    for copy in range(times):
        last, width = "x", 3
        for layer in range(layers):
            made = f"{copy}-{layer}"
            shape = (channels, width, 3, 3)
            values = (0.1 * draw.standard_normal(shape)).astype(np.float32)
            weights.append(numpy_helper.from_array(values, f"weight-{made}"))
            given = [last, f"weight-{made}"]
            nodes.append(helper.make_node("Conv", given, [f"conv-{made}"], pads=[1, 1, 1, 1]))
            nodes.append(helper.make_node("Relu", [f"conv-{made}"], [f"relu-{made}"]))
            last, width = f"relu-{made}", channels
        ends.append(last)
    nodes.append(helper.make_node("Sum", ends, ["sum"]))
    nodes.append(helper.make_node("GlobalAveragePool", ["sum"], ["mean"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["y"]))
    takes, gives = [1, 3, size, size], [1, channels]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, takes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, gives)],
        weights,
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8, doc_string=title), path)
    return path


def report_of(model: Path, limit: float) -> Path:
    """A report beside a model, with one limit: on latency against the baseline's."""
    unknown = Quantity(
        value=0.5,
        low=0.0,
        high=1.0,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_STAND_IN,
        samples=1,
        method="not evaluated: this benchmark judges latency only",
    )
    absent = ("test_accuracy", "accuracy_drop", "agreement", "worst_class", "worst_group")
    row = Row(
        step="distilled",
        precision="fp32",
        model_sha256=file_sha256(model),
        accuracy=unknown,
        latency=None,
        size_mb=counted(model.stat().st_size / 1e6, "bytes of the file"),
        macs=counted(1.0, "not counted here"),
        parameters=counted(1.0, "not counted here"),
        **dict.fromkeys(absent),
    )
    report = Report(
        schema_version=2,
        run=model.stem,
        target="host",
        target_title="This machine",
        runtime="cpu",
        budget=Budget(max_latency_p50_ratio=limit),
        rows=(row,),
        choice=Choice(step="distilled", model=model.name, decided=True, reason="the only one"),
        conditions=None,
        class_names=(),
        preprocessing={},
        provenance=Provenance(
            recipe_sha256="0" * 64,
            data_sha256="0" * 64,
            data_source="none",
            seed=0,
            versions={},
            steps={},
        ),
    )
    file = model.with_suffix(".report.json")
    file.write_text(report_text(report), encoding="utf-8")
    return file


def baseline_of(model: Path) -> Path:
    """A baseline whose model lies beside it."""
    baseline = Baseline(
        schema_version=1,
        kind="edgedistill-baseline",
        target="host",
        run="baseline",
        model_sha256=file_sha256(model),
        model=model.name,
        figures={},
        conditions=None,
        edgedistill_version="none",
    )
    file = model.with_suffix(".json")
    file.write_text(report_text(baseline), encoding="utf-8")
    return file


def gates(model: Path, baseline: Path, limit: float, runs: int) -> dict[str, Any]:
    """So many whole gates: how often each outcome, and every ratio with its interval."""
    report, found = report_of(model, limit), []
    inputs = edgedistill.GateInputs(baselines=(baseline,))
    for _ in range(runs):
        started = perf_counter()
        (verdict,) = edgedistill.judge(report, inputs=inputs).verdicts
        (check,) = verdict.checks
        if check.figure is None:
            raise SystemExit(check.reason)
        figure = check.figure
        found.append(
            {
                "outcome": str(check.outcome),
                "ratio": [round(end, 4) for end in (figure.low, figure.value, figure.high)],
                "starts": figure.samples,
                "duration_s": round(perf_counter() - started, 1),
            }
        )
        print(f"    {found[-1]}", flush=True)
    return {"outcomes": dict(Counter(one["outcome"] for one in found)), "gates": found}


def stored(twins: list[Path], limit: float, runs: int) -> dict[str, Any]:
    """What medians taken at two times would have said, without an interval."""
    ratios = []
    for _ in range(runs):
        new, old = (edgedistill.benchmark(twin).models[0].latency.p50_ms.value for twin in twins)
        ratios.append(round(new / old, 4))
    return {"beyond_the_limit": sum(ratio > limit for ratio in ratios), "ratios": ratios}


def main() -> int:
    """Runs all gates, prints how they ended, and says whether the bar is kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--limit", type=float, default=LIMIT)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    results: dict[str, Any] = {"limit": given.limit, "load": []}
    kept = True
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.networks:
            folder = Path(scratch)
            base = network(folder / f"{name}.onnx", name)
            twin = network(folder / f"{name}-twin.onnx", name, title="the same network")
            double = network(folder / f"{name}-double.onnx", name, times=2)
            baseline = baseline_of(base)
            results["load"].append(os.getloadavg()[0])
            for title, model, never in (("twin", twin, "FAIL"), ("double", double, "PASS")):
                print(f"{name}, {title} (load {os.getloadavg()[0]:.1f}):", flush=True)
                found = gates(model, baseline, given.limit, given.runs)
                results[f"{name}, {title}"] = found
                kept = kept and never not in found["outcomes"]
                print(f"  {found['outcomes']}", flush=True)
            results[f"{name}, stored"] = stored([twin, base], given.limit, given.runs)
            beyond = results[f"{name}, stored"]["beyond_the_limit"]
            print(f"  stored medians of the twin beyond the limit: {beyond} of {given.runs}")
    results["conditions"] = edgedistill.target_profile("host").title
    if given.out:
        given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"bar (twin never FAIL, double never PASS): {'kept' if kept else 'missed'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
