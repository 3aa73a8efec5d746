from __future__ import annotations

import math
import operator

import pytest
import torch
from torch import nn

from edgedistill.errors import InputError
from edgedistill.models import Signature, zoo

SHAPES = [(1, 8, 8), (3, 32, 32), (3, 224, 224)]


def _construct(name: str, shape: tuple[int, ...], **given: object) -> nn.Module:
    torch.manual_seed(0)
    return zoo.construct(name, given, Signature({"input": shape}, 5)).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["residual-cnn", "depthwise-cnn"])
def test_pictures_of_any_size_give_one_logit_per_class(name: str, shape: tuple[int, ...]) -> None:
    module = _construct(name, shape, width=8, stem_stride=4 if shape[1] > 32 else 1)
    assert module(torch.zeros(2, *shape)).shape == (2, 5)


@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 8, 8)])
def test_mlp_takes_arrays_of_any_shape(shape: tuple[int, ...]) -> None:
    assert _construct("mlp", shape, width=8)(torch.zeros(2, *shape)).shape == (2, 5)


def _batch_norm(channels: int) -> int:
    return 2 * channels


def test_residual_cnn_has_the_parameters_of_its_definition() -> None:
    width, classes = 8, 5
    expected = 9 * 3 * width + _batch_norm(width)
    inputs = width
    for stage in range(3):
        outputs = width * 2**stage
        for block in range(2):
            expected += 9 * inputs * outputs + 9 * outputs * outputs + 2 * _batch_norm(outputs)
            if stage and not block:
                expected += inputs * outputs + _batch_norm(outputs)
            inputs = outputs
    expected += inputs * classes + classes
    module = _construct("residual-cnn", (3, 16, 16), width=width, depth=2)
    assert sum(value.numel() for value in module.parameters()) == expected


def test_depthwise_cnn_has_the_parameters_of_its_definition() -> None:
    expected = 9 * 8 + _batch_norm(8)
    for inputs, outputs in [(8, 8), (8, 16), (16, 32)]:
        expected += 9 * inputs + _batch_norm(inputs) + inputs * outputs + _batch_norm(outputs)
    expected += 32 * 5 + 5
    module = _construct("depthwise-cnn", (1, 16, 16), width=8, depth=1)
    assert sum(value.numel() for value in module.parameters()) == expected


def test_depthwise_weights_are_drawn_with_the_fan_of_one_group() -> None:
    module = _construct("depthwise-cnn", (1, 8, 8), width=512, depth=1, stages=1)
    depthwise = next(
        layer for layer in module.modules() if isinstance(layer, nn.Conv2d) and layer.groups > 1
    )
    assert depthwise.weight.std().item() == pytest.approx(math.sqrt(2 / 9), rel=0.05)


def test_residual_depthwise_blocks_add_their_input() -> None:
    plain = _construct("depthwise-cnn", (1, 8, 8), width=8)
    residual = _construct("depthwise-cnn", (1, 8, 8), width=8, residual=True)
    residual.load_state_dict(plain.state_dict())
    x = torch.randn(1, 1, 8, 8)
    assert not torch.equal(plain(x), residual(x))


def test_unknown_names_and_arguments_are_answered_with_the_nearest_known() -> None:
    signature = Signature({"input": (1, 8, 8)}, 5)
    with pytest.raises(InputError, match=r"student\.source.*Did you mean 'builtin:residual-cnn'"):
        zoo.arguments("residual-cn", {})
    with pytest.raises(InputError, match=r"teacher\.args\.widht.*Did you mean 'width'"):
        zoo.construct("residual-cnn", {"widht": 8}, signature, field="teacher")


def test_all_wrong_arguments_are_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        zoo.arguments("residual-cnn", {"width": 0, "depth": "two", "stem_stride": 3})
    assert [fault.field for fault in caught.value.faults] == [
        "student.args.width",
        "student.args.depth",
        "student.args.stem_stride",
    ]


def test_a_picture_network_refuses_feature_vectors() -> None:
    with pytest.raises(InputError, match="builtin:mlp"):
        zoo.construct("residual-cnn", {}, Signature({"input": (6,)}, 5))


@pytest.mark.parametrize("name", ["residual-cnn", "depthwise-cnn"])
def test_the_graph_holds_only_operators_that_quantize_well(name: str) -> None:
    graph = torch.fx.symbolic_trace(_construct(name, (1, 8, 8), width=8, depth=2)).graph
    called = {node.target for node in graph.nodes if node.op in ("call_function", "call_method")}
    assert called <= {operator.add, "mean"}


def test_no_layer_works_in_place() -> None:
    for name in zoo.names():
        module = _construct(name, (1, 8, 8), width=8)
        assert not any(getattr(layer, "inplace", False) for layer in module.modules())
