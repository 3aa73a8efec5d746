from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from edgedistill import models
from edgedistill.core.learning import Distill, Training
from edgedistill.stages.distill.answers import Teach, open_answers
from edgedistill.stages.distill.distillation import Distillation
from edgedistill.stages.distill.fake_quantization import fake_quantization
from edgedistill.stages.distill.rounded_numbers import Rounding, round_activations
from edgedistill.stages.distill.train import Train

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.stage import StageContext
    from edgedistill.data.dataset import Dataset
    from edgedistill.models import Network

U8S8 = Rounding(
    activation_levels=255, symmetric_activations=False, per_channel=True, weight_levels=127
)


@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_are_rounded_as_torch_rounds_them(per_channel: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 5, 3, bias=False)
    weight = layer.weight.detach().clone()
    if per_channel:
        scale = weight.abs().amax((1, 2, 3)) / 127
        zeros = torch.zeros(5, dtype=torch.int32)
        expected = torch.fake_quantize_per_channel_affine(weight, scale, zeros, 0, -127, 127)
    else:
        scale = float(weight.abs().max() / 127)
        expected = torch.fake_quantize_per_tensor_affine(weight, scale, 0, -127, 127)
    with fake_quantization(layer, replace(U8S8, per_channel=per_channel)):
        assert torch.allclose(layer.weight, expected, atol=1e-7)
    assert torch.equal(layer.weight, weight)


@pytest.mark.parametrize(
    ("signed", "low", "high"), [(False, -1.0, 3.0), (True, -1.0, 3.0), (False, 0.5, 2.0)]
)
def test_activations_are_rounded_as_torch_rounds_them(
    signed: bool, low: float, high: float
) -> None:
    values = torch.linspace(low, high, 1001)
    least = -128 if signed else 0
    scale = (high - min(low, 0.0)) / 255
    zero = round(least - min(low, 0.0) / scale)
    expected = torch.fake_quantize_per_tensor_affine(values, scale, zero, least, least + 255)
    found = round_activations(values, U8S8)
    steps = (found - expected).abs() / scale
    assert (steps > 0.5).float().mean() < 0.01  # ties between two steps may fall either way
    assert (steps < 1.01).all()
    assert len(found.unique()) <= 256


def test_a_symmetric_range_has_its_zero_in_the_middle() -> None:
    values = torch.tensor([-1.0, 0.0, 0.3, 2.0])
    found = round_activations(values, replace(U8S8, symmetric_activations=True))
    expected = torch.fake_quantize_per_tensor_affine(values, 2.0 / 127, 0, -127, 127)
    assert torch.allclose(found, expected)


def test_the_gradient_goes_through_as_if_nothing_were_rounded() -> None:
    torch.manual_seed(0)
    layer, values = nn.Linear(4, 2), torch.randn(8, 4)
    layer(values).sum().backward()
    plain = layer.weight.grad.clone()
    layer.zero_grad()
    with fake_quantization(layer, U8S8):
        layer(values).sum().backward()
        rounded = round_activations(values, U8S8).sum(0).expand(2, -1)
        found = layer.parametrizations.weight.original.grad
        assert torch.allclose(found, rounded)
        assert torch.allclose(found, plain, atol=0.2)


def test_a_network_is_what_it_was_afterwards(network: Callable[..., Network]) -> None:
    module = network().module.eval()
    values, before = torch.rand(4, 1, 8, 8), {}
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with torch.no_grad():
        expected = module(values)
        with fake_quantization(module, U8S8):
            rounded = module(values)
        again = module(values)
    assert not torch.equal(rounded, expected)
    assert torch.equal(again, expected)
    assert module.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_normalizations_take_the_statistics_that_the_device_will_have() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)).train()
    norm, values = module[1], 5 + torch.randn(4, 1, 8, 8)
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    with fake_quantization(module, U8S8):
        module.train()
        rounded = module(values)
        module.eval()
        assert torch.equal(module(values), rounded)
    assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())
    module.train()
    assert norm.training
    assert not torch.allclose(module(values), rounded, atol=0.5)


def test_what_learned_in_coarse_numbers_loses_less_by_them(
    digits: Callable[..., Dataset],
    network: Callable[..., Network],
    folder: Callable[..., StageContext],
) -> None:
    coarse = replace(U8S8, weight_levels=2)
    dataset, start = digits(), network()
    base = start.model
    taught = folder("float")
    Train(start, dataset, Training(epochs=8, batch_size=32, learning_rate=5e-3)).run(taught)
    floating = models.load(taught.folder, model=base, base=taught.folder)
    told = folder("answers")
    Teach(floating, dataset).run(told)
    lesson = Distillation(
        floating,
        dataset,
        open_answers(told.folder),
        Distill(train=Training(epochs=4, batch_size=32, learning_rate=1e-3)),
        rounding=coarse,
    )
    place = folder("tuned")
    facts = lesson.run(place).facts
    before, after = facts["validation_accuracy_before"], facts["validation_accuracy_after"]
    assert after > before + 0.03, (before, after)
    tuned = models.load(place.folder, model=base, base=taught.folder).module
    with torch.no_grad(), fake_quantization(tuned, coarse):
        inputs = dataset.validation.batch(np.arange(len(dataset.validation)))["input"]
        right = (
            tuned(torch.from_numpy(inputs)).argmax(1).numpy() == dataset.validation.labels
        ).mean()
    assert right == pytest.approx(after, abs=0.02)
