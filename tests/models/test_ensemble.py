from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.teacher import Model, Teacher
from edgedistill.errors import InputError
from edgedistill.models import (
    Ensemble,
    GraphModule,
    Network,
    Signature,
    build,
    count_parameters,
    create,
    fingerprint,
    has_weights,
    load,
    logits,
    members,
    runs_code,
    save,
    weights,
)
from edgedistill.models.ensemble import combined

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIGNATURE = Signature({"input": (1, 4, 4)}, 3)
PLAIN = Preprocessing()
WEIGHT = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
ANSWERS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(2, 6)),
    elements=st.floats(-30, 30, width=32),
)


@pytest.fixture
def teacher(onnx_classifier: Callable[..., Path], tmp_path: Path) -> Teacher:
    """A built-in network with weights, another one, and an ONNX file, all in `tmp_path`."""
    onnx_classifier(tmp_path / "linear.onnx", WEIGHT, (1, 4, 4), ends_in=("Softmax",))
    small = Model(source="builtin:mlp", args={"width": 5, "depth": 1})
    for seed in (1, 2):
        module = build(small, SIGNATURE, base=tmp_path, seed=seed)
        weights.write(module.state_dict(), tmp_path / f"{seed}.safetensors", preprocessing=PLAIN)
    return Teacher(
        source="ensemble",
        members=(
            small.model_copy(update={"weights": "1.safetensors"}),
            Model(source="onnx:linear.onnx"),
            small.model_copy(update={"weights": "2.safetensors"}),
        ),
    )


def _network(teacher: Teacher, base: Path) -> Network:
    return create(teacher, SIGNATURE, base=base, seed=0, preprocessing=PLAIN, field="teacher")


def _inputs() -> dict[str, torch.Tensor]:
    return {"input": torch.from_numpy(np.random.default_rng(1).normal(size=(6, 1, 4, 4))).float()}


