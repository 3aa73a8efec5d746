from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.pruning import Prune
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.errors import InputError, PromiseError
from edgedistill.models.network import Network, create, load
from edgedistill.models.signature import Signature
from edgedistill.stages.prune import Pruning
from edgedistill.tasks.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from edgedistill.data.dataset import Dataset

PREPROCESSING = Preprocessing(scale=1 / 16, mean=(0.3,), std=(0.4,))
NETWORKS = {
    "residual": ("builtin:residual-cnn", {"width": 16}),
    "depthwise": ("builtin:depthwise-cnn", {"width": 16, "residual": True}),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest, built: Callable[..., Network]) -> Network:
    source, args = NETWORKS[request.param]
    return built(source, **args)


@pytest.fixture(scope="module")
def residual(built: Callable[..., Network]) -> Network:
    return built("builtin:residual-cnn", width=16)


def prune(
    network: Network, digits: Dataset, folder: Path, config: Prune, **more: Any
) -> tuple[Mapping[str, Any], Network]:
    folder.mkdir(parents=True, exist_ok=True)
    stage = Pruning(network, digits, config, Path(), **more)
    facts = stage.run(StageContext(folder)).facts
    return facts, load(folder, model=network.model, base=Path(), live=more.get("live"))


def macs_by_hand(module: nn.Module, inputs: torch.Tensor) -> int:
    """A second count, layer by layer, from the layers' own sizes and their outputs."""
    total = 0

    def convolution(layer: nn.Conv2d, _: object, output: torch.Tensor) -> None:
        nonlocal total
        height, width = layer.kernel_size
        total += output[0].numel() * height * width * layer.in_channels // layer.groups

    def linear(layer: nn.Linear, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output[0].numel() * layer.in_features

    hooks = [
        layer.register_forward_hook(convolution if isinstance(layer, nn.Conv2d) else linear)
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    module(inputs)
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize("ratio", [0.7, 0.5, 0.3])
def test_the_written_network_has_the_macs_that_were_asked(
    network: Network, digits: Dataset, tmp_path: Path, ratio: float
) -> None:
    facts, written = prune(network, digits, tmp_path, Prune(macs_ratio=ratio, round_to=4))

    sample = torch.zeros(1, 1, 8, 8)
    before, after = macs_by_hand(network.module, sample), macs_by_hand(written.module, sample)
    assert (facts["macs_before"], facts["macs_after"]) == (before, after)
    assert 0.8 * ratio * before <= after <= ratio * before
    assert facts["macs_ratio"] == pytest.approx(after / before)
    assert facts["parameters_after"] == sum(p.numel() for p in written.module.parameters())
    assert all(after % 4 == 0 for before, after in facts["widths"].values() if after < before), (
        facts["widths"]
    )
    json.dumps(facts, allow_nan=False)


def test_accuracies_are_those_on_the_validation_split(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    facts, written = prune(network, digits, tmp_path, Prune(macs_ratio=0.5))

    split = digits.validation
    inputs = torch.from_numpy(split.batch(np.arange(len(split)))["input"])
    for module, key in ((network.module, "accuracy_before"), (written.module, "accuracy_after")):
        with torch.no_grad():
            answers = module(inputs).numpy()
        assert answers.shape == (len(split), 10)
        evaluation = evaluate(answers, split.labels, None, digits.class_names)
        assert facts[key] == evaluation.accuracy
    assert facts["accuracy_before"] > 0.5


def test_a_pruned_network_prunes_again_and_keeps_its_whole_history(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    once, first = prune(network, digits, tmp_path / "1", Prune(macs_ratio=0.7, round_to=4))
    twice, second = prune(first, digits, tmp_path / "2", Prune(macs_ratio=0.6, round_to=4))

    assert second.history[: len(first.history)] == first.history
    assert twice["history_length"] == len(second.history) > len(first.history) > 0
    assert twice["macs_before"] == once["macs_after"]
    assert twice["macs_after"] <= 0.6 * once["macs_after"]


def test_the_given_network_stays_as_it_is(
    residual: Network, digits: Dataset, tmp_path: Path
) -> None:
    before = {name: value.clone() for name, value in residual.module.state_dict().items()}

    prune(residual, digits, tmp_path, Prune(macs_ratio=0.4))

    after = residual.module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_the_same_network_is_cut_the_same_way(
    residual: Network, digits: Dataset, tmp_path: Path
) -> None:
    def digest(folder: Path) -> dict[str, str]:
        return {x.name: hashlib.sha256(x.read_bytes()).hexdigest() for x in folder.iterdir()}

    prune(residual, digits, tmp_path / "1", Prune(macs_ratio=0.5))
    prune(residual, digits, tmp_path / "2", Prune(macs_ratio=0.5))

    assert digest(tmp_path / "1") == digest(tmp_path / "2")


def test_no_layer_loses_more_than_the_largest_share(
    residual: Network, digits: Dataset, tmp_path: Path
) -> None:
    config = Prune(macs_ratio=0.5, round_to=1, max_channel_ratio=0.4)

    facts, _ = prune(residual, digits, tmp_path, config)

    assert all(after >= 0.6 * before for before, after in facts["widths"].values())


def test_layers_to_keep_keep_their_width(
    residual: Network, digits: Dataset, tmp_path: Path
) -> None:
    config = Prune(macs_ratio=0.6, keep=("2.first.0", "3.first"))

    facts, _ = prune(residual, digits, tmp_path, config)

    assert facts["widths"]["2.first.0"] == [32, 32]
    assert facts["widths"]["3.first.0"] == [64, 64]
    assert facts["widths"]["4.linear"] == [10, 10]
    assert facts["untouched"]["2.first.0"] == "the recipe keeps it"


def test_every_unknown_layer_to_keep_is_a_fault(
    residual: Network, digits: Dataset, tmp_path: Path
) -> None:
    config = Prune(macs_ratio=0.5, keep=("2.frist.0", "backbone"))

    with pytest.raises(InputError, match=re.escape("Did you mean '2.first.0'")) as caught:
        prune(residual, digits, tmp_path, config)

    assert [fault.given for fault in caught.value.faults] == ["2.frist.0", "backbone"]
    assert {fault.field for fault in caught.value.faults} == {"stages.prune.keep"}


def test_an_unreachable_ratio_names_the_nearest_and_what_limits_it(
    residual: Network, digits: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"max_channel_ratio 0\.5 \(without it") as caught:
        prune(residual, digits, tmp_path, Prune(macs_ratio=0.05, max_channel_ratio=0.5))

    (fault,) = caught.value.faults
    assert (fault.field, fault.given) == ("stages.prune.macs_ratio", "0.05")
    nearest = float(fault.problem.split("ratio is ")[1].split(";")[0])
    facts, _ = prune(
        residual,
        digits,
        tmp_path / "reached",
        Prune(macs_ratio=nearest + 1e-4, max_channel_ratio=0.5),
    )
    assert facts["macs_ratio"] == pytest.approx(nearest, abs=1e-4)


def test_a_ratio_that_multiples_of_eight_do_not_reach_is_reached_below_them(
    residual: Network, digits: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"round_to 8 \(without it"):
        prune(residual, digits, tmp_path / "strict", Prune(macs_ratio=0.05, round_to=8))

    facts, written = prune(residual, digits, tmp_path / "default", Prune(macs_ratio=0.05))

    assert facts["macs_ratio"] <= 0.05
    left = [after for _, after in facts["widths"].values() if after < 8]
    assert set(left) == {4}
    assert "multiples of 8 channels alone do not reach it" in facts["search"]["reason"]
    written.module(torch.zeros(1, *written.signature.inputs["input"]))


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        (Prune(macs_ratio=0.2, round_to=16), "round_to 16 (without it"),
        (Prune(macs_ratio=0.02, keep=("3.second.0",)), "keep 3.second.0 (without it"),
    ],
    ids=["rounding", "keep"],
)
def test_rounding_and_kept_layers_are_named_where_they_limit(
    residual: Network, digits: Dataset, tmp_path: Path, config: Prune, limit: str
) -> None:
    with pytest.raises(InputError, match=re.escape(limit)):
        prune(residual, digits, tmp_path, config)


class Stubborn(nn.Module):
    """A network whose forward() holds a width as a number."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.body = nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.stem(x))
        return self.head(torch.relu(self.body(y)).view(-1, 16, 64).mean(2))


def live(module: nn.Module) -> Network:
    signature = Signature({"input": (1, 8, 8)}, 10)
    return create(
        Model(source="live:own"),
        signature,
        base=Path(),
        seed=0,
        preprocessing=PREPROCESSING,
        live={"own": module},
    )


def test_a_layer_that_cannot_be_cut_is_named(digits: Dataset, tmp_path: Path) -> None:
    module = Stubborn().eval()

    with pytest.raises(InputError, match="channels of 'body' go") as caught:
        prune(live(module), digits, tmp_path, Prune(macs_ratio=0.5), live={"own": module})

    assert "Add 'body' to keep" in caught.value.faults[0].remedy
    assert len(caught.value.faults) == 1


def test_a_live_module_is_pruned_around_what_is_kept(digits: Dataset, tmp_path: Path) -> None:
    module = Stubborn().eval()
    config = Prune(macs_ratio=0.6, keep=("body",))

    facts, _ = prune(live(module), digits, tmp_path, config, live={"own": module})

    assert facts["widths"]["stem"] == [16, 8]
    assert facts["widths"]["body"] == [16, 16]


def test_frozen_layers_are_pruned_too(residual: Network, digits: Dataset, tmp_path: Path) -> None:
    module = residual.module
    module.requires_grad_(requires_grad=False)
    try:
        facts, _ = prune(residual, digits, tmp_path, Prune(macs_ratio=0.5))
    finally:
        module.requires_grad_(requires_grad=True)

    assert facts["macs_ratio"] <= 0.5


def test_a_network_that_answers_nan_is_refused(
    residual: Network, digits: Dataset, tmp_path: Path
) -> None:
    broken = dataclasses.replace(residual, module=nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    nn.init.constant_(broken.module[1].weight, float("nan"))

    with pytest.raises(PromiseError, match="NaN"):
        prune(broken, digits, tmp_path, Prune(macs_ratio=0.5))


def test_a_network_without_a_layer_to_prune_says_so(digits: Dataset, tmp_path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()

    with pytest.raises(InputError, match=r"nearest reachable ratio is 1\.0000.*own structure"):
        prune(live(module), digits, tmp_path, Prune(macs_ratio=0.5), live={"own": module})
