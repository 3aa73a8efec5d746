"""Quantizing a model file without recipe and labels, by real runs on small models."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

import edgedistill
from edgedistill.core.evidence import Evidence
from edgedistill.core.preprocessing import METADATA_KEY, Preprocessing
from edgedistill.core.quantized import QuantizeReport
from edgedistill.core.teacher import Model
from edgedistill.errors import InputError
from edgedistill.models import Signature, build
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edgedistill import QuantizeRun

QUICK: dict[str, Any] = {"samples": 20, "rounds": 10, "runs_per_round": 1, "threads": 1}
PIXELS = Preprocessing(
    kind="image", color="grey", resize=(8, 8), scale=1 / 255, mean=(0.3,), std=(0.4,), layout="nchw"
)
GIVEN = {
    "color": "grey",
    "resize": [8, 8],
    "scale": 1 / 255,
    "mean": [0.3],
    "std": [0.4],
    "layout": "nchw",
}


def export(module: nn.Module, path: Path, inputs: Mapping[str, torch.Tensor]) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            path,
            dynamo=True,
            opset_version=20,
            input_names=list(inputs),
            dynamic_shapes=tuple({0: "batch"} for _ in inputs),
            external_data=False,
            verbose=False,
        )
    return path


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 120 pictures of digits."""
    folder = tmp_path_factory.mktemp("digits")
    for place, pixels in enumerate(load_digits().images[:120]):
        Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((16, 16)).save(
            folder / f"{place:03}.png"
        )
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small convolutional network that has learned the digits, without metadata."""
    folder = tmp_path_factory.mktemp("network")
    torch.set_num_threads(1)
    module = build(
        Model(source="builtin:residual-cnn", args={"width": 8}),
        Signature({"input": (1, 8, 8)}, classes=10),
        base=folder,
        seed=0,
    )
    source = load_digits()
    inputs = torch.tensor((source.images / 16 - 0.3) / 0.4, dtype=torch.float32)[:, None]
    labels = torch.tensor(source.target)
    optimizer = torch.optim.AdamW(module.parameters(), lr=5e-3)
    module.train()
    for _ in range(4):
        for start in range(0, len(inputs), 64):
            optimizer.zero_grad()
            answers = module(inputs[start : start + 64])
            nn.functional.cross_entropy(answers, labels[start : start + 64]).backward()
            optimizer.step()
    return export(module, folder / "network.onnx", {"input": torch.zeros(2, 1, 8, 8)})


@pytest.fixture(scope="module")
def finished(network: Path, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> QuantizeRun:
    out = tmp_path_factory.mktemp("finished") / "run"
    return edgedistill.quantize(
        network, digits, out=out, preprocessing=GIVEN, min_agreement=0.9, **QUICK
    )


def test_a_limit_of_the_error_is_kept_or_the_float_model_ships(
    network: Path, digits: Path, tmp_path: Path
) -> None:
    asked = {"preprocessing": GIVEN, "min_agreement": 0.5, "candidates": "first", **QUICK}

    loose = edgedistill.quantize(
        network, digits, out=tmp_path / "loose", max_relative_error=0.5, **asked
    ).report
    strict = edgedistill.quantize(
        network, digits, out=tmp_path / "strict", max_relative_error=1e-6, **asked
    ).report

    assert loose.max_relative_error == 0.5
    assert all(one.broken is None for one in loose.candidates)
    (_, int8) = strict.candidates
    assert int8.broken is not None
    assert "more than the 1e-06 asked for" in int8.broken
    assert strict.choice.name == "fp32"
    assert int8.relative_error is not None
    assert int8.relative_error > 1e-6


def dense(
    path: Path, *, weight: np.ndarray | None = None, shape: Any = ("batch", 6), **kind: Any
) -> Path:
    """A linear model of one Gemm: opset 13, no metadata."""
    weight = np.random.default_rng(0).standard_normal((6, 3)) if weight is None else weight
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["real"], to=TensorProto.FLOAT),
            helper.make_node(kind.get("operator", "Gemm"), ["real", "weight"], ["y"], name="only"),
        ],
        "linear",
        [helper.make_tensor_value_info("x", kind.get("takes", TensorProto.FLOAT), list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [*shape[:-1], 3])],
        [numpy_helper.from_array(weight.astype(np.float32), "weight")],
    )
    opsets = [helper.make_opsetid("", kind.get("opset", 13))]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    values = np.random.default_rng(1).standard_normal((60, 6)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", values)
    return tmp_path / "vectors.npy"


def test_a_run_leaves_what_ships_the_candidates_and_a_report(finished: QuantizeRun) -> None:
    report = QuantizeReport.read(
        json.loads((finished.folder / "report.json").read_text()), file="report.json"
    )
    assert report == finished.report
    made = [one.name for one in report.candidates]
    assert made[:2] == ["fp32", "int8-U8S8"]
    left_out = [one.name for one in report.not_made]
    assert {*made[2:], *left_out} == {
        "int8-U8S8-per-tensor",
        "int8-U8U8",
        "int8-S8S8",
        "int8-dynamic",
    }
    for one in report.candidates:
        assert file_sha256(finished.folder / one.file) == one.model_sha256
        assert one.latency is not None
    assert file_sha256(finished.model) == report.shipped().model_sha256
    assert "Ships" in (finished.folder / "report.md").read_text()
    assert json.loads((finished.folder / "quantize.json").read_text())["state"] == "complete"


def test_the_agreement_is_what_the_two_files_say(
    finished: QuantizeRun, network: Path, digits: Path
) -> None:
    (step,) = (finished.folder / "steps").glob("samples-*")
    pixels = np.load(step / "judging.0.npy")
    inputs = ((pixels.astype(np.float32) / 255 - 0.3) / 0.4).transpose(0, 3, 1, 2)
    answers = [
        np.concatenate([session.run(None, {"input": one[None]})[0] for one in inputs]).argmax(1)
        for session in (
            onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
            for file in (network, finished.folder / "candidates" / "int8-U8S8.onnx")
        )
    ]
    found = finished.report.candidates[1].agreement
    assert found is not None
    assert found.value == np.mean(answers[0] == answers[1])
    assert found.samples == len(pixels) == 100
    assert found.evidence is Evidence.MEASURED_ON_DEVICE


def test_the_same_call_runs_nothing_again_and_one_of_another_limit_reuses_the_rest(
    finished: QuantizeRun, network: Path, digits: Path
) -> None:
    again = edgedistill.quantize(
        network, digits, out=finished.folder, preprocessing=GIVEN, min_agreement=0.9, **QUICK
    )
    assert (again.steps_made, again.steps_reused) == (0, finished.steps_made)
    assert again.report == finished.report


def test_what_the_model_declares_needs_no_flags(
    network: Path, digits: Path, tmp_path: Path
) -> None:
    model = onnx.load_model(network)
    model.metadata_props.add(key=METADATA_KEY, value=PIXELS.model_dump_json())
    onnx.save_model(model, tmp_path / "declared.onnx")
    run = edgedistill.quantize(
        tmp_path / "declared.onnx", digits, out=tmp_path / "run", methods=(), **QUICK
    )
    assert run.report.preprocessing_from == "model"
    kept = onnx.load_model(tmp_path / "run" / "candidates" / "int8-U8S8.onnx").metadata_props
    assert [entry.key for entry in kept] == [METADATA_KEY]
    other = edgedistill.quantize(
        tmp_path / "declared.onnx",
        digits,
        out=tmp_path / "other",
        preprocessing={"mean": [0.0]},
        methods=(),
        **QUICK,
    )
    assert other.report.preprocessing_from == "given over model"
    assert other.report.samples.sha256 != run.report.samples.sha256


@pytest.mark.parametrize("missing", sorted(GIVEN))
def test_preprocessing_is_asked_for_and_never_guessed(
    network: Path, digits: Path, tmp_path: Path, missing: str
) -> None:
    given = {key: value for key, value in GIVEN.items() if key != missing}
    flags = {"color": "--channels", "resize": "--size"}
    with pytest.raises(InputError, match=flags.get(missing, f"--{missing}")) as raised:
        edgedistill.quantize(network, digits, out=tmp_path / "run", preprocessing=given)
    assert len(raised.value.faults) == 1
    assert not (tmp_path / "run").exists()


def test_a_whole_preprocessing_may_say_that_pictures_have_the_size(
    network: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for place, pixels in enumerate(load_digits().images[:30]):
        Image.fromarray((pixels * 15.9).astype(np.uint8)).save(pictures / f"{place}.png")
    said = PIXELS.model_copy(update={"resize": None})
    run = edgedistill.quantize(
        network, pictures, out=tmp_path / "run", preprocessing=said, methods=(), **QUICK
    )
    assert run.report.preprocessing_from == "given"
    Image.new("L", (9, 9)).save(pictures / "odd.png")
    with pytest.raises(InputError, match=r"odd\.png: is not 8 x 8 pixels"):
        edgedistill.quantize(network, pictures, out=tmp_path / "other", preprocessing=said)


class Coder(nn.Module):
    """Gives pictures back."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 8, 3, 2, 1)
        self.up = nn.ConvTranspose2d(8, 1, 2, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.up(self.down(image).relu()).sigmoid()


def test_outputs_that_are_no_class_scores_agree_by_their_signal(
    digits: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = export(Coder(), tmp_path / "coder.onnx", {"image": torch.zeros(2, 1, 8, 8)})
    run = edgedistill.quantize(model, digits, out=tmp_path / "run", preprocessing=GIVEN, **QUICK)
    report = run.report
    int8 = report.candidates[1]
    assert report.agreement_kind == "signal"
    assert int8.agreement is not None
    assert int8.relative_error is not None
    assert int8.agreement.value == pytest.approx(1 - int8.relative_error**2)
    assert 0.9 < int8.agreement.value < 1


class Reader(nn.Module):
    """A transformer of one block over tokens and a mask."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.words = nn.Embedding(50, width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.norm = nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.head = nn.Linear(width, 4)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        x = self.words(input_ids)
        scores = self.query(x) @ self.key(x).transpose(1, 2) / 6
        scores = scores + (1 - attention_mask[:, None].float()) * -1e4
        x = self.norm(x + scores.softmax(-1) @ self.value(x))
        return self.head((x + self.narrow(self.wide(x).relu())).mean(1))


def test_a_model_with_tokens_and_mask_takes_arrays_by_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    names = ("input_ids", "attention_mask")
    shown = {name: torch.ones(2, 12, dtype=torch.int64) for name in names}
    model = export(Reader(), tmp_path / "reader.onnx", shown)
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 13, (60, 1))
    np.savez(
        tmp_path / "texts.npz",
        input_ids=generator.integers(0, 50, (60, 12)),
        attention_mask=(np.arange(12) < lengths).astype(np.int64),
    )
    run = edgedistill.quantize(
        model, tmp_path / "texts.npz", out=tmp_path / "run", min_agreement=0.9, **QUICK
    )
    assert [one.name for one in run.report.inputs] == list(names)
    assert run.report.candidates[1].agreement is not None
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="has several inputs, and pictures are one"):
        edgedistill.quantize(model, tmp_path / "a.png", out=tmp_path / "other")


def test_a_device_that_is_away_is_estimated_and_takes_fixed_sizes(
    network: Path, digits: Path, tmp_path: Path
) -> None:
    run = edgedistill.quantize(
        network,
        digits,
        "jetson-orin-nano",
        out=tmp_path / "run",
        preprocessing=GIVEN,
        methods=(),
        **QUICK,
    )
    assert run.report.conditions is None
    for one in run.report.candidates:
        assert one.latency is None or one.latency.p50_ms.evidence is Evidence.ESTIMATED
        assert one.agreement is None or one.agreement.evidence is Evidence.MEASURED_ON_STAND_IN


def test_open_sizes_are_fixed_where_they_are_given(tmp_path: Path, vectors: Path) -> None:
    model = dense(tmp_path / "open.onnx", shape=("batch", "width"))
    run = edgedistill.quantize(
        model, vectors, out=tmp_path / "run", shapes={"x": [1, 6]}, methods=(), **QUICK
    )
    for one in run.report.candidates:
        axes = onnx.load_model(run.folder / one.file).graph.input[0].type.tensor_type.shape.dim
        assert [axis.dim_value for axis in axes] == [1, 6]
    with pytest.raises(InputError, match=r"the model takes float32 \[batch, any\]"):
        edgedistill.quantize(model, vectors, out=tmp_path / "other", shapes={"x": [2, 6]})


@pytest.mark.parametrize("samples", [1, 6])
def test_few_samples_are_told(tmp_path: Path, samples: int) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((samples, 6)).astype(np.float32))
    model = dense(tmp_path / "model.onnx")
    run = edgedistill.quantize(model, tmp_path / "x.npy", out=tmp_path / "run", **QUICK)
    notes = " ".join(run.report.notes)
    if samples == 1:
        assert "cannot be told" in notes
        assert (run.report.choice.name, run.report.choice.decided) == ("fp32", False)
    else:
        assert "Only 3 samples were left to judge" in notes


def test_samples_that_never_change_are_quantized(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((40, 6), 0.25, np.float32))
    model = dense(tmp_path / "model.onnx")
    run = edgedistill.quantize(
        model, tmp_path / "x.npy", out=tmp_path / "run", candidates="first", **QUICK
    )
    assert [one.name for one in run.report.candidates] == ["fp32", "int8-U8S8"]
    found = run.report.candidates[1].agreement
    assert found is not None
    assert found.value == 1


SPOILT: dict[str, Callable[[Path], Path]] = {
    "this weight holds NaN": lambda path: dense(path, weight=np.full((6, 3), np.nan)),
    "takes batches of 4 only": lambda path: dense(path, shape=(4, 6)),
    "no convolution and no matrix product": lambda path: dense(
        path, operator="Add", weight=np.zeros((1, 3)), shape=("batch", 3)
    ),
    "too old for QuantizeLinear": lambda path: dense(path, opset=11),
    "accepts opset 23 at most": lambda path: dense(path, opset=24),
    "is not a file": lambda path: path,
    "cannot be read as an ONNX model": lambda path: path.write_bytes(b"\x08\x09 hello") and path,
}
"""What is wrong with a model, to what writes it."""


@pytest.mark.parametrize("wrong", SPOILT)
def test_a_model_that_cannot_be_quantized_leaves_nothing(
    tmp_path: Path, vectors: Path, wrong: str
) -> None:
    model = SPOILT[wrong](tmp_path / "model.onnx")
    with pytest.raises(InputError, match=wrong):
        edgedistill.quantize(model, vectors, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def expanding(path: Path) -> Path:
    """A model that makes ten terabytes of its first number while it runs."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Mul", ["whole", "many"], ["shape"]),
            helper.make_node("Squeeze", ["shape"], ["sizes"]),
            helper.make_node("ConstantOfShape", ["sizes"], ["huge"]),
            helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
            helper.make_node("Add", ["x", "sum"], ["added"]),
            helper.make_node("MatMul", ["added", "weight"], ["y"]),
        ],
        "bomb",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [
            numpy_helper.from_array(np.array([10**6, 2 * 10**6]), "many"),
            numpy_helper.from_array(np.ones((2, 3), np.float32), "weight"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def test_a_model_that_would_take_all_memory_ends_in_a_process_of_its_own(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((5, 2), np.float32))
    with pytest.raises(InputError, match="does not run on its samples"):
        edgedistill.quantize(
            expanding(tmp_path / "m.onnx"), tmp_path / "x.npy", out=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_weights_beside_the_model_are_taken_in_from_its_own_folder_only(
    tmp_path: Path, vectors: Path
) -> None:
    model = onnx.load_model(dense(tmp_path / "whole.onnx"))
    (tmp_path / "given").mkdir()
    onnx.save_model(
        model,
        tmp_path / "given" / "model.onnx",
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=0,
    )
    given = tmp_path / "given" / "model.onnx"
    run = edgedistill.quantize(given, vectors, out=tmp_path / "run", methods=(), **QUICK)
    fp32 = onnx.load_model(run.folder / "candidates" / "fp32.onnx", load_external_data=False)
    assert numpy_helper.to_array(fp32.graph.initializer[0]).shape == (6, 3)
    (tmp_path / "model.onnx.data").write_bytes((given.parent / "model.onnx.data").read_bytes())
    outside = onnx.load_model(given, load_external_data=False)
    for entry in outside.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../model.onnx.data"
    onnx.save_model(outside, given)
    with pytest.raises(InputError, match="outside"):
        edgedistill.quantize(given, vectors, out=tmp_path / "other", **QUICK)


def test_a_model_that_is_quantized_already_is_told(
    finished: QuantizeRun, digits: Path, tmp_path: Path
) -> None:
    int8 = finished.folder / finished.report.candidates[1].file
    with pytest.raises(InputError, match="is quantized already"):
        edgedistill.quantize(int8, digits, out=tmp_path / "run", preprocessing=GIVEN)


@pytest.mark.parametrize(
    ("takes", "changes", "message"),
    [
        (TensorProto.INT64, {}, "takes no real numbers"),
        (TensorProto.FLOAT, {"layout": "nhwc"}, "Change --size, --layout or --channels"),
        (TensorProto.FLOAT, {"color": "rgb"}, "Change --size, --layout or --channels"),
        (TensorProto.FLOAT, {"mean": [0.1, 0.2]}, "--mean one value, or one per channel"),
        (TensorProto.FLOAT, {"std": [0.0]}, "std must be above zero"),
    ],
    ids=["ids", "layout", "channels", "mean", "std"],
)
def test_pictures_that_the_model_does_not_take(
    digits: Path, tmp_path: Path, takes: int, changes: dict[str, Any], message: str
) -> None:
    weight = np.zeros((8, 3))
    shape = ("n", 1, 8, 8)
    model = dense(tmp_path / "m.onnx", weight=weight, shape=shape, operator="MatMul", takes=takes)
    with pytest.raises(InputError, match=message):
        edgedistill.quantize(
            model, digits, out=tmp_path / "run", preprocessing={**GIVEN, **changes}
        )
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_other_things_is_not_overwritten(tmp_path: Path, vectors: Path) -> None:
    model = dense(tmp_path / "model.onnx")
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "report.md").write_text("three years of work")
    with pytest.raises(InputError, match="holds other things, which are not overwritten"):
        edgedistill.quantize(model, vectors, out=out)
    assert (out / "report.md").read_text() == "three years of work"
    assert [path.name for path in out.iterdir()] == ["report.md"]


def test_samples_that_spoil_a_run_leave_nothing(tmp_path: Path) -> None:
    values = np.ones((40, 6), np.float32)
    values[-1, 0] = np.inf
    np.save(tmp_path / "x.npy", values)
    model = dense(tmp_path / "model.onnx")
    with pytest.raises(InputError, match="holds NaN or infinity"):
        edgedistill.quantize(model, tmp_path / "x.npy", out=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()


def test_a_preprocessing_for_arrays_is_refused(tmp_path: Path, vectors: Path) -> None:
    model = dense(tmp_path / "model.onnx")
    with pytest.raises(InputError, match="holds arrays, which are taken as they are"):
        edgedistill.quantize(model, vectors, out=tmp_path / "run", preprocessing={"scale": 1.0})
