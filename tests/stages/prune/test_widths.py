from __future__ import annotations

import hashlib
import math
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.pruning import Prune
from edgedistill.core.stage import StageContext
from edgedistill.errors import DeviceError, InputError
from edgedistill.models.network import load
from edgedistill.stages.prune import Pruning
from edgedistill.stages.prune.macs import count_macs
from edgedistill.stages.prune.pricing import Price, Prices
from edgedistill.stages.prune.widths import LeverPricing, Searched, WidthSearch, read_searched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgedistill.data.dataset import Dataset
    from edgedistill.models.network import Network


@dataclass
class Counting:
    """Prices that follow from the layers: multiply-accumulates, a constant, blocks of channels.

    Attributes:
        block: Kernels compute so many output channels at once.
        noise: Standard deviation of a price, as a share of it.
        dies_at: The batch at which the device fails.
    """

    block: int = 1
    noise: float = 0.0
    dies_at: int | None = None
    asked: int = 0
    generator: random.Random = field(default_factory=lambda: random.Random(0))

    @property
    def exact(self) -> bool:
        return not self.noise

    def cost(self, module: nn.Module) -> float:
        """Microseconds, say."""
        total = 2_000.0

        def add(layer: nn.Module, _: object, output: torch.Tensor) -> None:
            nonlocal total
            weight = layer.weight
            assert isinstance(weight, torch.Tensor)
            blocks = math.ceil(len(weight) / self.block) * self.block
            places = output[0, 0].numel() if output.ndim == 4 else 1
            total += blocks * weight[0].numel() * places

        hooks = [
            layer.register_forward_hook(add)
            for layer in module.modules()
            if isinstance(layer, nn.Conv2d | nn.Linear)
        ]
        with torch.no_grad():
            module(torch.zeros(1, 1, 8, 8))
        for hook in hooks:
            hook.remove()
        return total / 1e6

    def prices(
        self, unpruned: Network, networks: Sequence[Network], folder: Path, context: StageContext
    ) -> Prices:
        assert folder.is_dir()
        assert context.threads == 1
        self.asked += 1
        if self.asked == self.dies_at:
            raise DeviceError("the plug was pulled")
        whole = self.cost(unpruned.module)
        shares = [self.cost(one.module) / whole for one in networks]
        seen = [share * self.generator.lognormvariate(0, self.noise) for share in shares]
        return Prices(
            unpruned=Quantity(
                value=whole,
                low=whole,
                high=whole,
                confidence=0.95,
                evidence=Evidence.MEASURED_ON_DEVICE,
                samples=1,
                method="a formula",
            ),
            form="fp32",
            networks=tuple(Price(share=s, low=s, high=s, form="fp32") for s in seen),
        )


@pytest.fixture(scope="module")
def network(built: Callable[..., Network]) -> Network:
    return built("builtin:residual-cnn", width=24, stages=2)


def search(
    network: Network,
    digits: Dataset,
    folder: Path,
    pricing: Counting,
    share: float,
    **more: Any,
) -> Searched:
    config = asking(pricing, network, share, **more)
    for name in ("table", "widths"):
        (folder / name).mkdir(parents=True)
    LeverPricing(network, digits, config, pricing).run(StageContext(folder / "table"))
    stage = WidthSearch(network, digits, config, pricing, folder / "table")
    stage.run(StageContext(folder / "widths"))
    return read_searched(folder / "widths")


def asking(pricing: Counting, network: Network, share: float, **more: Any) -> Prune:
    target = share * pricing.cost(network.module)
    return Prune(target_latency_ms=target, **{"round_to": 4, **more})


@pytest.mark.parametrize("share", [0.75, 0.5, 0.25])
def test_the_network_found_costs_what_was_asked_or_a_little_less(
    network: Network, digits: Dataset, tmp_path: Path, share: float
) -> None:
    pricing = Counting()

    found = search(network, digits, tmp_path, pricing, share).account

    asked = share * pricing.cost(network.module)
    assert 0.9 * asked <= found.taken.cost.value <= asked
    assert found.reached
    assert found.taken.on_front
    assert found.wider is not None
    assert found.candidates[found.wider].cost.value > asked
    assert found.narrower is not None
    assert found.candidates[found.narrower].cost.value < found.taken.cost.value


@pytest.mark.parametrize("seed", range(2))
def test_noise_does_not_carry_the_network_above_what_was_asked(
    network: Network, digits: Dataset, tmp_path: Path, seed: int
) -> None:
    pricing = Counting(noise=0.01, generator=random.Random(seed))

    found = search(network, digits, tmp_path, pricing, 0.5)

    _, written = cut(network, digits, tmp_path, asking(pricing, network, 0.5))
    assert pricing.cost(written.module) <= 1.03 * 0.5 * pricing.cost(network.module)
    assert pricing.cost(written.module) >= 0.9 * 0.5 * pricing.cost(network.module)
    assert found.account.taken.accuracy is not None


def cut(
    network: Network, digits: Dataset, folder: Path, config: Prune
) -> tuple[dict[str, Any], Network]:
    out = folder / "pruned"
    out.mkdir()
    stage = Pruning(network, digits, config, Path(), searched=folder / "widths")
    facts = dict(stage.run(StageContext(out)).facts)
    return facts, load(out, model=network.model, base=Path())


