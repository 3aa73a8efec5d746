from __future__ import annotations

from itertools import chain, combinations
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from quantized_chain import write_chain

from edgedistill.core.judging import Judged
from edgedistill.stages.quantize.burden import ELEMENT_MACS, Burden, burdens
from edgedistill.stages.quantize.calibration import open_calibration
from edgedistill.stages.quantize.drafts import Draft, Workshop
from edgedistill.stages.quantize.fall_back import allowed, fall_back, worthwhile
from edgedistill.stages.quantize.fidelity import FloatOutputs
from edgedistill.stages.quantize.sensitivity import SAMPLES, heavy_names, sensitivities
from edgedistill.stages.quantize.session import open_session
from edgedistill.stages.quantize.transform import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset

    Scheme = Callable[..., QuantizationScheme]

FOLLOWERS: dict[str, tuple[str, ...]] = {
    "Conv_0": ("Relu_1",),
    "Conv_2": ("Relu_3",),
    "Conv_4": ("Relu_5",),
    "Conv_6": ("Relu_7", "GlobalAveragePool_8", "Flatten_9"),
    "Gemm_10": (),
}
"""What is quantized with an operator because it comes in int8 then."""
NAMES = tuple(FOLLOWERS)


@pytest.fixture
def workshop(
    digits: Dataset, scheme: Scheme, context: StageContext, tmp_path: Path
) -> Callable[..., Workshop]:
    def make(**arguments: object) -> Workshop:
        path = write_chain(tmp_path / "float.onnx", **arguments)
        source = onnx.load_model(path)
        folder = tmp_path / "work"
        folder.mkdir()
        samples = open_calibration(digits.calibration, open_session(path, 1))
        prepared = prepare(source, folder)
        return Workshop(source, prepared, samples, scheme(), folder, context)

    return make


class _Reader(CalibrationDataReader):
    def __init__(self, samples: Iterator[Mapping[str, np.ndarray]]) -> None:
        self._samples = samples

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        return next(self._samples, None)


def _outputs(path: Path, samples: list[Mapping[str, np.ndarray]]) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, dict(one))[0] for one in samples]).astype(np.float64)


def test_each_operator_loses_what_it_loses_when_the_library_quantizes_it_alone(
    workshop: Callable[..., Workshop], tmp_path: Path
) -> None:
    shop = workshop(blown=300.0)
    found = sensitivities(shop, Draft("min-max"))
    assert tuple(found) == NAMES == heavy_names(shop, Draft("min-max"))
    few = list(shop.samples)[:SAMPLES]
    before = _outputs(shop.prepared, few)
    for name, distance in found.items():
        alone = tmp_path / f"{name}.onnx"
        quantize_static(
            shop.prepared,
            alone,
            _Reader(iter(shop.samples)),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_quantize=[name, *FOLLOWERS[name]],
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
        )
        difference = _outputs(alone, few) - before
        expected = np.sqrt((difference**2).mean()) / before.std()
        assert distance == pytest.approx(expected, rel=1e-3)
    worst = sorted(found, key=lambda name: -found[name])[:2]
    assert set(worst) == {"Conv_2", "Conv_4"}


def test_what_is_in_float_already_stays_there_and_is_not_listed(
    workshop: Callable[..., Workshop],
) -> None:
    shop = workshop()
    found = sensitivities(shop, Draft("min-max", floating=frozenset({"Conv_0", "Conv_2"})))
    assert tuple(found) == NAMES[2:]


def test_burdens_are_multiply_accumulates_and_elements(tmp_path: Path) -> None:
    path = write_chain(tmp_path / "float.onnx", width=4)
    model = onnx.load_model(path)
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    found = burdens(model, path, {"input": np.zeros((1, 1, 8, 8), np.float32)})
    first = Burden(macs=64 * 4 * 9, elements=64 + 4 * 9 + 4 + 64 * 4)
    inner = Burden(macs=64 * 4 * 4 * 9, elements=64 * 4 + 4 * 4 * 9 + 4 + 64 * 4)
    last = Burden(macs=40, elements=4 + 40 + 10 + 10)
    assert found == dict(zip(NAMES, (first, inner, inner, inner, last), strict=True))
    assert first.in_float == first.macs + ELEMENT_MACS * first.elements


def test_burdens_of_a_size_that_hangs_on_values_are_not_told(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]>'
        "g (float[N,4] input, float[4,M] other) => (float[K,M] out)"
        "{ places = NonZero (input) cut = Slice (input, start, end, axes, step)"
        "  first = Gather (places, zero) rows = Gather (cut, first) out = MatMul (rows, other) }"
    )
    for name, values in {"start": [0], "end": [4], "axes": [1], "step": [1]}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(0), "zero"))
    sample = {"input": np.ones((1, 4), np.float32), "other": np.ones((4, 3), np.float32)}
    assert burdens(model, tmp_path / "x.onnx", sample) is None


def test_the_fall_back_is_the_cheapest_of_all_that_hold(workshop: Callable[..., Workshop]) -> None:
    shop = workshop(blown=3000.0)
    folder = shop.folder / "judged"
    folder.mkdir()
    answers = FloatOutputs(shop.prepared, list(shop.samples)[:20], folder, threads=1)

    def judge(draft: Draft) -> Judged:
        distance = answers.distance(shop.write(draft))
        return Judged(1.0, distance, None if distance <= 0.05 else "too far")

    found = fall_back(shop, Draft("min-max"), judge, max_share=0.9)
    costs = burdens(onnx.load_model(shop.prepared), shop.prepared, next(iter(shop.samples)))
    assert costs is not None
    subsets = chain.from_iterable(combinations(NAMES, many) for many in range(4))
    holding = [
        frozenset(subset)
        for subset in subsets
        if judge(Draft("min-max", floating=frozenset(subset))).holds
    ]
    cheapest = min(holding, key=lambda subset: sum(costs[name].in_float for name in subset))
    assert found.draft.floating == cheapest
    assert len(cheapest) == 2


def test_worth_is_squared_loss_for_cost_and_room_is_kept() -> None:
    losses = {"a": 0.1, "b": 0.2, "c": 0.0, "d": 0.3}
    costs = {name: Burden(macs, 0) for name, macs in zip("abcd", (10, 100, 10, 200), strict=True)}
    order = worthwhile(losses, costs)
    assert order == ["a", "d", "b"]  # 0.001, 0.00045, 0.0004; c loses nothing
    assert allowed(order, costs, 0.4) == ["a", "b"]  # 320 in all, room for 128: d does not fit
