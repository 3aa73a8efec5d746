from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from quantized_chain import write_chain

from edgedistill.core.judging import Judged
from edgedistill.core.quantizing import Quantize
from edgedistill.core.report import Int8Check
from edgedistill.core.stage import StageContext
from edgedistill.cost import count
from edgedistill.errors import PromiseError
from edgedistill.stages.quantize import Quantization
from edgedistill.stages.quantize.fidelity import FloatOutputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.attempts import Attempts
    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.data.dataset import Dataset

    Scheme = Callable[..., QuantizationScheme]

JUDGED_SAMPLES = 60


@dataclass
class Nearness:
    """Holds where outputs are near the float model's; `rounded` makes figures alike."""

    model: Path
    dataset: Dataset
    folder: Path
    limit: float
    rounded: int = 6
    cut_off_at: int | None = None
    enough: bool = False
    called: str = "nearness"
    files: list[bytes] = field(default_factory=list)

    @cached_property
    def answers(self) -> FloatOutputs:
        self.folder.mkdir()
        inputs = self.dataset.validation.batch(np.arange(JUDGED_SAMPLES))["input"]
        samples = [{"input": one[None]} for one in inputs]
        return FloatOutputs(self.model, samples, self.folder, threads=1)

    def judge(self, model: Path) -> Judged:
        self.files.append(model.read_bytes())
        if len(self.files) == self.cut_off_at:
            raise KeyboardInterrupt
        distance = self.answers.distance(model)
        broken = None if distance <= self.limit else "is too far away"
        figure = round(max(0.0, 1.0 - distance), self.rounded)
        if self.enough:  # all are high enough, and the furthest file is the highest
            figure = distance / 100
        return Judged(figure, distance, broken, self.enough)


@dataclass(frozen=True)
class Climb:
    """What came of one run of the stage."""

    attempts: Attempts
    check: Int8Check
    judge: Nearness
    model: Path

    @property
    def ways(self) -> list[str]:
        return [one.way for one in self.attempts.tried]


@pytest.fixture
def climbing(digits: Dataset, scheme: Scheme, tmp_path: Path) -> Callable[..., Climb]:
    def run(
        *,
        limit: float,
        blown: float = 1.0,
        rounded: int = 6,
        cut_off_at: int | None = None,
        fall_back: str = "float",
        enough: bool = False,
        **config: object,
    ) -> Climb:
        own = tmp_path / str(len(list(tmp_path.iterdir())))
        own.mkdir()
        model = write_chain(own / "float.onnx", blown=blown)
        judge = Nearness(model, digits, own / "answers", limit, rounded, cut_off_at, enough)
        quantize = Quantize.model_validate(config)
        folder = own / "step"
        folder.mkdir()
        in_scheme = scheme(fall_back=fall_back)
        here = fall_back == "float"  # this machine's runtime has no kernels for sixteen bits
        stage = Quantization(model, digits, quantize, in_scheme, runs_here=here, judge=judge)
        facts = stage.run(StageContext(folder)).facts
        check = Int8Check.read(facts["check"], file="facts")
        assert check.attempts is not None
        assert check.attempts.judged == len(judge.files)
        return Climb(check.attempts, check, judge, folder / "model.onnx")

    return run


def test_where_plain_int8_keeps_the_budget_only_what_is_free_is_tried(
    climbing: Callable[..., Climb],
) -> None:
    assert climbing(limit=0.5, methods=["calibration", "fall-back"]).ways == ["plain"]
    found = climbing(limit=0.5)
    assert found.ways == ["plain", "bias-correction"]
    assert found.attempts.judged == 2
    assert found.attempts.broken is None
    assert found.check.int8_mac_share == 1.0


def test_ways_are_tried_in_order_of_cost_and_only_what_helps_is_kept(
    climbing: Callable[..., Climb],
) -> None:
    found = climbing(limit=0.0, methods=["bias-correction", "calibration"])
    assert found.ways == ["plain", "bias-correction", "calibration", "calibration", "calibration"]
    assert [one.detail for one in found.attempts.tried[2:]] == [
        "percentile",
        "mean-squared-error",
        "entropy",
    ]
    best = found.attempts.tried[0]
    for one in found.attempts.tried[1:]:
        assert one.figure is not None
        assert best.figure is not None
        assert one.gain == pytest.approx(one.figure - best.figure)
        assert one.kept == ((one.figure, -one.distance) > (best.figure, -best.distance))
        best = one if one.kept else best
    assert not all(one.kept for one in found.attempts.tried)
    assert found.attempts.broken == "is too far away"


def test_of_equal_figures_the_nearer_outputs_are_kept(climbing: Callable[..., Climb]) -> None:
    found = climbing(limit=0.0, rounded=0, methods=["calibration", "bias-correction"])
    assert {one.figure for one in found.attempts.tried} == {1.0}
    distances = [one.distance for one in found.attempts.tried]
    assert found.attempts.kept[-1].distance == min(distances)


def test_where_the_figure_is_as_high_as_it_must_be_the_nearer_outputs_are_kept(
    climbing: Callable[..., Climb],
) -> None:
    found = climbing(limit=0.0, enough=True, methods=["calibration", "bias-correction"])
    distances = [one.distance for one in found.attempts.tried]
    assert len(set(distances)) > 1
    assert found.attempts.kept[-1].distance == min(distances)


