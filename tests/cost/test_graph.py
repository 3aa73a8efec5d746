from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from edgedistill.core.teacher import Model
from edgedistill.cost import count
from edgedistill.errors import InputError
from edgedistill.models import Signature, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PICTURE = Signature({"input": (3, 16, 16)}, classes=5)

ZOO = [
    ("builtin:residual-cnn", {"width": 8}),
    ("builtin:depthwise-cnn", {"width": 8, "residual": True}),
    ("builtin:mlp", {"width": 24}),
]


def network(source: str, args: dict[str, object], tmp_path: Path) -> nn.Module:
    module = build(Model(source=source, args=args), PICTURE, base=tmp_path, seed=0)
    torch.manual_seed(1)
    with torch.no_grad():  # equal weights would be stored once
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.rand_like(parameter))
    return module


@pytest.mark.parametrize(("source", "args"), ZOO)
def test_macs_equal_torch_prunings_count_of_convolutions_and_linear_layers(
    source: str, args: dict[str, object], tmp_path: Path, export: Callable[..., Path]
) -> None:
    import torch_pruning as tp

    module = network(source, args, tmp_path).eval()
    expected = 0
    shapes: dict[nn.Module, torch.Size] = {}
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in layers:
        layer.register_forward_hook(lambda one, _, out: shapes.update({one: out.shape}))
    module(torch.zeros(1, 3, 16, 16))
    _, parameters, flops, _ = tp.utils.count_ops_and_params(
        module, torch.zeros(1, 3, 16, 16), layer_wise=True
    )
    for layer in layers:
        # torch-pruning adds one operation for each bias it adds, and counts batch norms, too
        expected += flops[layer] - (shapes[layer].numel() if layer.bias is not None else 0)
    folded = sum(m.num_features for m in module.modules() if isinstance(m, nn.BatchNorm2d))
    biased = sum(
        m.num_features
        for m, before in zip(list(module.modules())[1:], module.modules(), strict=False)
        if isinstance(m, nn.BatchNorm2d) and getattr(before, "bias", None) is not None
    )
    found = count(export(module, (3, 16, 16)))
    assert found.macs == expected
    # folding turns scale and shift into the convolution's bias: one vector of the two goes
    assert found.parameters == parameters - folded - biased


