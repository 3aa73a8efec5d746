from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from PIL import Image

from edgedistill.core.damage import CalibrationError, Damage, Flipped
from edgedistill.core.learned import LearningStep
from edgedistill.core.model_facts import ModelFacts, Tensor
from edgedistill.core.opening import OpenedWith
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.strict import plain
from edgedistill.data.numeric import arrange, normalize
from edgedistill.data.pictures import decode
from edgedistill.gate.judge import judge
from edgedistill.render.card import model_card
from edgedistill.render.card_program import packages, program
from edgedistill.stages.export.contract import CLASS_NAMES_KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.report import Report

HOSTILE = "x\n---\n# Title <script>alert(1)</script> [a](javascript:b) `c` | ![](http://d)\x1b[2J"


def facts(**changes: Any) -> ModelFacts:
    given: dict[str, Any] = {
        "teacher": ("builtin:residual-cnn",),
        "student": "builtin:dense",
        "base_models": (),
        "dataset": "digits",
        "inputs": (Tensor("input", "float32", ("batch", 4)),),
        "outputs": (Tensor("logits", "float32", ("batch", 2)),),
        "sample_shape": (4,),
    }
    return ModelFacts(**(given | changes))


def card_of(report: Report, **changes: Any) -> str:
    return model_card(report, judge(report), facts(**changes))


def test_the_card_says_how_the_target_opens_the_model(make_report: Callable[..., Report]) -> None:
    tensorrt = OpenedWith(
        provider="TensorrtExecutionProvider",
        threads=1,
        provider_options={"trt_int8_enable": "True"},
    )
    whole = make_report()
    card = card_of(whole.model_copy(update={"session": tensorrt}))
    assert f"On {whole.target_title} open the session so:" in card
    assert "provider = ('TensorrtExecutionProvider', {'trt_int8_enable': 'True'})" in card
    assert "open the session so" not in card_of(whole)


def test_what_is_told_of_the_model_is_in_the_card(make_report: Callable[..., Report]) -> None:
    card = card_of(make_report())
    assert "It tells 2 classes apart: cat, dog." in card
    assert (
        "| Accuracy on validation | 92.50 % (90.00 to 94.00) | 92.50 % (90.00 to 94.00) |" in card
    )
    assert "The class that lost most against the teacher is cat: +2.00 points" in card
    assert "Energy was neither measured nor estimated." in card
    assert "- The teacher was trained by this run" in card
    assert "Licence of the data is unknown." in card
    assert "Student: builtin:dense." in card


def test_the_teacher_itself_and_the_licence_of_the_data_are_told(
    make_report: Callable[..., Report],
) -> None:
    report = make_report()
    made = report.provenance.model_copy(update={"data_licence": "CC-BY-4.0"})
    card = card_of(make_report(provenance=made), student=None)
    assert "Licence of the data: CC-BY-4.0." in card
    assert "Student: none; the teacher itself was compressed." in card


def test_how_it_was_made_leaves_out_what_other_candidates_learned(
    make_students: Callable[..., Report],
) -> None:
    titles = {
        "teacher": "teacher: train builtin:big on the labels, 2 epochs",
        "distill": "distill: small: builtin:mlp learns from the teacher",
        "recover": "recover: wide: the pruned network learns from the same answers",
        "fine-tune": "fine-tune: small: only where int8 breaks the accuracy budget",
    }
    learning = tuple(
        LearningStep(name=name, title=title, accuracy_before=0.1, accuracy_after=0.9)
        for name, title in titles.items()
    )
    card = card_of(make_students(learning=learning))
    change = "(validation accuracy 10.00 % before, 90.00 % after)"
    assert f"- {titles['teacher']} {change}." in card
    assert f"- {titles['distill']} {change}." in card
    assert "wide" not in card
    assert "fine-tune" not in card  # int8 ships as it was rounded


def test_damage_is_told_where_the_report_has_it(make_report: Callable[..., Report]) -> None:
    report = make_report()
    share = report.rows[1].agreement
    assert share is not None
    damage = Damage(
        split="validation",
        samples=300,
        before="teacher",
        after="int8",
        flipped=Flipped(changed=share, lost=share, gained=share),
        classes=(),
        calibration_error=CalibrationError(before=share, after=share),
        examples_in_all=0,
    )
    card = card_of(make_report(damage=damage))
    assert "On 97.00 % (96.00 to 98.00) of the validation samples teacher is right" in card
    assert "on average, those of teacher by 97.00 %" in card


def test_a_card_without_a_file_of_the_teacher_has_its_accuracy_all_the_same(
    make_report: Callable[..., Report], make_asked_report: Callable[[Report], Report]
) -> None:
    card = card_of(make_asked_report(make_report()), teacher=("big behind an endpoint",))
    assert "Teacher: big behind an endpoint." in card
    assert "| Size of the file | 0.1235 MB | - | counted | - |" in card


