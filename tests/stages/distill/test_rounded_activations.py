from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from edgedistill.core.profile import QuantizationScheme
from edgedistill.core.stage import StageContext
from edgedistill.stages.distill.fake_quantization import fake_quantization
from edgedistill.stages.distill.folding import folded_norms
from edgedistill.stages.distill.rounded_activations import rounded_activations
from edgedistill.stages.distill.rounded_numbers import Rounding, round_activations
from edgedistill.stages.quantize.calibration import calibrate
from edgedistill.stages.quantize.placement import place
from edgedistill.stages.quantize.transform import prepare, quantize, tidy

if TYPE_CHECKING:
    from pathlib import Path

U8S8 = Rounding(255, symmetric_activations=False, per_channel=False, weight_levels=127)


class Residual(nn.Module):
    """A residual stream whose channels differ, so that rounding it loses the small ones."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.blocks = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(4))
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in range(4))
        self.beside = nn.Conv2d(8, 4, 1)
        self.head = nn.Linear(12, 5)
        with torch.no_grad():
            self.stem_norm.weight.copy_(torch.logspace(-2, 0, 8))
            for norm in self.norms:
                norm.weight.copy_(torch.logspace(-2, 0, 8))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        x = self.stem_norm(self.stem(input)).relu()
        for block, norm in zip(self.blocks, self.norms, strict=True):
            given = norm(block(x))
            given += x
            x = torch.relu(given)
        x = torch.cat([x, nn.functional.silu(self.beside(x))], 1)
        return self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def _int8_file(module: nn.Module, samples: np.ndarray, folder: Path) -> onnx.ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            module,
            (torch.from_numpy(samples[:2]),),
            folder / "model.onnx",
            dynamo=True,
            opset_version=20,
            input_names=["input"],
            dynamic_shapes=({0: "batch"},),
            external_data=False,
            verbose=False,
        )
    prepared = prepare(onnx.load_model(folder / "model.onnx"), folder)
    placement = place(onnx.load_model(prepared).graph)
    ranges = calibrate(
        prepared,
        [{"input": sample[None]} for sample in samples],
        placement.operators,
        StageContext(folder),
        method="min-max",
    )
    scheme = QuantizationScheme(activation="uint8", per_channel=False, reason="a test")
    quantized = quantize(prepared, ranges, placement, scheme)
    return tidy(quantized, onnx.load_model(folder / "model.onnx"))


def test_a_residual_network_loses_what_its_int8_file_loses(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Residual().eval()
    samples = np.random.default_rng(0).normal(size=(32, 3, 8, 8)).astype(np.float32)
    model = _int8_file(module, samples, tmp_path)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (int8,) = session.run(None, {"input": samples})
    inputs = torch.from_numpy(samples)
    with torch.no_grad():
        floats = module(inputs).numpy()
        with fake_quantization(module, U8S8, folded_norms(module, {"input": inputs})):
            fake = module(inputs).numpy()
        assert np.array_equal(module(inputs).numpy(), floats)
    lost, feared = np.abs(int8 - floats).mean(), np.abs(fake - floats).mean()
    assert 0.8 < feared / lost < 1.25, (feared, lost)


def _runs(function: object, *inputs: torch.Tensor) -> torch.Tensor:
    class Network(nn.Module):
        def forward(self, *given: torch.Tensor) -> torch.Tensor:
            return function(*given)  # type: ignore[operator, no-any-return]

    network = Network()
    with rounded_activations(network, U8S8):
        return network(*inputs)  # type: ignore[no-any-return]


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(3, 3, 1, 1, generator=torch.Generator().manual_seed(1))


def test_an_addition_of_what_convolutions_give_is_rounded(
    pictures: torch.Tensor, weight: torch.Tensor
) -> None:
    def block(x: torch.Tensor) -> torch.Tensor:
        return torch.conv2d(x, weight).relu() + torch.conv2d(x, 2 * weight)

    x = round_activations(pictures, U8S8)
    first, second = torch.conv2d(x, weight).relu(), torch.conv2d(x, 2 * weight)
    expected = round_activations(first, U8S8) + round_activations(second, U8S8)
    assert torch.equal(_runs(block, pictures), expected)
    in_place = _runs(
        lambda x: torch.conv2d(x, weight).relu().add_(torch.conv2d(x, 2 * weight)), pictures
    )
    assert torch.equal(in_place, expected)


def test_an_addition_to_what_came_in_float_stays_in_float(
    pictures: torch.Tensor, weight: torch.Tensor
) -> None:
    x = round_activations(pictures, U8S8)
    expected = pictures.sigmoid() + round_activations(torch.conv2d(x, weight), U8S8)
    found = _runs(lambda x: x.sigmoid() + torch.conv2d(x, weight), pictures)
    assert torch.equal(found, expected)


def test_what_a_matrix_product_gives_stays_in_float() -> None:
    words = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    given = nn.functional.linear(round_activations(words, U8S8), weight)
    found = _runs(lambda x: x + nn.functional.linear(x, weight), words)
    assert torch.equal(found, words + given)
    rows, product = words[:, 0], nn.functional.linear(round_activations(words[:, 0], U8S8), weight)
    curved = _runs(lambda x: torch.tanh(nn.functional.linear(x, weight)), rows)
    assert torch.equal(curved, torch.tanh(product))
    summed = _runs(lambda x: sum([nn.functional.linear(x, weight)] * 2), rows)
    assert torch.equal(summed, 2 * round_activations(product, U8S8))


def test_a_call_that_fails_leaves_nothing_behind(pictures: torch.Tensor) -> None:
    class Fails(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError("no")

    network = Fails()
    with rounded_activations(network, U8S8), pytest.raises(ValueError, match="no"):
        network(pictures)
    assert torch.equal(torch.conv2d(pictures, torch.eye(3)[..., None, None]), pictures)


def test_gradients_reach_what_was_added_in_place(
    pictures: torch.Tensor, weight: torch.Tensor
) -> None:
    weight.requires_grad_()

    def block(x: torch.Tensor) -> torch.Tensor:
        given = torch.conv2d(x, weight)
        given += torch.conv2d(x, weight)
        return given

    _runs(block, pictures).sum().backward()
    x = round_activations(pictures, U8S8)
    expected = 2 * x.sum((0, 2, 3)).expand(3, -1)[..., None, None]
    torch.testing.assert_close(weight.grad, expected)
