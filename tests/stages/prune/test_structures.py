from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import torch
from prunable_networks import NETWORKS, FusedAttention, FusedVit
from torch import nn

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.pruning import Prune
from edgedistill.core.recipe import Export
from edgedistill.core.stage import StageContext
from edgedistill.core.teacher import Model
from edgedistill.cost.graph import count
from edgedistill.errors import InputError
from edgedistill.models.network import Network, create, load
from edgedistill.models.signature import Signature
from edgedistill.stages.export import Exporting
from edgedistill.stages.prune import Pruning
from edgedistill.stages.prune.cuts import cut, cuts_for, dependency_graph
from edgedistill.stages.prune.importance import importance
from edgedistill.stages.prune.levers import Lever, find_levers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from edgedistill.data.dataset import Dataset

PICTURES = Signature({"input": (1, 8, 8)}, 10)
KEEP = (0.9, 0.7, 0.5, 0.3)
"""Shares of the MACs that stay: 10, 30, 50 and 70 % go."""
ASKED = ("resnet", "mobilenet-v2", "convnext", "densenet", "resnext", "u-net", "fused-vit")
"""Structures that are pruned to each of them; others to one."""


def varied(module: nn.Module) -> nn.Module:
    """The network as if it were trained: no two channels alike, statistics of its own."""
    generator = torch.Generator().manual_seed(0)
    for name, value in module.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=generator)
        elif value.is_floating_point():
            noise = torch.randn(value.shape, generator=generator)
            value.add_(noise, alpha=0.2 * (float(value.std()) if value.numel() > 1 else 1) + 0.02)
    return module.eval()


def network(name: str, make: Callable[[], nn.Module]) -> tuple[Network, dict[str, nn.Module]]:
    torch.manual_seed(0)
    modules = {name: varied(make())}
    made = create(
        Model(source=f"live:{name}"),
        PICTURES,
        base=Path(),
        seed=0,
        preprocessing=Preprocessing(scale=1 / 16, mean=(0.3,), std=(0.4,)),
        live=modules,
    )
    return made, modules


def pruned(
    network: Network, dataset: Dataset, folder: Path, config: Prune, live: dict[str, nn.Module]
) -> Mapping[str, Any]:
    """Prunes into the folder; the stage proves that what it wrote reloads bit for bit."""
    folder.mkdir(exist_ok=True)
    return Pruning(network, dataset, config, folder, live).run(StageContext(folder)).facts


def export_and_run(network: Network, dataset: Dataset, folder: Path) -> int:
    """Exports, holds onnxruntime's answers against torch's; the exported graph's MACs."""
    (folder / "exported").mkdir()
    context = StageContext(folder / "exported")
    Exporting(network, dataset, Export(), opset=20, max_ir_version=10).run(context)
    file = folder / "exported" / "model.onnx"
    inputs = dataset.validation.batch(np.arange(16))["input"]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found = session.run(None, {"input": inputs})[0]
    with torch.no_grad():
        expected = network.module(torch.from_numpy(inputs)).numpy()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * scale)
    assert expected.std() > 1e-3 * scale
    return count(file).macs


@pytest.mark.parametrize(
    ("name", "exported"), list(zip(NETWORKS, itertools.cycle(KEEP[::-1]), strict=False))
)
def test_a_structure_prunes_reloads_exports_and_runs(
    name: str, exported: float, digits: Dataset, tmp_path: Path
) -> None:
    before, modules = network(name, NETWORKS[name])

    for ratio in KEEP if name in ASKED else (exported,):
        config = Prune(macs_ratio=ratio, round_to=1)
        facts = pruned(before, digits, tmp_path / str(ratio), config, live=modules)
        assert 0.9 * ratio <= facts["macs_ratio"] <= ratio
        if ratio == exported:
            written = load(tmp_path / str(ratio), model=before.model, base=tmp_path, live=modules)
            assert export_and_run(written, digits, tmp_path) == facts["macs_after"]


def masked(module: nn.Module, levers: list[Lever], widths: list[int]) -> nn.Module:
    """The whole network, in which nothing listens to the channels that would go.

    A second road to what a cut network answers: no channel is removed, its readers' weights are
    zero.
    """
    deaf = copy.deepcopy(module).requires_grad_(requires_grad=True)
    graph = dependency_graph(deaf, PICTURES)
    with torch.no_grad():
        for lever, kept in zip(levers, widths, strict=True):
            layer = deaf.get_submodule(lever.layer)
            cutting = graph.get_pruner_of_module(layer).prune_out_channels
            for dep, gone in graph.get_pruning_group(layer, cutting, lever.removed(kept)):
                reader = dep.target.module
                if not graph.is_out_channel_pruning_fn(dep.handler):
                    silence(reader, gone)
    return deaf


