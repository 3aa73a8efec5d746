from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch_pruning
from torch import nn

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.teacher import Model
from edgedistill.errors import InputError
from edgedistill.models import Network, Signature, create, load, logits, save

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgedistill.core.teacher import Argument
    from edgedistill.models import History

HERE = Path()
PLAIN = Preprocessing()
NETS = """
import torch
from torch import nn

class Projected(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection = torch.randn(6, 8)
        self.linear = nn.Linear(8, 4)

    def forward(self, x):
        return self.linear(x @ self.projection)
"""


def _network(source: str, shape: tuple[int, ...], **given: Argument) -> Network:
    model = Model(source=source, args=given)
    return create(model, Signature({"input": shape}, 4), base=HERE, seed=3, preprocessing=PLAIN)


def _history(cuts: Iterable[Any]) -> History:
    """torch-pruning's own record of what its pruner cut, as plain values."""
    return tuple(
        (name, outputs, tuple(int(getattr(index, "idx", index)) for index in indices))
        for name, outputs, indices in cuts
    )


def _pruned(network: Network) -> Network:
    module = network.module
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    last = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]
    pruner = torch_pruning.pruner.BasePruner(
        module,
        tuple(network.signature.zeros().values()),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=0.5,
        global_pruning=True,
        isomorphic=True,
        max_pruning_ratio=0.9,
        ignored_layers=[last],
        iterative_steps=2,
    )
    pruner.step()
    pruner.step()
    return dataclasses.replace(network, history=_history(pruner.pruning_history()))


def _inputs(signature: Signature) -> dict[str, torch.Tensor]:
    return {name: torch.randn(5, *shape) for name, shape in signature.inputs.items()}


def _answer(network: Network, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return logits(network.module.eval(), inputs)


@pytest.mark.parametrize(
    ("source", "shape", "given"),
    [
        ("builtin:residual-cnn", (3, 12, 12), {"width": 8, "depth": 2}),
        ("builtin:depthwise-cnn", (1, 8, 8), {"width": 8, "residual": True}),
        ("builtin:mlp", (6,), {"width": 16}),
    ],
)
def test_a_pruned_network_comes_back_bit_for_bit(
    tmp_path: Path, source: str, shape: tuple[int, ...], given: dict[str, Any]
) -> None:
    whole = _network(source, shape, **given)
    before = sum(value.numel() for value in whole.module.parameters())
    network = _pruned(whole)
    assert network.history
    assert sum(value.numel() for value in network.module.parameters()) < before
    save(network, tmp_path)
    loaded = load(tmp_path, model=network.model, base=HERE)
    assert loaded.history == network.history
    assert not loaded.module.training
    assert all(value.requires_grad for value in loaded.module.parameters())
    inputs = _inputs(network.signature)
    assert torch.equal(_answer(network, inputs), _answer(loaded, inputs))


def test_equal_networks_give_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        torch.manual_seed(0)
        save(_pruned(_network("builtin:mlp", (6,), width=16)), tmp_path / name)
    for file in ("network.json", "weights.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_loaded_network_can_be_pruned_and_saved_again(tmp_path: Path) -> None:
    once = _pruned(_network("builtin:residual-cnn", (1, 8, 8), width=16))
    twice = _pruned(once)
    both = dataclasses.replace(twice, history=once.history + twice.history)
    save(both, tmp_path)
    loaded = load(tmp_path, model=both.model, base=HERE)
    inputs = _inputs(both.signature)
    assert torch.equal(_answer(both, inputs), _answer(loaded, inputs))


def test_no_folder_of_this_machine_is_written(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    network = create(
        Model(source=f"python:{tmp_path}/nets.py:Projected"),
        Signature({"x": (6,)}, 4),
        base=HERE,
        seed=0,
        preprocessing=PLAIN,
    )
    save(network, tmp_path)
    for file in ("network.json", "weights.safetensors"):
        assert str(tmp_path).encode() not in (tmp_path / file).read_bytes()
    assert json.loads((tmp_path / "network.json").read_text())["source"] == (
        "python:nets.py:Projected"
    )


def test_what_the_state_dict_does_not_hold_is_drawn_again_alike(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    model = Model(source="python:nets.py:Projected")
    network = create(model, Signature({"x": (6,)}, 4), base=tmp_path, seed=7, preprocessing=PLAIN)
    save(network, tmp_path)
    loaded = load(tmp_path, model=model, base=tmp_path)
    inputs = _inputs(network.signature)
    assert torch.equal(_answer(network, inputs), _answer(loaded, inputs))


def test_a_frozen_live_module_is_rebuilt_and_stays_frozen(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 4))
    live = {"student": module}
    network = create(
        Model(source="live:student"),
        Signature({"x": (6,)}, 4),
        base=HERE,
        seed=0,
        preprocessing=PLAIN,
        live=live,
    )
    network = _pruned(network)
    save(network, tmp_path)
    module.requires_grad_(requires_grad=False)
    with torch.no_grad():
        loaded = load(tmp_path, model=network.model, base=HERE, live=live)
    inputs = _inputs(network.signature)
    assert torch.equal(_answer(network, inputs), _answer(loaded, inputs))
    assert not any(value.requires_grad for value in loaded.module.parameters())
    assert module[0].out_features == 8


def test_another_source_or_other_arguments_are_refused(tmp_path: Path) -> None:
    network = _pruned(_network("builtin:mlp", (6,), width=16))
    save(network, tmp_path)
    with pytest.raises(InputError, match=r"saved from another source, builtin:mlp"):
        load(tmp_path, model=Model(source="builtin:residual-cnn"), base=HERE)
    wider = Model(source="builtin:mlp", args={"width": 24})
    with pytest.raises(InputError, match="the weights do not fit the network"):
        load(tmp_path, model=wider, base=HERE)
    deeper = Model(source="builtin:mlp", args={"width": 16, "depth": 3})
    with pytest.raises(InputError, match="missing: "):
        load(tmp_path, model=deeper, base=HERE)


@pytest.mark.parametrize("file", ["network.json", "weights.safetensors"])
def test_damaged_and_missing_files_are_named(tmp_path: Path, file: str) -> None:
    network = _network("builtin:mlp", (6,), width=16)
    save(network, tmp_path)
    text = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(text[: len(text) // 2])
    with pytest.raises(InputError, match=rf"{file}.*is damaged"):
        load(tmp_path, model=network.model, base=HERE)
    (tmp_path / file).unlink()
    with pytest.raises(InputError, match=rf"{file}.*does not exist"):
        load(tmp_path, model=network.model, base=HERE)


class _Stateful(nn.Linear):
    def get_extra_state(self) -> dict[str, int]:
        return {"calls": 3}

    def set_extra_state(self, state: dict[str, int]) -> None:
        del state


def test_state_that_is_no_tensor_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    network = create(
        Model(source="live:net"),
        Signature({"x": (3,)}, 4),
        base=HERE,
        seed=0,
        preprocessing=PLAIN,
        live={"net": _Stateful(3, 4)},
    )
    with pytest.raises(InputError, match="more than tensors in its state dict"):
        save(network, tmp_path)
    assert not list(tmp_path.iterdir())