def test_hostile_names_stay_text(make_report: Callable[..., Report]) -> None:
    report = make_report(worst_name=HOSTILE)
    choice = report.choice.model_copy(update={"reason": HOSTILE})
    made = report.provenance.model_copy(
        update={"data_source": HOSTILE, "data_licence": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    )
    card = card_of(
        make_report(
            worst_name=HOSTILE,
            class_names=(HOSTILE, "b"),
            target_title=HOSTILE,
            run=HOSTILE,
            notes=(HOSTILE,),
            choice=choice,
            provenance=made,
        ),
        teacher=(HOSTILE,),
        student=HOSTILE,
        dataset=HOSTILE,
        inputs=(Tensor(HOSTILE, "float32", (HOSTILE, 4)),),
    )
    head, body = card.split("\n---\n", 1)
    told, _, rest = body.partition("```python\n")
    code, _, after = rest.partition("\n```\n")
    for text in (told, after):
        assert "<script" not in text
        assert re.search(r"(?<!\\)\]\(", text) is None  # no link, no picture
        assert "\n# Title" not in text
    assert "\x1b" not in card
    assert code.count("\n") > 10  # the fence was not closed by a name
    compile(code, "card", "exec")
    document = yaml.safe_load(head.removeprefix("---\n"))
    assert set(document) == {"library_name", "tags", "datasets", "metrics", "model-index"}
    result = document["model-index"][0]["results"][0]
    assert result["dataset"]["name"].startswith("x --- # Title <script>")
    assert document["datasets"][0].startswith("x-----Title")


def test_the_hub_reads_a_card_with_hostile_names(make_report: Callable[..., Report]) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs the extra hf")
    report = make_report()
    made = report.provenance.model_copy(update={"data_source": HOSTILE})
    card = hub.ModelCard(card_of(make_report(provenance=made), base_models=("org/big", "small")))
    assert card.data.base_model == ["org/big", "small"]
    assert [one.metric_value for one in card.data.eval_results] == [0.925, 0.915]
    assert card.text.lstrip().startswith("# demo for This machine")


def test_without_a_test_split_there_is_one_result_and_the_card_says_so(
    make_report: Callable[..., Report],
) -> None:
    rows = tuple(row.model_copy(update={"test_accuracy": None}) for row in make_report().rows)
    card = card_of(make_report(rows=rows, measured=False))
    document = yaml.safe_load(card.split("---\n")[1])
    results = document["model-index"][0]["results"]
    assert [one["dataset"]["split"] for one in results] == ["validation"]
    assert "There is no test split" in card
    assert "pipeline_tag" not in document  # arrays may be anything


PICTURES = [
    Preprocessing(kind="image", color="grey", resize=(6, 5), layout="nhwc", scale=1 / 255),
    Preprocessing(kind="image", color="rgb", resize=(8, 9), center_crop=(6, 5), layout="nchw"),
    Preprocessing(
        kind="image",
        color="bgr",
        center_crop=(4, 6),
        layout="nchw",
        scale=1 / 255,
        mean=(0.1, 0.2, 0.3),
        std=(0.5, 0.25, 2.0),
    ),
    Preprocessing(kind="image", color="rgb", layout="nhwc", mean=(0.5,)),
]


def _report(report: Report, how: Preprocessing) -> Report:
    return report.model_copy(update={"preprocessing": plain(how)})


def _fed(text: str) -> dict[str, np.ndarray[Any, Any]]:
    """What the program feeds the model, without the model."""
    before, _, rest = text.partition("session = ")
    prepared = rest.partition("class_names = ")[2].partition("\n")[2].partition("(logits,)")[0]
    space: dict[str, Any] = {}
    exec(compile(before + prepared, "card", "exec"), space)  # the program under test
    inputs: dict[str, np.ndarray[Any, Any]] = space["inputs"]
    return inputs


@pytest.mark.parametrize("how", PICTURES, ids=["grey", "crop", "bgr", "as-it-is"])
def test_the_program_prepares_a_picture_as_the_run_did(
    how: Preprocessing,
    make_report: Callable[..., Report],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(3).integers(0, 256, (11, 13, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("picture.png")
    raw = decode(Image.fromarray(pixels), how)
    expected = arrange(normalize(raw[np.newaxis], how), how)
    doors = (Tensor("it's", "float32", (1, *expected.shape[1:])),)
    text = program(_report(make_report(), how), facts(inputs=doors, sample_shape=raw.shape))
    (found,) = _fed(text).values()
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    assert packages(_report(make_report(), how)) == "numpy onnxruntime pillow"


def test_the_program_answers_for_a_raw_array(
    make_report: Callable[..., Report],
    onnx_classifier: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    how = Preprocessing(kind="array", scale=0.5, mean=(1.0,), std=(2.0,))
    weight = np.eye(4, 2)
    names = '["one", "the \\"other\\""]'
    onnx_classifier(
        tmp_path / "model.onnx", weight, (4,), name="input", metadata={CLASS_NAMES_KEY: names}
    )
    text = program(_report(make_report(), how), facts())
    for sample, answer in (([9.0, 1, 0, 0], "one"), ([1.0, 9, 0, 0], 'the "other"')):
        np.save("sample.npy", np.array(sample, np.float32))
        said = io.StringIO()
        with redirect_stdout(said):
            exec(compile(text, "card", "exec"), {})  # the program under test
        assert said.getvalue() == f"{answer}\n"
    (found,) = _fed(text).values()
    sample = np.load("sample.npy")
    np.testing.assert_array_equal(found, normalize(sample[np.newaxis], how))


def test_the_program_takes_several_inputs_that_come_ready(
    make_report: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    doors = (Tensor("left/'", "float32", (1, 3)), Tensor("right", "int64", (1, 2)))
    np.save("input-0.npy", np.array([1.0, 2, 3]))
    np.save("input-1.npy", np.array([4, 5]))
    report = _report(make_report(), Preprocessing(kind="caller"))
    found = _fed(program(report, facts(inputs=doors, sample_shape=())))
    assert {name: (values.dtype.name, values.shape) for name, values in found.items()} == {
        "left/'": ("float32", (1, 3)),
        "right": ("int64", (1, 2)),
    }
