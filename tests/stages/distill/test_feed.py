from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgedistill import models
from edgedistill.core.recipe import Augmentation
from edgedistill.core.teacher import Model
from edgedistill.models import Network, Signature
from edgedistill.stages.distill.feed import Feed, evaluating, feed_of, select

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.data.dataset import Dataset


def test_each_sample_comes_in_its_own_view(digits: Callable[..., Dataset]) -> None:
    split = digits(augmentation=Augmentation(views=4, shift_pixels=1)).train
    indices, views = np.array([5, 2, 9, 2, 40]), np.array([3, 0, 1, 2, 0])
    together = select(split, indices, views)["input"]
    for row, index, view in zip(together, indices, views.tolist(), strict=True):
        np.testing.assert_array_equal(row, split.batch(np.array([index]), view=view)["input"][0])


def test_memory_order_does_not_change_what_is_said(
    digits: Callable[..., Dataset], network: Callable[..., Network]
) -> None:
    made = network(width=16, stages=2)
    inputs = digits().train.batch(np.arange(16))
    pixels = Feed(made.module, made.signature, channels_last=True).logits(inputs)
    planes = Feed(made.module, made.signature, channels_last=False).logits(inputs)
    assert feed_of(made).channels_last
    torch.testing.assert_close(pixels, planes, rtol=1e-4, atol=1e-5)


class Viewing(nn.Module):
    """Cuts its tensors with .view, as many networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(4 * 64, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        mixed = self.convolution(pixels)
        return self.head(mixed.view(len(mixed), -1))


def test_a_network_that_needs_planes_gets_planes(
    digits: Callable[..., Dataset], network: Callable[..., Network]
) -> None:
    module, made = Viewing(), network()
    plain = Network(module, Model(source="live:x"), made.signature, made.preprocessing)
    feed = feed_of(plain)
    inputs = digits().train.batch(np.arange(4))
    assert not feed.channels_last
    planes = torch.from_numpy(inputs["input"]).clone(memory_format=torch.contiguous_format)
    torch.testing.assert_close(feed.logits(inputs), module(planes))


class Striding(nn.Module):
    """Narrows by a 1x1 convolution with strides, as the shortcuts of residual networks do."""

    def __init__(self, channels: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, 8, kernel, stride, kernel // 2)
        self.head = nn.Linear(8, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.shortcut(self.stem(pixels)).mean((2, 3)))


@pytest.mark.parametrize(
    ("channels", "stride", "kernel", "pixel_by_pixel"),
    [(4, 2, 1, False), (15, 2, 1, False), (16, 2, 1, True), (4, 1, 1, True), (4, 2, 3, True)],
)
def test_a_network_whose_gradient_would_corrupt_memory_gets_planes(
    network: Callable[..., Network],
    channels: int,
    stride: int,
    kernel: int,
    pixel_by_pixel: bool,
) -> None:
    module, made = Striding(channels, stride, kernel), network()
    feed = feed_of(Network(module, Model(source="live:x"), made.signature, made.preprocessing))
    assert feed.channels_last == pixel_by_pixel


def test_inputs_come_in_the_order_and_type_the_network_takes() -> None:
    class Pair(nn.Module):
        def forward(self, words: Tensor, weight: Tensor) -> Tensor:
            assert words.dtype == torch.int64
            return words[:, :2] * weight

    signature = Signature(
        inputs={"words": (3,), "weight": (1,)}, classes=2, dtypes={"words": "int64"}
    )
    given = {"weight": np.full((1, 1), 0.5, np.float32), "words": np.array([[2.0, 4.0, 6.0]])}
    answer = Feed(Pair(), signature, channels_last=False).logits(given)
    assert answer.tolist() == [[1.0, 2.0]]


def test_answers_are_those_of_evaluation_mode(
    digits: Callable[..., Dataset], network: Callable[..., Network]
) -> None:
    made, split = network(), digits().validation
    made.module.train()
    before = {name: value.clone() for name, value in made.module.state_dict().items()}
    answers = np.concatenate([a for _, a in feed_of(made).answers(split, batch_size=100)])
    after = made.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert made.module.training
    made.module.eval()
    with torch.no_grad():
        inputs = split.batch(np.arange(len(split)))
        whole = models.logits(made.module, {"input": torch.from_numpy(inputs["input"])})
    np.testing.assert_allclose(answers, whole.numpy(), rtol=1e-4, atol=1e-5)


def test_parts_that_were_frozen_stay_frozen() -> None:
    module = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout())
    module.train()
    module[0].eval()
    seen: list[bool] = []

    def fail() -> None:
        with evaluating(module):
            seen.append(module[1].training)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert seen == [False]
    assert (module[0].training, module[1].training) == (False, True)