@given(ANSWERS)
def test_combining_probabilities_averages_them(answers: np.ndarray) -> None:
    powers = np.exp(answers.astype(np.float64) - answers.max(2, keepdims=True))
    expected = (powers / powers.sum(2, keepdims=True)).mean(0)
    found = torch.softmax(combined(torch.from_numpy(answers), "probabilities"), 1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


@given(ANSWERS)
def test_combining_logits_averages_them(answers: np.ndarray) -> None:
    found = combined(torch.from_numpy(answers), "logits")
    np.testing.assert_allclose(found.numpy(), answers.astype(np.float64).mean(0), atol=1e-4)


def test_members_that_are_sure_beyond_float32_stay_finite() -> None:
    answers = torch.tensor([[[1e4, 0.0, 0.0]], [[0.0, 1e4, 0.0]]])
    found = combined(answers, "probabilities")
    assert torch.isfinite(found).all()
    torch.testing.assert_close(torch.softmax(found, 1), torch.tensor([[0.5, 0.5, 0.0]]))


@pytest.mark.parametrize("combine", ["probabilities", "logits"])
def test_a_network_beside_itself_says_what_it_says_alone(combine: str) -> None:
    answers = torch.randn(1, 5, 4)
    found = combined(answers.expand(3, 5, 4), combine)  # type: ignore[arg-type]
    torch.testing.assert_close(torch.softmax(found, 1), torch.softmax(answers[0], 1))


class _Structured(nn.Linear):
    """Answers as networks of transformers do."""

    def forward(self, x: torch.Tensor) -> object:
        class Answer:
            logits = super(_Structured, self).forward(x)

        return Answer()


def test_what_each_member_says_can_be_asked() -> None:
    plain, structured = nn.Linear(2, 3), _Structured(2, 3)
    ensemble = Ensemble([plain, structured])
    x = torch.randn(4, 2)
    said = ensemble.member_logits({"x": x})
    assert said.shape == (2, 4, 3)
    assert torch.equal(said[0], plain(x))
    assert torch.equal(said[1], structured(x).logits)  # type: ignore[attr-defined]
    assert torch.equal(ensemble(x), combined(said, "probabilities"))


def test_it_is_built_from_its_members_as_each_is_alone(teacher: Teacher, tmp_path: Path) -> None:
    network = _network(teacher, tmp_path)
    inputs = _inputs()
    assert isinstance(network.module, Ensemble)
    said = network.module.member_logits(inputs)
    for place, member in enumerate(teacher.members):
        alone = build(member, SIGNATURE, base=tmp_path, seed=9)
        assert torch.equal(said[place], logits(alone, inputs))
    assert [member.model for member in members(network)] == list(teacher.members)
    assert has_weights(teacher, base=tmp_path)
    assert count_parameters(network) == 2 * (17 * 5 + 6 * 3) + 16 * 3 + 3
    assert not network.module.training


def test_it_comes_back_from_its_folder_alone(teacher: Teacher, tmp_path: Path) -> None:
    network, inputs = _network(teacher, tmp_path), _inputs()
    folders = []
    for name in ("one", "two"):
        folders.append(tmp_path / "saved" / name)
        folders[-1].mkdir(parents=True)
        save(network, folders[-1])
    for file in tmp_path.glob("*.*"):
        file.unlink()
    loaded = load(folders[0], model=teacher, base=tmp_path, field="teacher")
    assert torch.equal(logits(loaded.module, inputs), logits(network.module, inputs))
    kept = {path.relative_to(folders[0]).as_posix() for path in folders[0].rglob("*.*")}
    assert kept == {
        "network.json",
        "member-0/network.json",
        "member-0/weights.safetensors",
        "member-1/network.json",
        "member-1/graph.onnx",
        "member-2/network.json",
        "member-2/weights.safetensors",
    }
    for path in kept:
        content = (folders[0] / path).read_bytes()
        assert content == (folders[1] / path).read_bytes()
        assert str(tmp_path).encode() not in content


def test_a_member_that_is_gone_is_told(teacher: Teacher, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    save(_network(teacher, tmp_path), folder)
    (folder / "member-1" / "graph.onnx").unlink()
    with pytest.raises(InputError, match=r"member-1/graph\.onnx: teacher\.members\.1\.source"):
        load(folder, model=teacher, base=tmp_path, field="teacher")
    shutil.rmtree(folder / "member-2")
    with pytest.raises(InputError, match=r"graph\.onnx|member-2/network\.json"):
        load(folder, model=teacher, base=tmp_path, field="teacher")


def test_a_single_onnx_file_comes_back_from_its_folder_alone(
    teacher: Teacher, tmp_path: Path
) -> None:
    model, inputs = Teacher(source="onnx:linear.onnx"), _inputs()
    network = _network(model, tmp_path)
    folder = tmp_path / "saved"
    folder.mkdir()
    save(network, folder)
    source = tmp_path / "linear.onnx"
    assert (folder / "graph.onnx").read_bytes() == source.read_bytes()
    source.unlink()
    loaded = load(folder, model=model, base=tmp_path, field="teacher")
    assert isinstance(loaded.module, GraphModule)
    assert torch.equal(logits(loaded.module, inputs), logits(network.module, inputs))


def test_a_fault_of_a_member_is_told_with_its_place(teacher: Teacher, tmp_path: Path) -> None:
    (tmp_path / "2.safetensors").unlink()
    with pytest.raises(InputError, match=r"teacher\.members\.2\.weights: the file does not exist"):
        _network(teacher, tmp_path)
    with pytest.raises(InputError, match=r"teacher\.members\.2\.weights: the file does not exist"):
        fingerprint(teacher, base=tmp_path, field="teacher")


def test_the_fingerprint_follows_members_and_how_they_are_combined(
    teacher: Teacher, tmp_path: Path
) -> None:
    turned = tuple(reversed(teacher.members))
    prints = [
        fingerprint(changed, base=tmp_path)
        for changed in (
            teacher,
            teacher.model_copy(update={"combine": "logits"}),
            teacher.model_copy(update={"members": turned}),
            teacher.model_copy(update={"members": teacher.members[:2]}),
        )
    ]
    assert len(set(prints)) == 4
    assert fingerprint(teacher.model_copy(), base=tmp_path) == prints[0]


def test_a_member_that_runs_code_makes_the_ensemble_run_code(teacher: Teacher) -> None:
    own = Model(source="python:nets.py:net")
    assert not runs_code(teacher)
    assert runs_code(teacher.model_copy(update={"members": (*teacher.members, own)}))


def test_a_student_cannot_be_an_ensemble(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"student\.source: is a teacher only"):
        build(Model(source="ensemble"), SIGNATURE, base=tmp_path, seed=0)
