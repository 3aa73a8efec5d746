from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import edgedistill
from edgedistill import Budget
from edgedistill.app.glance import why_not_worth
from edgedistill.bench.samples import read_samples
from edgedistill.catalog.profiles import load
from edgedistill.core.evidence import Evidence
from edgedistill.core.verdict import Outcome
from edgedistill.errors import InputError
from edgedistill.render.document import read_report
from edgedistill.stages.export.contract import read_preprocessing
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill import CompressionRun
    from edgedistill.app.resolve import Resolved

KILLS = 4
"""Kept small here; benchmarks/kill_resume.py does it twenty times."""

FURTHER = ("int8-U8S8-per-tensor", "int8-U8U8", "int8-S8S8")
"""Candidates of this machine that are made where a first look does not find them slow."""


class Lines:
    """A progress that keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def track(self, title: str, total: int) -> Any:
        from edgedistill.core.stage import SilentProgress

        return SilentProgress().track(title, total)


def _recipe_file(resolved: Resolved, folder: Path) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(resolved.lock())
    return path


def _models(folder: Path) -> dict[str, str]:
    files = sorted(folder.glob("targets/*/waterfall/*.onnx"))
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def test_each_target_gets_a_model_that_onnxruntime_loads_alone(finished: CompressionRun) -> None:
    for target in ("host", "jetson-orin-nano"):
        model = finished.model(target)
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        image = np.zeros((1, 1, 8, 8), np.float32)
        (logits,) = session.run(None, {session.get_inputs()[0].name: image})
        assert logits.shape == (1, 10)
        assert read_preprocessing(model) is not None


def test_the_report_holds_the_waterfall_with_evidence(finished: CompressionRun) -> None:
    host, jetson = finished.reports["host"], finished.reports["jetson-orin-nano"]
    assert [row.step for row in host.rows] == ["teacher", "distilled", "pruned", "int8"]
    for row in host.rows:
        assert row.latency is not None
        assert row.latency.p50_ms.evidence is Evidence.MEASURED_ON_DEVICE
        assert row.accuracy.evidence is Evidence.MEASURED_ON_DEVICE
        assert row.macs.evidence is Evidence.COUNTED
        assert row.test_accuracy is not None
    assert any(note.startswith("Where there is no latency: ") for note in jetson.notes)
    for row in jetson.rows:
        assert row.latency is None
        assert row.accuracy.evidence is Evidence.MEASURED_ON_STAND_IN
    by_step = {row.step: row for row in host.rows}
    assert by_step["pruned"].macs.value <= 0.6 * by_step["distilled"].macs.value
    assert by_step["int8"].macs.value == by_step["pruned"].macs.value
    assert by_step["int8"].size_mb.value < by_step["pruned"].size_mb.value
    assert by_step["int8"].int8 is not None
    assert by_step["int8"].int8.verified == "in-runtime"
    assert jetson.rows[-1].int8 is not None
    assert jetson.rows[-1].int8.verified == "unverified"
    for report in (host, jetson):
        row = report.rows[-1]
        assert row.int8 is not None
        attempts = row.int8.attempts
        assert attempts is not None
        assert attempts.kept[-1].figure == row.accuracy.value  # judged as the report judges
        assert attempts.figure_is == "accuracy"
    assert not jetson.choice.decided
    assert [one.name for one in jetson.candidates] == ["fp32", "int8-S8S8", "fp16"]
    assert any("trained by this run" in note for note in host.notes)


def test_the_report_says_how_the_model_is_opened_on_its_target(finished: CompressionRun) -> None:
    for name, report in finished.reports.items():
        runtime, precision = load(name).runtimes[report.runtime], report.shipped().precision
        assert precision is not None
        assert report.session == runtime.opened_with(precision)
    jetson = finished.reports["jetson-orin-nano"]
    assert jetson.choice.step == "int8"
    assert jetson.session is not None
    assert jetson.session.provider == "TensorrtExecutionProvider"
    assert jetson.session.provider_options["trt_int8_enable"] == "True"


def test_every_candidate_of_the_last_network_stands_in_the_report(
    finished: CompressionRun,
) -> None:
    report, folder = finished.reports["host"], finished.folder / "targets" / "host"
    candidates = {one.name: one for one in report.candidates}
    made = [name for name, one in candidates.items() if one.row is not None]
    assert made[:2] == ["fp32", "int8-U8S8"]
    assert set(made[2:]) < set(FURTHER)
    assert {*candidates} == {"fp32", "int8-U8S8", *FURTHER, "int8-dynamic"}
    assert list(candidates)[: len(made)] == made
    for name in made:
        row, model = candidates[name].row, candidates[name].model
        assert row is not None
        assert model is not None
        assert row.model_sha256 == file_sha256(folder / model)
        assert row.latency is not None
        ratio = candidates[name].speedup
        assert (ratio is None) == (name == "fp32")
        assert ratio is None or ratio.confidence == pytest.approx(1 - 0.05 / (len(made) - 1))
    assert [one.name for one in candidates.values() if one.ships] == [report.choice.variant]
    assert candidates["fp32"].row == report.rows[2]
    assert report.rows[-1] in [one.row for one in candidates.values()]


def test_a_candidate_that_cannot_be_made_says_why_and_stops_nothing(
    finished: CompressionRun,
) -> None:
    candidates = {one.name: one for one in finished.reports["host"].candidates}
    signed, dynamic = candidates["int8-S8S8"], candidates["int8-dynamic"]
    assert signed.row is dynamic.row is None
    assert "stay in float: Conv" in signed.reason
    assert "1 of 7 are matrix products" in dynamic.reason
    assert not (finished.folder / "targets/host/waterfall/int8-dynamic.onnx").exists()


def test_a_further_scheme_that_a_first_look_finds_slow_is_not_climbed_and_says_why(
    finished: CompressionRun,
) -> None:
    (glance,) = (finished.folder / "steps").glob("glance-*")
    samples = read_samples(glance)
    assert set(samples.sha256) == {"fp32", "int8-U8S8-per-tensor", "int8-U8U8"}
    slow = {name: why_not_worth(glance, name) for name in FURTHER}
    assert slow["int8-S8S8"] is None  # it has no plain file, and its own step says why
    candidates = {one.name: one for one in finished.reports["host"].candidates}
    for name in ("int8-U8S8-per-tensor", "int8-U8U8"):
        one, reason = candidates[name], slow[name]
        assert (one.row is None) == (reason is not None)
        assert reason is None or one.reason == reason
        kept = finished.folder / "targets/host/waterfall" / f"{name}.onnx"
        assert kept.exists() == (reason is None)


def test_the_report_on_disk_is_about_the_model_beside_it(finished: CompressionRun) -> None:
    folder = finished.folder / "targets" / "host"
    report = read_report(folder / "report.json")
    assert report == finished.reports["host"]
    assert report.shipped().model_sha256 == file_sha256(folder / "model.onnx")
    assert "What each step cost" in (folder / "report.md").read_text()
    assert "What each step cost" in (folder / "report.html").read_text(encoding="utf-8")
    index = (finished.folder / "index.html").read_text(encoding="utf-8")
    assert all(f"targets/{target}/report.html" in index for target in finished.reports)


def test_an_unmeasured_latency_budget_is_unjudged(finished: CompressionRun) -> None:
    verdicts = {verdict.target: verdict for verdict in finished.gate().verdicts}
    assert verdicts["host"].outcome is Outcome.PASS
    assert verdicts["jetson-orin-nano"].outcome is Outcome.UNJUDGED
    assert edgedistill.judge(finished.folder).outcome is Outcome.UNJUDGED


def test_a_second_run_does_nothing(finished: CompressionRun) -> None:
    resolved = edgedistill.read_recipe(finished.folder / "recipe.lock.yaml")
    before = _models(finished.folder)
    lines = Lines()
    again = edgedistill.run_recipe(resolved, out=finished.folder, progress=lines)
    assert again.steps_made == 0
    assert again.steps_reused > 0
    assert lines.said == []
    assert _models(finished.folder) == before
    assert again.reports == finished.reports


def test_a_changed_key_reruns_only_what_depends_on_it(
    finished: CompressionRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    resolved = edgedistill.read_recipe(
        folder / "recipe.lock.yaml",
        settings=("stages.quantize.calibration=percentile", "stages.benchmark=null"),
    )
    lines = Lines()
    run = edgedistill.run_recipe(resolved, out=folder, progress=lines)
    ran = sorted({line.split("] ")[1].split(":")[0] for line in lines.said if "] " in line})
    # a fine-tuned network follows from whether the first scheme breaks the budget
    assert ran == ["export", "fine-tune", "predict", "quantize"]
    # of this machine three static schemes and the fine-tuned one, of the other device one and one
    counts = Counter(line.split("] ")[1].split(":")[0] for line in lines.said if "] " in line)
    assert counts == {"fine-tune": 2, "export": 2, "quantize": 7, "predict": 7}
    assert run.steps_made == 18


def test_an_unfinished_run_is_not_judged(finished: CompressionRun, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    state = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**state, "state": "running"}))
    result = edgedistill.judge(folder, finished.folder / "targets" / "host" / "report.json")
    assert result.outcome is Outcome.UNJUDGED
    assert "the run is not complete" in str(result)
    assert [verdict.outcome for verdict in result.verdicts] == [Outcome.PASS]


def test_a_model_that_is_not_the_reports_is_not_judged(
    finished: CompressionRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    (folder / "targets" / "host" / "model.onnx").write_bytes(b"another")
    result = edgedistill.judge(folder)
    assert result.outcome is Outcome.UNJUDGED
    assert "is not the model that" in str(result)
    assert [verdict.target for verdict in result.verdicts] == ["jetson-orin-nano"]


@pytest.mark.parametrize("content", ["", "{", '{"targets": "host"}', "[]"])
def test_a_damaged_run_is_bad_input(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"run\.json"):
        edgedistill.judge(tmp_path)


def test_a_folder_without_a_run_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is neither a run folder nor a report"):
        edgedistill.judge(tmp_path)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_models(
    finished: CompressionRun, tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    recipe = _recipe_file(tiny(), tmp_path)
    out = tmp_path / "run"
    command = [sys.executable, "-m", "edgedistill", "compress", str(recipe), "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    moments = random.Random(0)
    killed = 0
    for _ in range(KILLS):
        with subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                process.wait(timeout=moments.uniform(4, 12))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += 1
    assert killed
    subprocess.run(command, env=environment, check=True, capture_output=True)
    own, reference = _models(out), _models(finished.folder)
    assert all(own[name] == reference[name] for name in own.keys() & reference.keys())
    # which further schemes are made follows from a measurement, and each run took its own
    looked_at = {f"targets/host/waterfall/{name}.onnx" for name in FURTHER}
    assert own.keys() ^ reference.keys() <= looked_at
    assert not list((out / "steps").glob(".unfinished*"))


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    digits = load_digits()
    images = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
    return images, torch.tensor(digits.target)


def _live_teacher() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def test_live_modules_and_loaders_go_in_and_a_gated_model_comes_out(tmp_path: Path) -> None:
    images, labels = _digits()
    loaders = {
        name: DataLoader(TensorDataset(images[part], labels[part]), batch_size=64)
        for name, part in (("train", slice(0, 1200)), ("validation", slice(1200, 1797)))
    }
    teacher = _live_teacher()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    arguments: dict[str, Any] = {
        "teacher": teacher,
        "student": nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
        "data": {**loaders, "splits": {"test": 0.0}, "class_names": list("ABCDEFGHIJ")},
        "stages": {
            "distill": {"train": {"epochs": 1, "batch_size": 64}},
            "benchmark": {"rounds": 10, "runs_per_round": 2, "warmup_runs": 1},
        },
        "targets": {"host": Budget(latency_p50_ms=1000.0)},
        "out": tmp_path / "run",
    }
    run = edgedistill.compress(**arguments)
    assert run.gate().outcome is Outcome.PASS
    assert [row.step for row in run.candidates["host"]] == ["teacher", "distilled", "int8"]
    assert run.reports["host"].rows[0].test_accuracy is None
    assert run.reports["host"].class_names == tuple("ABCDEFGHIJ")
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert edgedistill.compress(**arguments).steps_made == 0
    lock = yaml.safe_load((tmp_path / "run" / "recipe.lock.yaml").read_text())
    assert lock["teacher"]["source"] == "live:teacher"
    assert list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob("*.pkl")) + list(tmp_path.rglob("*.pt"))


def test_the_teacher_itself_is_pruned_and_quantized_where_there_is_no_student(
    tmp_path: Path,
) -> None:
    images, labels = _digits()
    run = edgedistill.compress(
        teacher=_live_teacher(),
        data={
            "train": (images[:400].numpy(), labels[:400].numpy()),
            "validation": (images[400:600].numpy(), labels[400:600].numpy()),
        },
        stages={
            "prune": {"macs_ratio": 0.6, "recover": {"train": {"epochs": 1, "batch_size": 64}}},
            "benchmark": None,
        },
        targets=("raspberry-pi-4",),
        out=tmp_path / "run",
    )
    rows = run.candidates["raspberry-pi-4"]
    assert [row.step for row in rows] == ["teacher", "pruned", "int8"]
    assert rows[1].macs.value <= 0.6 * rows[0].macs.value
    assert run.gate().outcome is Outcome.UNJUDGED


def test_a_refused_recipe_leaves_the_finished_run_as_it_was(
    finished: CompressionRun, tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "def student():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))\n"
    )
    with pytest.raises(InputError, match=r"student\.source"):
        edgedistill.run_recipe(tiny(student={"source": "python:nets.py:student"}), out=folder)
    assert _models(folder) == _models(finished.folder)
    assert len(edgedistill.judge(folder).verdicts) == 2


def test_measuring_again_takes_new_samples_and_nothing_else(
    finished: CompressionRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    resolved = edgedistill.read_recipe(folder / "recipe.lock.yaml")
    again = edgedistill.run_recipe(resolved, out=str(folder), measure_again=True)
    assert again.steps_made == 2
    for file, raw in (
        ("measure-*/samples.json", "wall_ns"),
        ("profile-*/operators.json", "models"),
    ):
        before, after = (
            json.loads(next(run.glob(f"steps/{file}")).read_text())
            for run in (finished.folder, folder)
        )
        assert before["sha256"] == after["sha256"]
        assert before[raw] != after[raw]


def test_the_licence_of_the_data_is_the_recipes_else_the_sources(
    finished: CompressionRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    lock = folder / "recipe.lock.yaml"
    resolved = edgedistill.read_recipe(lock, settings=("data.licence=CC0-1.0",))
    again = edgedistill.run_recipe(resolved, out=folder)
    assert again.steps_made == 0
    assert again.reports["host"].provenance.data_licence == "CC0-1.0"
    known = finished.reports["host"].provenance.data_licence
    assert known == "CC-BY-4.0 (UCI Machine Learning Repository, data set 80)"


def test_a_profile_of_the_users_own_is_a_target_by_its_name(
    finished: CompressionRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    shipped = Path(edgedistill.__file__).parents[1] / "targets" / "host.yaml"
    (tmp_path / "mine.yaml").write_text(shipped.read_text().replace("name: host", "name: mine"))
    recipe = yaml.safe_load((folder / "recipe.lock.yaml").read_text())
    recipe["targets"] = {"mine.yaml": {"budget": {"latency_p50_ms": 1000.0}}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run = edgedistill.run_recipe(edgedistill.read_recipe(str(tmp_path / "recipe.yaml")), out=folder)
    assert run.model("mine") == folder / "targets" / "mine" / "model.onnx"
    assert run.gate().outcome is Outcome.PASS
    assert sorted(path.name for path in (folder / "targets").iterdir()) == ["mine"]


def test_a_device_that_is_away_is_estimated_and_judged_where_its_budget_allows(
    finished: CompressionRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    recipe = yaml.safe_load((folder / "recipe.lock.yaml").read_text())
    enough = {"latency_p50_ms": 1000.0, "max_peak_memory_mb": 99.0, "max_energy_mj": 1e4}
    recipe["targets"] = {"raspberry-pi-5": {"budget": {**enough, "evidence": "estimated"}}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run = edgedistill.run_recipe(edgedistill.read_recipe(str(tmp_path / "recipe.yaml")), out=folder)
    report = run.reports["raspberry-pi-5"]
    for row in report.rows:
        assert row.latency is not None
        assert row.latency.p50_ms.evidence is Evidence.ESTIMATED
        assert row.peak_memory_mb is not None
        assert row.energy_mj is not None
    shipped = report.shipped().latency
    alone = edgedistill.estimate(run.model("raspberry-pi-5"), "raspberry-pi-5").latency_ms
    assert shipped is not None
    assert shipped.p50_ms == alone
    assert not report.choice.decided
    assert "too close to tell" in report.choice.reason
    assert run.gate().outcome is Outcome.PASS
    recipe["targets"]["raspberry-pi-5"]["budget"]["evidence"] = "measured"
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run = edgedistill.run_recipe(edgedistill.read_recipe(str(tmp_path / "recipe.yaml")), out=folder)
    assert run.gate().outcome is Outcome.UNJUDGED


def test_a_student_that_does_not_fit_is_told_before_the_teacher_is_trained(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    nets = tmp_path / "nets.py"
    nets.write_text(
        "from torch import nn\n"
        "def student():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))\n"
    )
    resolved = tiny(student={"source": "python:nets.py:student"})
    lines = Lines()
    with pytest.raises(InputError, match=r"student\.source"):
        edgedistill.run_recipe(resolved, out=tmp_path / "run", progress=lines)
    assert not [line for line in lines.said if "teacher" in line]
    assert any(f"runs code from {nets}" in line for line in lines.said)
    assert not (tmp_path / "run" / "targets").exists()


def test_a_live_recipe_cannot_be_run_from_its_lock_alone(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    path = _recipe_file(tiny(teacher={"source": "live:teacher"}), tmp_path)
    with pytest.raises(InputError, match="live"):
        edgedistill.run_recipe(edgedistill.read_recipe(path), out=tmp_path / "run")
