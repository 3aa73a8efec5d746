from __future__ import annotations

import copy
import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
import torch
from prunable_networks import FusedVit
from torch import nn

from edgedistill.core.labels import UNLABELLED
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.pruning import ImportanceName, Prune
from edgedistill.core.recipe import Augmentation
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.data.dataset import Split
from edgedistill.models.network import create
from edgedistill.models.signature import Signature
from edgedistill.stages.prune import Pruning
from edgedistill.stages.prune.cuts import dependency_graph
from edgedistill.stages.prune.importance import importance
from edgedistill.stages.prune.levers import find_levers
from edgedistill.stages.prune.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgedistill.data.dataset import Dataset

PICTURES = Signature({"input": (1, 8, 8)}, 10)
COUNT = 12
CHANNELS = {"point": 6, "grouped": 8, "hidden": 5}
"""Of each lever of `Small`."""


class Small(nn.Module):
    """A dense, a depthwise, a grouped and a linear layer, and a sum of two."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.stem_norm = nn.BatchNorm2d(6)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.point = nn.Conv2d(6, 6, 1)
        self.grouped = nn.Conv2d(6, 8, 3, padding=1, groups=2)
        self.hidden = nn.Linear(8, 5)
        self.head = nn.Linear(5, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.stem_norm(self.stem(x)))
        y = torch.relu(y + self.point(self.depthwise(y)))
        y = torch.relu(self.grouped(y)).mean((2, 3))
        return self.head(torch.relu(self.hidden(y)))


READ = {
    "point": lambda net: [(net.point, 1, 6), (net.grouped, 2, 3)],
    "grouped": lambda net: [(net.hidden, 1, 8)],
    "hidden": lambda net: [(net.head, 1, 5)],
}
"""For each lever who reads its channels: the layer, its groups, and input channels a group."""


@pytest.fixture(scope="module")
def small() -> nn.Module:
    torch.manual_seed(0)
    module = Small().double().eval()
    nn.init.uniform_(module.stem_norm.weight, 0.5, 1.5)
    nn.init.uniform_(module.stem_norm.running_var, 0.5, 1.5)
    return module


@pytest.fixture
def split() -> Split:
    random = np.random.default_rng(0)
    pictures = random.normal(size=(COUNT, 1, 8, 8)).astype(np.float32)
    labels = random.integers(0, 10, COUNT)
    return Split({"input": pictures}, labels, None, Preprocessing(), Augmentation())


def unit_scores(
    module: nn.Module, kind: ImportanceName, split: Split, signature: Signature = PICTURES
) -> dict[str, tuple[float, ...]]:
    graph = dependency_graph(module.requires_grad_(requires_grad=True), signature)
    score = importance(kind, graph, Samples(split, COUNT, signature))
    levers, _ = find_levers(graph, keep=(), round_to=1, score=score)
    return {lever.layer: lever.scores for lever in levers}


def by_unit(values: np.ndarray, layer: str) -> np.ndarray:
    """Relative to their mean; what the grouped layer gives or reads goes in pairs, one a group."""
    relative = values / values.mean()
    return relative if layer == "hidden" else relative.reshape(2, -1).mean(0)


def losses(module: nn.Module, split: Split) -> np.ndarray:
    """The loss of each sample, one by one."""
    inputs, labels = torch.from_numpy(split.batch(np.arange(COUNT))["input"]), split.labels
    with torch.no_grad():
        answers = module(inputs.double()).numpy()
    targets = np.where(labels == UNLABELLED, answers.argmax(1), labels)
    logsum = np.log(np.exp(answers).sum(1))
    return logsum - answers[np.arange(COUNT), targets]


@contextmanager
def quieter(module: nn.Module, layer: str, channel: int, factor: float) -> Iterator[None]:
    """Readers hear one channel at this share of its loudness, by their weights."""
    kept = copy.deepcopy(module.state_dict())
    with torch.no_grad():
        for reader, groups, inputs in READ[layer](module):
            group, local = divmod(channel, inputs)
            size = len(reader.weight) // groups
            reader.weight[group * size : (group + 1) * size, local] *= factor
    yield
    module.load_state_dict(kept)


@pytest.fixture
def in_double(split: Split) -> Signature:
    return Signature({"input": (1, 8, 8)}, 10, {"input": "float64"})


@pytest.mark.parametrize("labelled", [True, False])
def test_taylor_is_the_squared_slope_of_the_loss_as_a_channel_grows_quiet(
    small: nn.Module, split: Split, in_double: Signature, labelled: bool
) -> None:
    if not labelled:
        split = dataclasses.replace(split, labels=np.full(COUNT, UNLABELLED))

    scores = unit_scores(small, "taylor", split, in_double)

    assert set(scores) == set(READ)
    for layer, found in scores.items():
        channels = CHANNELS[layer]
        squares = np.zeros(channels)
        for channel in range(channels):
            with quieter(small, layer, channel, 1 - 1e-5):
                less = losses(small, split)
            with quieter(small, layer, channel, 1 + 1e-5):
                more = losses(small, split)
            squares[channel] = (((more - less) / 2e-5) ** 2).mean()
        assert found == pytest.approx(by_unit(squares, layer), rel=1e-4)


def test_activation_is_the_energy_that_readers_get_from_a_channel(
    small: nn.Module, split: Split, in_double: Signature
) -> None:
    scores = unit_scores(small, "activation", split, in_double)

    seen: dict[nn.Module, np.ndarray] = {}
    hooks = [
        layer.register_forward_hook(
            lambda layer, inputs, _: seen.update({layer: inputs[0].detach().numpy()})
        )
        for layer in small.modules()
    ]
    small(torch.from_numpy(split.batch(np.arange(COUNT))["input"]).double())
    for hook in hooks:
        hook.remove()
    for layer, found in scores.items():
        channels = CHANNELS[layer]
        energy = np.zeros(channels)
        for reader, groups, inputs in READ[layer](small):
            weight = reader.weight.detach().numpy()
            size = len(weight) // groups
            for channel in range(channels):
                group, local = divmod(channel, inputs)
                heard = weight[group * size : (group + 1) * size, local]
                energy[channel] += (seen[reader][:, channel] ** 2).mean() * (heard**2).sum()
        assert found == pytest.approx(by_unit(energy, layer), rel=1e-9)


def test_hessian_is_squared_weights_by_the_mean_of_squared_gradients(
    small: nn.Module, split: Split, in_double: Signature
) -> None:
    scores = unit_scores(small, "hessian", split, in_double)

    inputs = torch.from_numpy(split.batch(np.arange(COUNT))["input"]).double()
    fisher = {name: np.zeros(value.shape) for name, value in small.named_parameters()}
    for sample, label in zip(inputs, split.labels, strict=True):
        small.zero_grad()
        nn.functional.cross_entropy(small(sample[None]), torch.tensor([label])).backward()
        for name, value in small.named_parameters():
            fisher[name] += value.grad.numpy() ** 2 / COUNT
    small.zero_grad(set_to_none=True)
    worth = {
        name: value.detach().numpy() ** 2 * fisher[name] for name, value in small.named_parameters()
    }
    hidden = (worth["hidden.weight"].sum(1) + worth["head.weight"].sum(0)) / 2
    assert scores["hidden"] == pytest.approx(hidden / hidden.mean(), rel=1e-5)
    grouped = worth["grouped.weight"].sum((1, 2, 3)) + worth["hidden.weight"].sum(0)
    assert scores["grouped"] == pytest.approx(by_unit(grouped, "grouped"), rel=1e-5)


KINDS: tuple[ImportanceName, ...] = get_args(ImportanceName)


@pytest.mark.parametrize("kind", KINDS)
def test_heads_are_scored_and_scores_are_the_same_each_time(
    kind: ImportanceName, split: Split
) -> None:
    torch.manual_seed(0)
    module = FusedVit().eval()

    one, other = (unit_scores(module, kind, split) for _ in range(2))

    assert one == other
    assert len(set(one["blocks.0.attn.qkv"])) == 4
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_that_nobody_hears_is_worth_least(kind: ImportanceName, split: Split) -> None:
    torch.manual_seed(0)
    module = Small().eval()
    with torch.no_grad():
        module.hidden.weight[:, [1, 5]] = 0
        module.grouped.weight[[1, 5]] = 0

    scores = unit_scores(module, kind, split)["grouped"]

    assert min(range(4), key=scores.__getitem__) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_stage_prunes_by_it_to_the_same_bytes(
    kind: ImportanceName, digits: Dataset, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    modules: dict[str, nn.Module] = {"small": Small().eval()}
    network = create(
        Model(source="live:small"),
        PICTURES,
        base=tmp_path,
        seed=0,
        preprocessing=digits.preprocessing,
        live=modules,
    )
    config = Prune(macs_ratio=0.6, importance=kind, importance_samples=16, rounds=2, round_to=1)

    for name in "ab":
        (tmp_path / name).mkdir()
        stage = Pruning(network, digits, config, tmp_path, modules)
        facts = stage.run(StageContext(tmp_path / name)).facts
        assert facts["macs_ratio"] <= 0.6
    first, second = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in "ab"
    )
    assert first == second


def test_samples_are_evenly_spaced_and_as_many_as_asked(split: Split) -> None:
    def labels(count: int) -> list[int]:
        batches = Samples(split, count, PICTURES).batches(2)
        return [int(label) for _, found in batches for label in found]

    assert labels(100) == split.labels.tolist()
    assert labels(3) == split.labels[[0, 6, 11]].tolist()


def test_a_measure_that_looks_at_samples_asks_for_them() -> None:
    with pytest.raises(ValueError, match="taylor needs"):
        importance("taylor")
