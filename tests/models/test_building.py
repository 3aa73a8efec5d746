from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.teacher import Model
from edgedistill.errors import InputError
from edgedistill.models import Signature, build, weights

SMALL = Model(source="builtin:residual-cnn", args={"width": 4})
HERE = Path()


def _same(one: nn.Module, other: nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


def test_equal_seeds_give_equal_weights_and_other_seeds_others(picture: Signature) -> None:
    one = build(SMALL, picture, base=HERE, seed=1)
    assert _same(one, build(SMALL, picture, base=HERE, seed=1))
    assert not _same(one, build(SMALL, picture, base=HERE, seed=2))


def test_building_leaves_the_global_generators_alone(picture: Signature) -> None:
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002  # the global one is what is tested
    expected = (torch.rand(1).item(), random.random(), np.random.rand())  # noqa: NPY002
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    build(SMALL, picture, base=HERE, seed=1)
    assert (torch.rand(1).item(), random.random(), np.random.rand()) == expected  # noqa: NPY002


def test_weights_are_loaded(tmp_path: Path, picture: Signature) -> None:
    source = build(SMALL, picture, base=HERE, seed=1)
    weights.write(
        source.state_dict(), tmp_path / "w.safetensors", preprocessing=Preprocessing(scale=0.5)
    )
    given = SMALL.model_copy(update={"weights": "w.safetensors"})
    assert _same(source, build(given, picture, base=tmp_path, seed=2))
    with pytest.raises(InputError, match=r"teacher\.weights.*another preprocessing.*scale"):
        build(given, picture, base=tmp_path, seed=2, preprocessing=Preprocessing(), field="teacher")


class _Asserting(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[1] == 3
        return x


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 7)), "gives 7 outputs, but the data has 4"),
        (nn.Conv2d(1, 4, 1), r"gives shape \[2, 4, 8, 8\] for a batch of 2"),
        (nn.Linear(3, 4), r"does not take the data's inputs \(input \[1, 8, 8\]"),
        (nn.LSTM(8, 4), "does not take the data's inputs"),
        (nn.MultiheadAttention(8, 2), "does not take the data's inputs"),
        (_Asserting(), r"does not take the data's inputs .*: AssertionError\b"),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(
    picture: Signature, module: nn.Module, message: str
) -> None:
    live = {"net": module}
    with pytest.raises(InputError, match=message) as caught:
        build(Model(source="live:net"), picture, base=HERE, seed=0, live=live)
    assert caught.value.faults[0].field == "student.source"


def test_a_network_that_gives_a_tuple_is_refused() -> None:
    live = {"net": nn.GRU(3, 4)}
    with pytest.raises(InputError, match="gives a tuple, not a tensor of logits"):
        build(Model(source="live:net"), Signature({"x": (3,)}, 4), base=HERE, seed=0, live=live)


def test_a_live_module_is_copied_and_put_into_eval_mode() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout())
    built = build(
        Model(source="live:net"),
        Signature({"x": (3,)}, 4),
        base=HERE,
        seed=0,
        live={"net": module},
    )
    assert _same(module, built)
    assert not built.training
    assert module.training
    assert built is not module


def test_a_live_module_with_nan_or_with_arguments_is_refused() -> None:
    module = nn.Linear(3, 4)
    signature = Signature({"x": (3,)}, 4)
    with pytest.raises(InputError, match=r"student\.args.*takes no arguments"):
        build(
            Model(source="live:net", args={"width": 1}),
            signature,
            base=HERE,
            seed=0,
            live={"net": module},
        )
    module.weight.data[0, 0] = float("nan")
    with pytest.raises(InputError, match="NaN or infinity in weight"):
        build(Model(source="live:net"), signature, base=HERE, seed=0, live={"net": module})