def test_the_file_written_is_the_one_that_was_judged_best(climbing: Callable[..., Climb]) -> None:
    found = climbing(limit=0.0, methods=["calibration", "bias-correction"])
    pairs = zip(found.attempts.tried, found.judge.files, strict=True)
    order = {one.distance: file for one, file in pairs}
    assert found.model.read_bytes() == order[found.attempts.kept[-1].distance]


def test_the_ladder_ends_as_soon_as_the_budget_holds(climbing: Callable[..., Climb]) -> None:
    everything = climbing(limit=0.0, methods=["calibration", "bias-correction"])
    *_, before, best = [one.distance for one in everything.attempts.kept]
    limit = (before + best) / 2
    found = climbing(limit=limit, methods=["calibration", "bias-correction", "fall-back"])
    assert found.attempts.tried[-1].holds
    assert found.attempts.tried[-1].distance == best
    assert found.attempts.fallen_back == ()


def test_a_tensor_that_eight_bits_cannot_hold_falls_back_on_both_its_sides(
    climbing: Callable[..., Climb],
) -> None:
    found = climbing(
        limit=0.05, blown=3000.0, methods=["fall-back"], max_float_share=0.9, min_int8_share=1.0
    )
    plain, last = found.attempts.tried
    assert not plain.holds
    assert last.way == "fall-back"
    assert last.holds
    assert last.kept
    assert {one.name for one in found.attempts.fallen_back} == {"Conv Conv_2", "Conv Conv_4"}
    assert found.check.float_operators == 2
    assert found.check.int8_operators == 3
    left = sum(one.mac_share for one in found.attempts.fallen_back)
    assert found.check.int8_mac_share == pytest.approx(1 - left)
    graph = onnx.load_model(found.model).graph
    makers = {name: node for node in graph.node for name in node.output}
    between = next(node for node in graph.node if node.name == "Conv_4").input[0]
    assert makers[between].op_type == "Relu"  # no quantizer between the two
    assert makers[makers[between].input[0]].name == "Conv_2"


def test_a_fall_back_that_may_not_leave_enough_in_float_is_not_kept(
    climbing: Callable[..., Climb],
) -> None:
    found = climbing(limit=0.05, blown=3000.0, methods=["fall-back"], max_float_share=0.35)
    assert [one.kept for one in found.attempts.tried] == [True, False]
    assert found.attempts.fallen_back == ()
    assert found.check.float_operators == 0
    assert found.attempts.broken == "is too far away"


def test_where_the_scheme_says_so_operators_fall_back_to_sixteen_bits(
    climbing: Callable[..., Climb],
) -> None:
    found = climbing(
        limit=0.05,
        blown=100.0,
        methods=["fall-back"],
        fall_back="sixteen-bit-activations",
        max_float_share=0.9,
        min_int8_share=1.0,
    )
    assert found.ways == ["plain", "sixteen-bit-activations"]
    assert found.attempts.tried[-1].holds
    names = {one.name for one in found.attempts.fallen_back}
    assert names == {"Conv Conv_2", "Conv Conv_4"}
    assert {one.to for one in found.attempts.fallen_back} == {"sixteen-bit-activations"}
    assert found.check.int8_operators == 5
    graph = onnx.load_model(found.model).graph
    nodes = {node.name: node for node in graph.node}
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}

    def activation(name: str) -> int:
        return types[makers[nodes[name].input[0]].input[2]]

    wide, narrow = onnx.TensorProto.UINT16, onnx.TensorProto.UINT8
    assert [activation(name) for name in ("Conv_0", "Conv_2", "Conv_4", "Conv_6")] == [
        *(narrow, wide, wide, narrow)
    ]
    weights = [types[makers[nodes[name].input[1]].input[0]] for name in ("Conv_2", "Conv_4")]
    assert weights == [onnx.TensorProto.INT8] * 2
    assert count(found.model).macs == count(found.model.parents[1] / "float.onnx").macs


def test_a_run_that_is_cut_off_leaves_no_model_and_the_next_gives_the_same_bytes(
    climbing: Callable[..., Climb], tmp_path: Path
) -> None:
    config = {"limit": 0.05, "blown": 3000.0, "max_float_share": 0.9}
    with pytest.raises(KeyboardInterrupt):
        climbing(**config, cut_off_at=7)
    assert not [file for file in tmp_path.glob("0/step/**/*") if file.is_file()]
    first, second = climbing(**config), climbing(**config)
    assert first.model.read_bytes() == second.model.read_bytes()
    assert first.attempts == second.attempts


def test_a_scheme_that_this_runtime_leaves_in_float_is_refused_before_anything_is_tried(
    trained: Callable[[str], Path],
    digits: Dataset,
    scheme: Scheme,
    context: StageContext,
    tmp_path: Path,
) -> None:
    model = trained("residual-cnn")
    judge = Nearness(model, digits, tmp_path / "judging", limit=0.0)
    symmetric = scheme(activation="int8", symmetric_activation=True)
    stage = Quantization(
        model, digits, Quantize(min_int8_share=1.0), symmetric, runs_here=True, judge=judge
    )
    with pytest.raises(PromiseError, match="of the heavy operators in int8"):
        stage.run(context)
    assert judge.files == []