def test_the_cut_is_the_one_that_was_searched_and_nothing_else(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    pricing = Counting()
    found = search(network, digits, tmp_path, pricing, 0.5)

    facts, written = cut(network, digits, tmp_path, asking(pricing, network, 0.5))

    assert pricing.asked  # of the search; the cut asked for nothing more
    assert pricing.cost(written.module) == pytest.approx(found.account.taken.cost.value)
    assert facts["search"] == found.account.model_dump(mode="json")
    assert count_macs(written.module, written.signature.zeros()) == found.account.taken.macs


def test_a_network_cut_to_a_latency_prunes_again_with_another_goal(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    pricing = Counting()
    search(network, digits, tmp_path, pricing, 0.7)
    _, first = cut(network, digits, tmp_path, asking(pricing, network, 0.7))
    (tmp_path / "again").mkdir()

    config = Prune(parameters_ratio=0.5, round_to=4)
    facts = Pruning(first, digits, config, Path()).run(StageContext(tmp_path / "again")).facts

    second = load(tmp_path / "again", model=network.model, base=Path())
    assert second.history[: len(first.history)] == first.history
    assert facts["parameters_after"] <= 0.5 * facts["parameters_before"]
    assert 0.4 * facts["parameters_before"] <= facts["parameters_after"]
    again = load(tmp_path / "again", model=network.model, base=Path())
    state = second.module.state_dict()
    assert all(torch.equal(state[name], it) for name, it in again.module.state_dict().items())


def test_widths_between_blocks_of_the_kernels_are_not_taken(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    """Where kernels compute 8 channels at once, 4 channels more may cost nothing."""
    pricing = Counting(block=8)

    found = search(network, digits, tmp_path, pricing, 0.6, priced_networks=64).account

    assert 0.9 * found.limit <= found.taken.cost.value <= found.limit
    inner = [layer for layer in found.units if layer.startswith(("1.first", "2.first"))]
    assert len(inner) == 2
    for at, one in enumerate(found.candidates):
        for other in found.candidates[:at]:  # cheaper ones
            if one.on_front and other.on_front:
                assert other.kept_importance < one.kept_importance


def test_a_goal_above_the_unpruned_cost_cuts_nothing(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    pricing = Counting()

    found = search(network, digits, tmp_path, pricing, 1.5)

    assert found.history == ()
    assert found.account.reason.startswith("the unpruned network is within the goal")
    assert found.account.taken.widths == found.account.units
    facts, _ = cut(network, digits, tmp_path, asking(pricing, network, 1.5))
    assert facts["macs_after"] == facts["macs_before"]


def test_a_goal_out_of_reach_names_the_nearest_and_what_limits_it(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    pricing = Counting()

    with pytest.raises(InputError, match=r"nearest reachable value is .* ms") as caught:
        search(network, digits, tmp_path, pricing, 0.1, max_channel_ratio=0.5)

    (fault,) = caught.value.faults
    assert fault.field == "stages.prune.target_latency_ms"
    assert "max_channel_ratio 0.5 (without it" in fault.problem
    nearest = float(fault.problem.split("value is ")[1].split(" ms")[0])
    again = nearest * 1.001 / pricing.cost(network.module)
    found = search(network, digits, tmp_path / "2", pricing, again, max_channel_ratio=0.5)
    assert found.account.taken.cost.value == pytest.approx(nearest, rel=1e-3)


def test_layers_come_below_eight_channels_only_where_nothing_else_reaches_the_goal(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    pricing = Counting()

    easy = search(network, digits, tmp_path / "easy", pricing, 0.6, round_to=None).account
    hard = search(network, digits, tmp_path / "hard", pricing, 0.06, round_to=None).account

    assert all(width % 8 == 0 for width in easy.taken.widths.values())
    assert "multiples of 8" not in easy.reason
    assert min(hard.taken.widths.values()) == 4
    assert all(width == 4 or width % 8 == 0 for width in hard.taken.widths.values())
    assert hard.taken.cost.value <= hard.limit
    assert "multiples of 8 channels alone do not reach it" in hard.reason
    with pytest.raises(InputError, match="round_to 8"):
        search(network, digits, tmp_path / "strict", pricing, 0.06, round_to=8)


def test_a_search_that_was_killed_goes_on_where_it_stood(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    whole = Counting()
    expected = search(network, digits, tmp_path / "whole", whole, 0.5, priced_networks=24)
    table = tmp_path / "whole" / "table"
    pulled = Counting(dies_at=2)
    config = asking(pulled, network, 0.5, priced_networks=24)
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()

    def run(pricing: Counting) -> Path:
        folder = tmp_path / "widths"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        context = StageContext(folder, checkpoint=checkpoint)
        WidthSearch(network, digits, config, pricing, table).run(context)
        return folder

    with pytest.raises(DeviceError, match="plug"):
        run(pulled)
    mended = Counting()
    resumed = run(mended)

    assert read_searched(resumed) == expected
    assert mended.asked == whole.asked - _batches(table) - 1
    assert digest(resumed) == digest(tmp_path / "whole" / "widths")


def _batches(folder: Path) -> int:
    return len(list(folder.glob("batch-*")))


def digest(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
