"""Two foreign classifiers of real digits, and models that are no classifiers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score

import edgedistill
from edgedistill.core.comparison import Comparison
from edgedistill.core.damage import Picture, Signal
from edgedistill.core.evidence import Evidence
from edgedistill.errors import InputError
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill import ComparisonRun

QUICK: dict[str, Any] = {"rounds": 10, "runs_per_round": 1, "threads": 1}
ANSWERS: dict[str, Any] = {"latency": False, "threads": 1}


def linear(path: Path, weight: np.ndarray, bias: np.ndarray, **how: Any) -> Path:
    """Writes flat(input) times weight plus bias, with a softmax behind it where asked."""
    name, shape = how.get("name", "x"), how.get("shape", ["batch", len(weight)])
    nodes = [
        helper.make_node("Flatten", [name], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["scores"]),
    ]
    if how.get("softmax"):
        nodes.append(helper.make_node("Softmax", ["scores"], ["chances"], axis=1))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(
                nodes[-1].output[0], TensorProto.FLOAT, ["batch", weight.shape[1]]
            )
        ],
        [
            numpy_helper.from_array(weight.astype(np.float32), "weight"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


class Digits:
    """A trained classifier as three ONNX files, and the digits that it was not trained on."""

    def __init__(self, folder: Path) -> None:
        pixels, labels = load_digits(return_X_y=True)
        self.fitted = LogisticRegression(max_iter=200).fit(pixels[:900] / 16, labels[:900])
        self.pixels = (pixels[900:] / 16).astype(np.float32)
        self.labels = labels[900:]
        self.groups = np.where(np.arange(len(self.labels)) % 2, "north", "south")
        weight, bias = self.fitted.coef_.T, self.fitted.intercept_
        self.rough = np.round(weight)
        self.float = linear(folder / "float.onnx", weight, bias, softmax=True)
        self.rounded = linear(folder / "rounded.onnx", self.rough, bias, name="pixels")
        self.int8 = folder / "int8.onnx"
        quantize_dynamic(self.float, self.int8)
        self.data = folder / "digits.npz"
        np.savez(self.data, inputs=self.pixels, labels=self.labels, groups=self.groups)

    @property
    def before(self) -> np.ndarray:
        return np.asarray(self.fitted.predict(self.pixels))

    @property
    def after(self) -> np.ndarray:
        scores = self.pixels @ self.rough.astype(np.float32) + self.fitted.intercept_
        return np.asarray(scores.argmax(axis=1))


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    return Digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def twins(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> ComparisonRun:
    """The float classifier and its int8 twin on all digits, not measured."""
    out = tmp_path_factory.mktemp("twins")
    return edgedistill.compare(digits.float, digits.int8, digits.data, out=out, **ANSWERS)


def test_with_labels_it_tells_accuracy_flips_and_the_damage(digits: Digits, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = edgedistill.compare(digits.float, digits.rounded, digits.data, out=out, **QUICK)
    found, right = run.comparison, digits.labels
    first, second = found.models
    assert (first.name, second.name) == ("A (float.onnx)", "B (rounded.onnx)")
    assert first.sha256 == file_sha256(digits.float)
    assert first.accuracy is not None
    assert second.accuracy is not None
    assert first.accuracy.value == pytest.approx(accuracy_score(right, digits.before))
    assert second.accuracy.value == pytest.approx(accuracy_score(right, digits.after))
    assert second.accuracy.evidence is Evidence.MEASURED_ON_DEVICE
    assert found.changed is not None
    assert found.changed.value == pytest.approx((digits.before != digits.after).mean())
    damage = found.damage
    assert damage is not None
    lost = (digits.before == right) & (digits.after != right)
    assert damage.flipped.lost.value == pytest.approx(lost.mean())
    assert {one.sample for one in damage.examples} <= set(np.flatnonzero(lost))
    assert damage.examples_in_all == lost.sum() > 0
    assert isinstance(damage.examples[0].content, Signal)
    recalls = recall_score(right, digits.after, average=None)
    assert [part.after.value for part in damage.classes] == pytest.approx(list(recalls))
    assert [part.name for part in damage.groups] == ["north", "south"]
    # A gives probabilities and B logits: confidences are softmax of either
    own = digits.fitted.predict_proba(digits.pixels).max(axis=1)
    shown = damage.examples[0]
    assert shown.before_probability == pytest.approx(own[shown.sample], rel=1e-4)
    assert found.relative_error is None
    assert any("probabilities and the other logits" in note for note in found.notes)
    # inputs of another name were measured beside each other all the same
    assert second.latency is not None
    assert second.latency.speedup is not None
    assert found.conditions is not None
    assert second.macs == first.macs
    assert second.macs is not None
    assert second.macs.value == 640


def test_what_is_written_is_what_was_found(twins: ComparisonRun) -> None:
    found, text = twins.comparison, (twins.folder / "compare.json").read_text()
    assert Comparison.read(json.loads(text), file="compare.json") == found
    assert json.loads(text)["kind"] == "edgedistill-comparison"
    assert str(twins.folder.parent) not in text
    assert "# B (int8.onnx) beside A (float.onnx)" in (twins.folder / "compare.md").read_text()
    assert found.relative_error is not None
    assert found.models[1].latency is None


def test_the_same_comparison_gives_the_same_bytes_over_what_was_there(
    digits: Digits, twins: ComparisonRun, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "compare.json").write_text("an earlier one")
    edgedistill.compare(digits.float, digits.int8, digits.data, out=out, **ANSWERS)
    for name in ("compare.json", "compare.md"):
        assert (out / name).read_bytes() == (twins.folder / name).read_bytes()


def test_without_labels_it_tells_how_near_they_are_and_says_so(
    digits: Digits, twins: ComparisonRun, tmp_path: Path
) -> None:
    np.save(tmp_path / "digits.npy", digits.pixels)
    found = edgedistill.compare(
        digits.float, digits.int8, tmp_path / "digits.npy", out=tmp_path / "out", **ANSWERS
    ).comparison
    assert found.damage is found.accuracy_drop is found.models[0].accuracy is None
    assert not found.samples.labelled
    assert any(note.startswith("There are no labels") for note in found.notes)
    assert found.agreement == twins.comparison.agreement
    assert found.changed == twins.comparison.changed
    assert found.relative_error == twins.comparison.relative_error


def test_a_folder_of_pictures_by_class_is_read_as_the_flags_say(
    digits: Digits, tmp_path: Path
) -> None:
    shape = ["batch", 1, 8, 8]
    weight, bias = digits.fitted.coef_.T, digits.fitted.intercept_
    first = linear(tmp_path / "a.onnx", weight, bias, shape=shape)
    second = linear(tmp_path / "b.onnx", digits.rough, bias, shape=shape)
    names = [f"class {number}" for number in range(10)]
    for place, label in enumerate(digits.labels):
        folder = tmp_path / "pictures" / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.rint(digits.pixels[place].reshape(8, 8) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{place:04}.png")
    look = {"color": "grey", "resize": [8, 8], "scale": 1 / 255, "layout": "nchw"}
    look |= {"mean": [0.0], "std": [1.0]}
    found = edgedistill.compare(
        first, second, tmp_path / "pictures", preprocessing=look, out=tmp_path / "o", **ANSWERS
    ).comparison
    assert found.preprocessing_from == "given"
    assert found.samples.kind == "pictures"
    damage = found.damage
    assert damage is not None
    assert [part.name for part in damage.classes] == names
    # sixteenths of brightness become 255ths, which moves hardly an answer
    accuracy = found.models[0].accuracy
    assert accuracy is not None
    assert accuracy.value == pytest.approx(accuracy_score(digits.labels, digits.before), abs=0.01)
    assert isinstance(damage.examples[0].content, Picture)
    with pytest.raises(InputError, match=r"scale: is declared nowhere"):
        edgedistill.compare(first, second, tmp_path / "pictures", out=tmp_path / "p", **ANSWERS)


def test_class_names_come_from_a_file_and_private_samples_stay_out(
    digits: Digits, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"digit {number}\n" for number in range(10)))
    options = {"class_names": names, "examples": 0, **ANSWERS}
    found = edgedistill.compare(
        digits.float, digits.rounded, digits.data, out=tmp_path / "o", **options
    ).comparison
    assert found.damage is not None
    assert [part.name for part in found.damage.classes][:2] == ["digit 0", "digit 1"]
    assert found.damage.examples == ()
    assert found.damage.examples_in_all > 0
    names.write_text("a\n\n")
    with pytest.raises(InputError, match="is empty or stands twice"):
        edgedistill.compare(
            digits.float, digits.rounded, digits.data, out=tmp_path / "p", **options
        )


def test_what_gives_no_classes_is_compared_without_labels_only(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["y"], pads=[1, 1, 1, 1])]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 1, 8, 8]) for n in "xy"]
    kernel, files = generator.standard_normal((1, 1, 3, 3)).astype(np.float32), []
    for factor in (1.0, 1.1):
        tensor = numpy_helper.from_array((factor * kernel).astype(np.float32), "kernel")
        graph = helper.make_graph(nodes, "filter", values[:1], values[1:], [tensor])
        opsets = [helper.make_opsetid("", 17)]
        files.append(tmp_path / f"{factor}.onnx")
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), files[-1])
    pictures = generator.standard_normal((20, 1, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=pictures, labels=np.zeros(20, int))
    with pytest.raises(InputError, match="which the models do not give"):
        edgedistill.compare(*files, tmp_path / "data.npz", out=tmp_path / "out", **ANSWERS)
    assert not (tmp_path / "out").exists()
    found = edgedistill.compare(
        *files, tmp_path / "data.npz", labels=False, out=tmp_path / "out", **ANSWERS
    ).comparison
    assert found.agreement_kind == "signal"
    assert found.changed is None
    assert found.agreement is not None
    # each output is a tenth larger: a hundredth of the variance is lost, and a little for the mean
    assert found.agreement.value == pytest.approx(0.99, abs=0.003)
    assert found.relative_error == pytest.approx(0.1, abs=0.02)


def test_a_device_that_is_away_is_estimated(digits: Digits, tmp_path: Path) -> None:
    found = edgedistill.compare(
        digits.float,
        digits.rounded,
        digits.data,
        target="raspberry-pi-5",
        samples=20,
        out=tmp_path / "o",
        threads=1,
    ).comparison
    latency = found.models[1].latency
    assert latency is not None
    assert latency.p50_ms.evidence is Evidence.ESTIMATED
    assert found.models[0].accuracy is not None
    assert found.models[0].accuracy.evidence is Evidence.MEASURED_ON_STAND_IN
    assert found.conditions is None
    assert any("Only 20 samples" in note for note in found.notes)
    assert any("20 of 897 samples were drawn" in note for note in found.notes)


def test_nothing_is_written_and_nothing_overwritten_where_something_is_wrong(
    digits: Digits, tmp_path: Path
) -> None:
    weight = np.full((64, 10), np.inf, np.float32)
    broken = linear(tmp_path / "broken.onnx", weight, np.zeros(10))
    narrow = linear(tmp_path / "narrow.onnx", digits.rough[:63], np.zeros(10))
    five = linear(tmp_path / "five.onnx", digits.rough[:, :5], np.zeros(5))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("keep me")
    wrong: list[tuple[Path, dict[str, Any], str]] = [
        (broken, {}, "gives NaN or infinity"),
        (narrow, {}, "does not take what the first model takes"),
        (five, {}, r"gives other outputs than the first model \(float32 \[1, 10\]\)"),
        (digits.int8, {"class_names": ["a", "b"]}, "labels are of 2 classes"),
        (digits.int8, {"samples": 0}, "samples: is below 1"),
        (digits.int8, {"preprocessing": {"scale": 2.0}}, "holds arrays, which are taken as they"),
        (digits.int8, {"out": mine}, "holds other things than a comparison"),
    ]
    for second, changes, words in wrong:
        options = {"out": tmp_path / "out", **ANSWERS, **changes}
        with pytest.raises(InputError, match=words):
            edgedistill.compare(digits.float, second, digits.data, **options)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]


def test_models_of_several_inputs_in_another_order_are_fed_by_name(tmp_path: Path) -> None:
    kinds = {"left": [1, 3], "right": [1, 3]}
    values = {name: helper.make_tensor_value_info(name, 1, shape) for name, shape in kinds.items()}
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3])
    files = []
    for order in (("left", "right"), ("right", "left")):
        node = helper.make_node("Sub", ["left", "right"], ["out"])
        graph = helper.make_graph([node], "sub", [values[name] for name in order], [out])
        opsets = [helper.make_opsetid("", 17)]
        files.append(tmp_path / f"{order[0]}.onnx")
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), files[-1])
    rows = np.random.default_rng(0).standard_normal((2, 10, 3)).astype(np.float32)
    np.savez(
        tmp_path / "rows.npz", left=rows[0], right=rows[1], labels=(rows[0] - rows[1]).argmax(1)
    )
    found = edgedistill.compare(
        *files, tmp_path / "rows.npz", out=tmp_path / "o", rounds=10, runs_per_round=1, threads=1
    ).comparison
    assert found.relative_error == 0
    assert [one.accuracy and one.accuracy.value for one in found.models] == [1.0, 1.0]
    assert found.models[1].latency is not None