def silence(reader: nn.Module, channels: list[int]) -> None:
    """Sets the weights to zero by which a layer reads these input channels."""
    if not isinstance(reader, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        return
    if isinstance(reader, nn.ConvTranspose2d):
        reader.weight[channels] = 0
        return
    groups = getattr(reader, "groups", 1)
    inputs = reader.weight.shape[1]
    outputs = len(reader.weight) // groups
    for channel in channels:
        group, local = divmod(channel, inputs)
        reader.weight[group * outputs : (group + 1) * outputs, local] = 0


@pytest.mark.parametrize("name", NETWORKS)
def test_a_cut_network_answers_as_the_whole_one_that_does_not_listen(name: str) -> None:
    torch.manual_seed(0)
    module = varied(NETWORKS[name]()).requires_grad_(requires_grad=True)
    graph = dependency_graph(module, PICTURES)
    found, _ = find_levers(graph, keep=(), round_to=1, score=importance("magnitude"))
    # A layer norm sees which channels are there at all: no mask can stand for a cut before it.
    levers = [lever for lever in found if not any("LayerNorm" in kind for kind in lever.scope)]
    widths = [lever.units // 2 + at % 2 for at, lever in enumerate(levers)]
    inputs = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))

    smaller = cut(module, PICTURES, cuts_for(levers, tuple(widths)))

    with torch.no_grad():
        expected, answers = masked(module, levers, widths)(inputs), smaller(inputs)
        assert (answers - module(inputs)).abs().max() > 1e-3
    assert len(levers) >= 2
    torch.testing.assert_close(answers, expected, rtol=1e-4, atol=1e-5)


def untouched_in(module: nn.Module) -> dict[str, str]:
    module.eval().requires_grad_(requires_grad=True)
    graph = dependency_graph(module, PICTURES)
    _, untouched = find_levers(graph, keep=(), round_to=1, score=importance("magnitude"))
    return {item.layer: item.reason for item in untouched}


def test_a_layer_scale_goes_with_its_stream() -> None:
    assert set(untouched_in(NETWORKS["convnext"]())) == {"7.linear"}


def test_learned_positions_hold_their_stream_in_place() -> None:
    untouched = untouched_in(FusedVit())

    assert "bare parameter" in untouched["blocks.1.fc2"]
    assert set(untouched) == {"head", "blocks.1.fc2"}


class ByHead(FusedAttention):
    """The same layers, whose channels lie head by head."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        parts = self.qkv(x).reshape(batch, tokens, self.num_heads, 3, self.head_dim)
        queries, keys, values = parts.permute(3, 0, 2, 1, 4).unbind(0)
        y = nn.functional.scaled_dot_product_attention(queries, keys, values)
        return self.proj(y.transpose(1, 2).reshape(batch, tokens, -1))


class InChunks(FusedAttention):
    """The same layers, parted before heads are told apart."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        queries, keys, values = (
            part.view(batch, tokens, self.num_heads, -1).transpose(1, 2)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        y = nn.functional.scaled_dot_product_attention(queries, keys, values)
        return self.proj(y.transpose(1, 2).reshape(batch, tokens, -1))


@pytest.mark.parametrize("kind", [ByHead, InChunks])
def test_a_fused_projection_in_another_order_is_left_alone_and_named(
    kind: type[FusedAttention],
) -> None:
    module = FusedVit()
    module.blocks[0].attn = kind(32, 4)

    untouched = untouched_in(module)

    assert "heads could not be told" in untouched["blocks.0.attn.qkv"]
    assert "blocks.1.attn.qkv" not in untouched


class OfFixedWidth(FusedAttention):
    """An attention that takes the width of its heads from the width of the stream."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, width // self.num_heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)
        y = nn.functional.scaled_dot_product_attention(queries, keys, values)
        return self.proj(y.transpose(1, 2).reshape(batch, tokens, width))


def test_heads_whose_module_holds_their_width_stay_and_the_rest_is_pruned(
    digits: Dataset, tmp_path: Path
) -> None:
    def make() -> nn.Module:
        module = FusedVit()
        module.blocks[0].attn = OfFixedWidth(32, 4)
        return module

    before, modules = network("fixed", make)

    facts = pruned(before, digits, tmp_path, Prune(macs_ratio=0.6, round_to=1), live=modules)

    assert "no longer runs when its heads go" in facts["untouched"]["blocks.0.attn.qkv"]
    assert set(facts["attention_heads"]) <= {"blocks.1.attn"}


def test_a_block_is_kept_by_its_name(digits: Dataset, tmp_path: Path) -> None:
    before, modules = network("resnet", NETWORKS["resnet"])

    facts = pruned(
        before, digits, tmp_path, Prune(macs_ratio=0.7, round_to=1, keep=("2",)), live=modules
    )

    inside = [name for name in facts["widths"] if name.startswith("2.")]
    assert len(inside) == 4
    assert all(facts["widths"][name][0] == facts["widths"][name][1] for name in inside)
    assert facts["widths"]["3.expand.0"] == [32, 32]  # the stream that begins in block 2
    assert facts["untouched"]["2.reduce.0"] == "the recipe keeps it"


def test_what_cannot_be_reached_names_the_nearest_ratio(digits: Dataset, tmp_path: Path) -> None:
    before, modules = network("fused-vit", FusedVit)
    config = Prune(macs_ratio=0.1, round_to=1, max_channel_ratio=0.5)

    with pytest.raises(
        InputError, match=r"nearest reachable ratio is 0\.\d+; what limits it: max_ch"
    ):
        pruned(before, digits, tmp_path, config, live=modules)