GRAPHS = {
    "convolution": (
        "g (float[N,3,9,9] input) => (float[N,8,5,5] out) {"
        "out = Conv <strides=[2,2], pads=[1,1,1,1]> (input, w, b) }",
        {"w": (8, 3, 3, 3), "b": (8,)},
        8 * 5 * 5 * 3 * 3 * 3,
        8 * 3 * 3 * 3 + 8,
    ),
    "grouped": (
        "g (float[N,6,4,4] input) => (float[N,9,4,4] out) {"
        "out = Conv <group=3, pads=[1,1,1,1]> (input, w) }",
        {"w": (9, 2, 3, 3)},
        9 * 4 * 4 * 2 * 3 * 3,
        9 * 2 * 3 * 3,
    ),
    "depthwise": (
        "g (float[N,6,4,4] input) => (float[N,6,4,4] out) {"
        "out = Conv <group=6, pads=[1,1,1,1]> (input, w) }",
        {"w": (6, 1, 3, 3)},
        6 * 4 * 4 * 3 * 3,
        6 * 3 * 3,
    ),
    "one-dimensional": (
        "g (float[N,2,10] input) => (float[N,4,8] out) { out = Conv (input, w) }",
        {"w": (4, 2, 3)},
        4 * 8 * 2 * 3,
        4 * 2 * 3,
    ),
    "transposed": (
        "g (float[N,4,5,5] input) => (float[N,6,10,10] out) {"
        "out = ConvTranspose <strides=[2,2]> (input, w) }",
        {"w": (4, 6, 2, 2)},
        4 * 5 * 5 * 6 * 2 * 2,
        4 * 6 * 2 * 2,
    ),
    "gemm": (
        "g (float[N,7] input) => (float[N,3] out) { out = Gemm <transB=1> (input, w, b) }",
        {"w": (3, 7), "b": (3,)},
        7 * 3,
        7 * 3 + 3,
    ),
    "gemm-transposed-input": (
        "g (float[1,7] input) => (float[7,3] out) { out = Gemm <transA=1> (input, w) }",
        {"w": (1, 3)},
        7 * 3,
        3,
    ),
    "matmul": (
        "g (float[N,5,7] input) => (float[N,5,3] out) { out = MatMul (input, w) }",
        {"w": (7, 3)},
        5 * 7 * 3,
        7 * 3,
    ),
    "scores": (
        "g (float[N,2,5,8] input) => (float[N,2,5,5] out) {"
        "turned = Transpose <perm=[0,1,3,2]> (input) out = MatMul (input, turned) }",
        {},
        2 * 5 * 5 * 8,
        0,
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_closed_forms(name: str, write: Callable[..., Path]) -> None:
    text, weights, macs, parameters = GRAPHS[name]
    path = write(text, weights=weights)
    found = count(path)
    assert (found.macs, found.parameters) == (macs, parameters)
    assert found.size_bytes == len(path.read_bytes())


@pytest.mark.parametrize("rank", [3, 4])
def test_attention_is_two_products_for_each_head(rank: int, write: Callable[..., Path]) -> None:
    batch, heads, length, size = 1, 2, 6, 4
    if rank == 4:
        shape, attributes = f"N,{heads},{length},{size}", ""
    else:
        shape, attributes = (
            f"N,{length},{heads * size}",
            f"<q_num_heads={heads}, kv_num_heads={heads}>",
        )
    path = write(
        f"g (float[{shape}] q, float[{shape}] k, float[{shape}] v) => (float[{shape}] out) {{"
        f"out = Attention {attributes} (q, k, v) }}",
        opset='"" : 23',
    )
    assert count(path).macs == 2 * batch * heads * length * length * size


def test_what_is_no_parameter(write: Callable[..., Path]) -> None:
    path = write(
        "g (float[N,3,4,4] input) => (float[N,3,4,4] out)"
        "<float scale = {0.5}, float low = {0.0}, float high = {6.0}> {"
        "halved = Mul (input, scale) bounded = Clip (halved, low, high)"
        "normal = BatchNormalization (bounded, gamma, beta, mean, variance)"
        "out = Add (normal, shift) }",
        weights={
            "gamma": (3,),
            "beta": (3,),
            "mean": (3,),
            "variance": (3,),
            "shift": (1, 3, 1, 1),
            "unused": (100,),
        },
    )
    assert count(path).parameters == 3 + 3 + 3


class _Reader(CalibrationDataReader):
    def __init__(self, shape: tuple[int, ...]) -> None:
        generator = np.random.default_rng(0)
        self.samples = [generator.standard_normal(shape, dtype=np.float32) for _ in range(3)]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return {"input": self.samples.pop()} if self.samples else None


class Small(nn.Module):
    """A bit of everything that has a quantized twin."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.third = nn.Conv2d(16, 8, 1)
        self.hidden = nn.Linear(8, 12)
        self.head = nn.Linear(12, 5, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.first(x).relu()
        second = torch.sigmoid(self.second(first)) * first + first
        third = nn.functional.avg_pool2d(self.third(torch.cat((first, second), 1)), 2)
        pooled = nn.functional.adaptive_avg_pool2d(third, 1).flatten(1)
        return self.head(nn.functional.leaky_relu(self.hidden(pooled))).softmax(1)


@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
def test_a_quantized_graph_counts_like_its_float_twin(
    form: str, tmp_path: Path, export: Callable[..., Path]
) -> None:
    torch.manual_seed(0)
    exported = export(Small(), (3, 8, 8))
    prepared, quantized = tmp_path / "prepared.onnx", tmp_path / "quantized.onnx"
    quant_pre_process(str(exported), str(prepared), skip_symbolic_shape=True)
    if form == "dynamic":
        model = onnx.load_model(prepared)
        del model.graph.value_info[:]
        onnx.save_model(model, prepared)
        quantize_dynamic(prepared, quantized, per_channel=True)
    else:
        quantize_static(
            prepared,
            quantized,
            _Reader((1, 3, 8, 8)),
            quant_format=QuantFormat[form],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    float_cost, int8_cost = count(exported), count(quantized)
    by_hand = 8 * 64 * 27 + 8 * 64 * 9 + 8 * 64 * 16 + 8 * 12 + 12 * 5
    assert float_cost.macs == int8_cost.macs == by_hand
    assert float_cost.parameters == int8_cost.parameters
    assert float_cost.parameters == sum(p.numel() for p in Small().parameters())


def test_an_unknown_shape_names_the_tensor(write: Callable[..., Path]) -> None:
    path = write(
        "g (float[N,6] input) => (float[A,3] out) {"
        "places = NonZero (input) turned = Transpose (places) real = Cast <to=1> (turned)"
        "out = MatMul (real, w) }",
        weights={"w": (2, 3)},
    )
    with pytest.raises(InputError, match=r"out: the shape of this tensor cannot be inferred"):
        count(path)


def test_an_open_axis_is_named_and_may_be_given(write: Callable[..., Path]) -> None:
    path = write(
        "g (float[N,length,7] input) => (float[N,length,3] out) { out = MatMul (input, w) }",
        weights={"w": (7, 3)},
    )
    with pytest.raises(InputError, match=r"input: axis 1 of this input has no size .*length"):
        count(path)
    assert count(path, input_shapes={"input": (5, 7)}).macs == 5 * 7 * 3


def test_a_fixed_batch_is_refused(write: Callable[..., Path]) -> None:
    path = write(
        "g (float[4,7] input) => (float[4,3] out) { out = MatMul (input, w) }",
        weights={"w": (7, 3)},
    )
    with pytest.raises(InputError, match=r"fixed batch.*given: 4"):
        count(path)


def test_an_operator_nobody_can_count_is_named(write: Callable[..., Path]) -> None:
    path = write(
        "g (float[N,7] input) => (float[N,3] out) { out = com.example.Magic (input) }",
        opset='"" : 20, "com.example" : 1',
    )
    with pytest.raises(InputError, match=r"com\.example:Magic"):
        count(path)


def test_shapes_that_contradict_each_other(write: Callable[..., Path]) -> None:
    path = write(
        "g (float[N,6] input) => (float[N,3] out) { out = MatMul (input, w) }",
        weights={"w": (7, 3)},
    )
    with pytest.raises(InputError, match="shapes contradict each other"):
        count(path)
