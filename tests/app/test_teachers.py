"""Teachers that are ONNX files or ensembles, from the recipe to the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from sklearn.datasets import load_digits

import edgedistill
from edgedistill.app.compress import plan_lines
from edgedistill.app.networks import Networks
from edgedistill.core.preprocessing import METADATA_KEY, Preprocessing
from edgedistill.core.stage import SilentProgress
from edgedistill.core.teacher import Model
from edgedistill.errors import InputError
from edgedistill.models import Signature, create, weights
from edgedistill.stages.export.contract import CLASS_NAMES_KEY, read_preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill import CompressionRun
    from edgedistill.app.resolve import Resolved

DIGITS = load_digits()
PIXELS = DIGITS.images.reshape(-1, 64) / 16
CENTROIDS = np.stack([PIXELS[DIGITS.target == digit].mean(0) for digit in range(10)])
STUDENT = {"source": "builtin:mlp", "args": {"width": 16, "depth": 1}}
MACS = 640
"""Of a linear classifier of 64 pixels into 10 classes."""


@pytest.fixture
def nearest_centroid(onnx_classifier: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """The nearest mean digit as an ONNX file: |x - c|^2 = |x|^2 - 2 x c + |c|^2."""

    def write(name: str = "centroid.onnx", **more: Any) -> Path:
        bias = -(CENTROIDS**2).sum(1)
        return onnx_classifier(tmp_path / name, 2 * CENTROIDS.T, (1, 8, 8), bias=bias, **more)

    return write


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., CompressionRun]:
    """Compresses a tiny student with a teacher that has its weights; nothing is measured."""

    def compress(teacher: Any, **more: Any) -> CompressionRun:
        stages = {
            "distill": {"train": {"epochs": 1, "batch_size": 64}},
            "quantize": None,
            "benchmark": None,
        } | more.pop("stages", {})
        splits = {"validation": 0.2, "test": 0.0, "calibration": 32}
        return edgedistill.compress(
            teacher=teacher,
            student=more.pop("student", STUDENT),
            data={"source": "sklearn:digits", "splits": splits},
            stages=stages,
            targets=more.pop("targets", ("host",)),
            out=tmp_path / "run",
            threads=1,
            **more,
        )

    return compress


def _files(run: CompressionRun, pattern: str) -> list[str]:
    return sorted(path.name for path in run.folder.glob(pattern))


def test_an_onnx_file_teaches_and_is_compared_with(
    nearest_centroid: Callable[..., Path], run: Callable[..., CompressionRun]
) -> None:
    source = nearest_centroid(ends_in=("Softmax",))
    stages = {
        "quantize": {},
        "benchmark": {"rounds": 10, "runs_per_round": 2, "warmup_runs": 1},
    }
    done = run(f"onnx:{source}", stages=stages)

    teacher, distilled, _ = done.candidates["host"]
    assert teacher.accuracy.value > 0.85
    assert (teacher.macs.value, teacher.parameters.value) == (MACS, MACS + 10)
    assert teacher.latency is not None
    assert distilled.agreement is not None
    assert _files(done, "steps/teacher-*/graph.onnx") == ["graph.onnx"]
    kept = done.folder / "targets" / "host" / "waterfall" / "teacher.onnx"
    assert read_preprocessing(kept) is not None

    source.unlink()  # the run folder holds all that the report is of
    assert edgedistill.judge(done.folder).verdicts
    source = nearest_centroid(ends_in=("Softmax",))
    assert run(f"onnx:{source}", stages=stages).steps_made == 0


def test_a_file_for_one_sample_is_measured_as_it_is(
    nearest_centroid: Callable[..., Path], run: Callable[..., CompressionRun]
) -> None:
    stages = {"benchmark": {"rounds": 10, "runs_per_round": 1, "warmup_runs": 1}}
    done = run(f"onnx:{nearest_centroid(batch=1, opset=11)}", stages=stages)
    assert done.candidates["host"][0].accuracy.value > 0.85
    written = onnx.load(done.folder / "targets" / "host" / "waterfall" / "teacher.onnx")
    assert written.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


@pytest.fixture
def members(tmp_path: Path) -> list[dict[str, Any]]:
    """Two small networks with weights in safetensors."""
    made = []
    preprocessing = Preprocessing.read(
        {"kind": "image", "color": "grey", "scale": 1 / 16, "layout": "nchw"}, file="digits"
    )
    for seed in (1, 2):
        model: dict[str, Any] = {"source": "builtin:mlp", "args": {"width": 8, "depth": 1}}
        network = create(
            Model.read(model, file="m"),
            Signature({"input": (1, 8, 8)}, 10),
            base=tmp_path,
            seed=seed,
            preprocessing=preprocessing,
        )
        file = tmp_path / f"{seed}.safetensors"
        weights.write(network.module.state_dict(), file, preprocessing=preprocessing)
        made.append({**model, "weights": str(file)})
    return made


def test_an_ensemble_teaches_and_is_compared_with(
    members: list[dict[str, Any]],
    nearest_centroid: Callable[..., Path],
    run: Callable[..., CompressionRun],
) -> None:
    together = [*members, {"source": f"onnx:{nearest_centroid()}"}]
    done = run({"source": "ensemble", "members": together, "combine": "logits"})

    teacher = done.candidates["host"][0]
    assert teacher.macs.value == MACS + 2 * (64 * 8 + 8 * 10)
    assert teacher.accuracy.value > 0.5  # the members beside the centroids are untrained
    assert _files(done, "steps/teacher-*/member-*") == ["member-0", "member-1", "member-2"]
    lock = edgedistill.read_recipe(done.folder / "recipe.lock.yaml")
    assert edgedistill.run_recipe(lock, out=done.folder).steps_made == 0


def test_paths_of_files_and_members_count_from_the_recipes_folder(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "schema_version: 1\n"
        "name: small\n"
        "data: {source: sklearn:digits}\n"
        "teacher:\n"
        "  source: ensemble\n"
        "  members:\n"
        "    - {source: 'onnx:a.onnx'}\n"
        "    - {source: 'python:nets.py:net', weights: w.safetensors}\n"
        "student: {source: builtin:mlp}\n"
        "targets: {host: {}}\n"
    )
    resolved = edgedistill.read_recipe(tmp_path / "recipe.yaml")
    first, second = resolved.recipe.teacher.members
    assert first.source == f"onnx:{tmp_path}/a.onnx"
    assert second.source == f"python:{tmp_path}/nets.py:net"
    assert second.weights == f"{tmp_path}/w.safetensors"
    (tmp_path / "lock.yaml").write_text(resolved.lock())
    assert edgedistill.read_recipe(tmp_path / "lock.yaml").lock() == resolved.lock()


PAIR = {"source": "ensemble", "members": [{"source": "onnx:a.onnx"}, {"source": "onnx:b.onnx"}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"student": {"source": "onnx:a.onnx"}}, r"student\.source: is a teacher only"),
        ({"student": {"source": "ensemble"}}, r"student\.source: is a teacher only"),
        (
            {"student": None, "teacher": {"source": "onnx:a.onnx"}},
            r"student: is missing, and the teacher onnx:a\.onnx cannot be compressed itself",
        ),
        (
            {"student": None, "teacher": PAIR},
            "student: is missing, and the teacher ensemble cannot be compressed itself",
        ),
    ],
)
def test_what_can_only_teach_is_not_compressed(
    tiny: Callable[..., Resolved], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tiny(**changes)


def test_what_has_its_weights_is_not_trained(tiny: Callable[..., Resolved]) -> None:
    networks = Networks(tiny(teacher={"source": "onnx:a.onnx", "train": {"epochs": 1}}).recipe)
    with pytest.raises(InputError, match=r"teacher\.train: is given, but the teacher has its"):
        _ = networks.teacher_training
    assert Networks(tiny(teacher=PAIR).recipe).teacher_training is None


def test_every_member_without_weights_is_named(tiny: Callable[..., Resolved]) -> None:
    fresh = [{"source": "builtin:mlp"}, {"source": "onnx:a.onnx"}, {"source": "builtin:mlp"}]
    networks = Networks(tiny(teacher={"source": "ensemble", "members": fresh}).recipe)
    with pytest.raises(InputError, match="members of an ensemble are not trained") as caught:
        _ = networks.teacher_training
    assert [fault.field for fault in caught.value.faults] == [
        "teacher.members.0",
        "teacher.members.2",
    ]


class _Lines(SilentProgress):
    """A progress that keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def test_code_of_a_member_is_announced(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    nets = tmp_path / "nets.py"
    nets.write_text("from torch import nn\ndef net():\n    return nn.ReLU()\n")
    own = {"source": "python:nets.py:net"}
    lines = _Lines()
    resolved = tiny(teacher={"source": "ensemble", "members": [own, own]})
    plan = plan_lines(resolved, out=tmp_path / "run", progress=lines)
    assert lines.said == [f"This recipe runs code from {nets}:net"]
    assert any("adopt python:" in line for line in plan)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"metadata": {CLASS_NAMES_KEY: '["a"]'}}, r"class_names: teacher's classes are not the"),
        ({"metadata": {METADATA_KEY: "{}"}}, "made for another preprocessing"),
        ({"ends_in": ("Einsum",)}, "the work of this operator cannot be counted"),
        ({"batch": 4}, "does not take the data's inputs"),
    ],
)
def test_a_file_that_would_spoil_the_report_is_told_before_anything_is_trained(
    nearest_centroid: Callable[..., Path],
    run: Callable[..., CompressionRun],
    tmp_path: Path,
    more: dict[str, Any],
    message: str,
) -> None:
    source = nearest_centroid(**more)
    if "ends_in" in more:
        model = onnx.load(source)
        model.graph.node[-1].attribute.append(onnx.helper.make_attribute("equation", "...->..."))
        onnx.save(model, source)
    with pytest.raises(InputError, match=message) as caught:
        run(f"onnx:{source}")
    assert caught.value.faults[0].file == source
    assert [path.name.split("-")[0] for path in (tmp_path / "run/steps").glob("*-*")] == ["data"]


def test_a_missing_or_damaged_file_is_told_at_once(
    nearest_centroid: Callable[..., Path], run: Callable[..., CompressionRun], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"absent\.onnx: teacher\.source: the file does not"):
        run(f"onnx:{tmp_path}/absent.onnx")
    source = nearest_centroid()
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"centroid\.onnx: teacher\.source: .* damaged"):
        run(f"onnx:{source}")
