from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import numpy_helper

from edgedistill.cost import opset
from edgedistill.stages.quantize.arranging import arrange
from edgedistill.stages.quantize.junctions import junctions
from edgedistill.stages.quantize.masks import raise_masks

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.profile import QuantizationScheme

    Scheme = Callable[..., QuantizationScheme]


def written(body: str, given: str, **weights: np.ndarray) -> onnx.ModelProto:
    """A model of one input and one output, its shapes inferred and its nodes named."""
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]>\n'
        f"g (float[{given}] input) => (float out) {{{body}}}"
    )
    model.graph.output[0].type.tensor_type.ClearField("shape")
    for node in model.graph.node:
        node.name = node.output[0]
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in weights.items()
    )
    return onnx.shape_inference.infer_shapes(model)


def answers(model: onnx.ModelProto, sample: np.ndarray) -> np.ndarray:
    """What onnxruntime makes of the model as it is written."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"input": sample})[0]


def arranged(model: onnx.ModelProto, scheme: QuantizationScheme) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    raise_masks(changed.graph, opset(changed))
    arrange(changed.graph, scheme)
    onnx.checker.check_model(changed, full_check=True)
    return changed


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("kernel", "pads"),
    [
        ((3, 3), (1, 1, 1, 1)),
        ((3, 3), (0, 0, 1, 1)),
        ((3, 3), (0, 0, 0, 0)),
        ((7, 7), (3, 3, 3, 3)),
        ((2, 5), (1, 0, 0, 2)),
        ((4, 1), (2, 0, 1, 0)),
        ((6, 6), (2, 1, 3, 0)),
    ],
)
def test_a_convolution_of_stride_two_in_blocks_of_two_pixels_gives_the_same(
    channels: int,
    kernel: tuple[int, int],
    pads: tuple[int, ...],
    scheme: Scheme,
    random: np.random.Generator,
) -> None:
    model = written(
        f"out = Conv <strides=[2,2], pads={list(pads)}> (input, w, b)",
        f"N,{channels},12,16",
        w=random.standard_normal((4, channels, *kernel)).astype(np.float32),
        b=random.standard_normal(4).astype(np.float32),
    )
    changed = arranged(model, scheme())
    assert operators(changed) == ["SpaceToDepth", "Conv"]
    sample = random.standard_normal((2, channels, 12, 16)).astype(np.float32)
    expected = answers(model, sample)
    found = answers(changed, sample)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("given", "options", "wanted"),
    [
        ("N,3,11,16", "strides=[2,2]", ["Pad", "Conv"]),  # an odd height has no blocks
        ("N,3,H,W", "strides=[2,2]", ["Pad", "Conv"]),  # nor has one that is not known
        ("N,3,12,16", "strides=[1,1]", ["Pad", "Conv"]),
        ("N,3,12,16", "strides=[2,1]", ["Pad", "Conv"]),
        ("N,1,12,16", "strides=[1,1]", ["Conv"]),
        ("N,4,12,16", "strides=[2,2]", ["Conv"]),
        ("N,3,12,16", "dilations=[2,2], strides=[2,2]", ["Conv"]),
        ("N,3,12,16", 'auto_pad="SAME_UPPER", strides=[2,2]', ["Conv"]),
    ],
)
def test_other_first_convolutions_get_a_fourth_channel_or_stay(
    given: str, options: str, wanted: list[str], scheme: Scheme, random: np.random.Generator
) -> None:
    channels = int(given.split(",")[1])
    weight = random.standard_normal((4, channels, 3, 3)).astype(np.float32)
    model = written(f"out = Conv <{options}> (input, w)", given, w=weight)
    changed = arranged(model, scheme())
    assert operators(changed) == wanted
    height = 11 if "11" in given else 12
    sample = random.standard_normal((1, channels, height, 16)).astype(np.float32)
    np.testing.assert_allclose(answers(changed, sample), answers(model, sample), atol=2e-5)


def test_the_scheme_of_another_runtime_leaves_the_first_convolution(
    scheme: Scheme, random: np.random.Generator
) -> None:
    weight = random.standard_normal((4, 3, 3, 3)).astype(np.float32)
    model = written("out = Conv <strides=[2,2]> (input, w)", "N,3,12,16", w=weight)
    assert operators(arranged(model, scheme(symmetric_activation=True))) == ["Conv"]


def test_a_convolution_pads_for_itself(scheme: Scheme, random: np.random.Generator) -> None:
    model = written(
        "padded = Pad (input, p) out = Conv <pads=[1,0,0,0]> (padded, w)",
        "N,4,8,8",
        p=np.array([0, 0, 1, 2, 0, 0, 3, 4], np.int64),
        w=random.standard_normal((2, 4, 3, 3)).astype(np.float32),
    )
    changed = arranged(model, scheme())
    assert operators(changed) == ["Conv"]
    sample = random.standard_normal((1, 4, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(answers(changed, sample), answers(model, sample), atol=1e-5)


@pytest.mark.parametrize(
    ("pads", "mode", "value"),
    [
        ([0, 1, 0, 0, 0, 0, 0, 0], "constant", 0.0),  # channels
        ([0, 0, -1, 0, 0, 0, 0, 0], "constant", 0.0),  # cuts away
        ([0, 0, 1, 1, 0, 0, 1, 1], "reflect", 0.0),
        ([0, 0, 1, 1, 0, 0, 1, 1], "constant", 1.0),
    ],
)
def test_a_pad_that_a_convolution_cannot_do_stays(
    pads: list[int], mode: str, value: float, scheme: Scheme, random: np.random.Generator
) -> None:
    channels = 4 + pads[1]
    model = written(
        f'padded = Pad <mode="{mode}"> (input, p, v) out = Conv (padded, w)',
        "N,4,8,8",
        p=np.array(pads, np.int64),
        v=np.array(value, np.float32),
        w=random.standard_normal((2, channels, 3, 3)).astype(np.float32),
    )
    assert operators(arranged(model, scheme())) == ["Pad", "Conv"]


@pytest.mark.parametrize(
    ("axes", "keep", "wanted"),
    [
        ([2, 3], 1, "GlobalAveragePool"),
        ([-1, -2], 1, "GlobalAveragePool"),
        ([2, 3], 0, "ReduceMean"),
        ([1, 2], 1, "ReduceMean"),
    ],
)
def test_a_mean_over_height_and_width_is_a_global_average(
    axes: list[int], keep: int, wanted: str, scheme: Scheme, random: np.random.Generator
) -> None:
    body = f"out = ReduceMean <keepdims={keep}> (input, axes)"
    model = written(body, "N,4,6,5", axes=np.array(axes, np.int64))
    changed = arranged(model, scheme())
    assert operators(changed) == [wanted]
    sample = random.standard_normal((2, 4, 6, 5)).astype(np.float32)
    np.testing.assert_allclose(answers(changed, sample), answers(model, sample), atol=1e-6)


@pytest.mark.parametrize("spread", [6.0, 70.0])
@pytest.mark.parametrize("hides", [-10_000.0, np.finfo(np.float32).min, -np.inf])
def test_a_mask_hides_as_before_and_leaves_normal_numbers(
    hides: float, spread: float, scheme: Scheme, random: np.random.Generator
) -> None:
    body = (
        "there = Greater (input, nought) mask = Where (there, nought, hides)"
        "scores = Add (mask, input) out = Softmax <axis=-1> (scores)"
    )
    constants = {"nought": np.array(0, np.float32), "hides": np.array(hides, np.float32)}
    model = written(body, "N,4,8", **constants)
    changed = arranged(model, scheme())
    held = ["ReduceMax", "Sub", "Max"]
    assert operators(changed) == ["Greater", "Where", "Add", *held, "Softmax"]
    sample = random.uniform(-spread, spread, (3, 4, 8)).astype(np.float32)
    sample[:, :, 0] = 1.0  # one is always there
    expected, found = answers(model, sample), answers(changed, sample)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert found.min() >= np.finfo(np.float32).tiny
    assert expected.min() < np.finfo(np.float32).tiny


def test_scores_that_hide_nothing_and_rows_that_may_be_empty_are_left_alone(
    scheme: Scheme,
) -> None:
    body = "scores = Add (input, shift) out = Softmax <axis=-1> (scores)"
    shift = written(body, "N,4,8", shift=np.full(8, -20, np.float32))
    assert operators(arranged(shift, scheme())) == ["Add", "Softmax"]
    body = (
        "scores = Add (input, mask) weights = Softmax <axis=-1> (scores)"
        "empty = IsNaN (weights) out = Where (empty, nought, weights)"
    )
    mask, nought = np.full(8, -np.inf, np.float32), np.array(0, np.float32)
    guarded = written(body, "N,4,8", mask=mask, nought=nought)
    assert operators(arranged(guarded, scheme())) == operators(guarded)


def test_linear_layers_before_the_heads_part_take_their_bias_along(
    scheme: Scheme, random: np.random.Generator
) -> None:
    body = (
        "a = MatMul (input, w1) ab = Add (a, b1) as = Reshape (ab, shape)"
        "c = MatMul (input, w2) cb = Add (b2, c) cs = Reshape (cb, shape)"
        "e = MatMul (input, w1) eb = Add (e, b1) joined = Add (as, cs)"
        "flat = Reshape (eb, shape) out = Add (joined, flat)"
    )
    shapes = {"w1": (8, 6), "w2": (8, 6), "b1": (6,), "b2": (6,)}
    model = written(
        body,
        "N,5,8",
        shape=np.array([-1, 5, 2, 3], np.int64),
        **{key: random.standard_normal(size).astype(np.float32) for key, size in shapes.items()},
    )
    changed = arranged(model, scheme())
    assert operators(changed).count("Gemm") == 3
    assert operators(changed).count("Reshape") == 4  # the input becomes a matrix once
    assert "MatMul" not in operators(changed)
    sample = random.standard_normal((2, 5, 8)).astype(np.float32)
    np.testing.assert_allclose(answers(changed, sample), answers(model, sample), atol=1e-5)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("N,5,8", ["Reshape", "Gemm", "Reshape", "Reshape"]),
        ("1,5,8", ["Reshape", "Gemm", "Reshape", "Reshape"]),
        ("N,L,8", ["MatMul", "Add", "Reshape"]),  # nobody knows the way back
    ],
)
def test_a_linear_layer_gets_its_sequence_back(
    given: str, wanted: list[str], scheme: Scheme, random: np.random.Generator
) -> None:
    model = written(
        "a = MatMul (input, w) ab = Add (a, b) out = Reshape (ab, shape)",
        given,
        shape=np.array([0, 5, 2, 3], np.int64),  # 0 copies a size, so it cannot read a matrix
        w=random.standard_normal((8, 6)).astype(np.float32),
        b=random.standard_normal(6).astype(np.float32),
    )
    changed = arranged(model, scheme())
    assert operators(changed) == wanted
    sample = random.standard_normal((1, 5, 8)).astype(np.float32)
    np.testing.assert_allclose(answers(changed, sample), answers(model, sample), atol=1e-5)


def test_a_normalization_still_meets_its_products_behind_the_reshape(
    scheme: Scheme, random: np.random.Generator
) -> None:
    shapes = {"scale": (8,), "shift": (8,), "w1": (8, 6), "b1": (6,), "w2": (8, 6), "b2": (6,)}
    model = written(
        "n = LayerNormalization (input, scale, shift)"
        "a = MatMul (n, w1) ab = Add (a, b1) c = MatMul (n, w2) cb = Add (c, b2)"
        "out = Add (ab, cb)",
        "N,5,8",
        **{key: random.standard_normal(size).astype(np.float32) for key, size in shapes.items()},
    )
    [found] = junctions(arranged(model, scheme()).graph)
    assert [side.name for side in found.makers] == ["scale", "shift"]
    assert [side.name for side in found.readers] == ["w1", "w2"]
