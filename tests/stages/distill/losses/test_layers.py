from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgedistill.core.learning import LayerPair
from edgedistill.errors import InputError
from edgedistill.stages.distill.losses import (
    LayerLosses,
    attention_transfer_loss,
    capture,
    hint_loss,
    relational_angle_loss,
    relational_distance_loss,
    similarity_preserving_loss,
)

PICTURES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
METHODS = {
    "hint": hint_loss,
    "attention": attention_transfer_loss,
    "similarity": similarity_preserving_loss,
    "distance": relational_distance_loss,
    "angle": relational_angle_loss,
}


def network(width: int, *, stride: int = 1, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(1, width, 3, stride=stride, padding=1),
            active=nn.ReLU(inplace=True),
            body=nn.Conv2d(width, width, 3, padding=1),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            head=nn.Linear(width, 10),
        )
    )


def pair(
    method: str, layer: str = "body", *, teacher: str | None = None, weight: float = 1.0
) -> Any:
    return LayerPair(student=layer, teacher=teacher or layer, method=method, weight=weight)


def features(module: nn.Module, *names: str) -> dict[str, Tensor]:
    with capture(module, names) as said:
        module(PICTURES)
        return dict(said)


class Odd(nn.Module):
    """Gives what the modules of others give: tuples, mappings, nothing of use."""

    class Says(nn.Module):
        def __init__(self, wrap: Any) -> None:
            super().__init__()
            self.wrap = wrap

        def forward(self, inputs: Tensor) -> Any:
            return self.wrap(inputs)

    def __init__(self) -> None:
        super().__init__()
        self.tuple = self.Says(lambda inputs: (None, (inputs + 1, inputs)))
        self.mapping = self.Says(lambda inputs: OrderedDict(count=3, hidden=inputs + 2))
        self.nothing = self.Says(lambda inputs: "none")
        self.number = self.Says(torch.sum)
        self.unused = nn.Identity()
        self.twice = nn.Dropout(0.0)

    def forward(self, inputs: Tensor) -> Tensor:
        for said in (self.tuple, self.mapping, self.nothing, self.number):
            said(inputs)
        return self.twice(self.twice(inputs) + 5)


@pytest.mark.parametrize("method", METHODS)
def test_a_pair_is_its_loss_times_its_weight(method: str) -> None:
    said, taught = features(network(6), "body"), features(network(6, seed=1), "body")
    losses = LayerLosses(
        [pair(method, weight=2.5)], {"body": (4, 6, 8, 8)}, {"body": (4, 6, 8, 8)}, seed=0
    )
    expected = 2.5 * METHODS[method](said["body"], taught["body"])
    torch.testing.assert_close(losses(said, taught), expected)
    assert not list(losses.parameters())


def test_several_pairs_add_up_and_their_regressors_learn_along() -> None:
    student, teacher = network(4, stride=2), network(6)
    said, taught = features(student, "body", "flat"), features(teacher, "body", "flat", "stem")
    pairs = [
        pair("hint", weight=0.5),
        pair("attention", teacher="stem", weight=3.0),
        pair("hint", "flat", weight=2.0),
        pair("angle", "flat", teacher="body"),
    ]
    shapes = [{name: tuple(each.shape) for name, each in side.items()} for side in (said, taught)]
    losses = LayerLosses(pairs, *shapes, seed=5)
    total = losses(said, taught)
    expected = (
        0.5 * hint_loss(losses.regressors[0](said["body"]), taught["body"])
        + 3.0 * attention_transfer_loss(said["body"], taught["stem"])
        + 2.0 * hint_loss(losses.regressors[2](said["flat"]), taught["flat"])
        + relational_angle_loss(said["flat"], taught["body"])
    )
    torch.testing.assert_close(total, expected)
    total.backward()
    assert [tuple(each.shape) for each in losses.parameters()] == [(6, 4, 1, 1), (6,), (6, 4), (6,)]
    trained = [*losses.parameters(), student.stem.weight]
    assert all(each.grad is not None and each.grad.any() for each in trained)
    assert teacher.stem.weight.grad is None


def test_regressors_are_drawn_from_the_seed_each_from_its_own() -> None:
    pairs = [pair("hint", "flat"), pair("hint", "flat")]
    first, again, other = (
        LayerLosses(pairs, {"flat": (4, 3)}, {"flat": (4, 5)}, seed=seed).regressors
        for seed in (0, 0, 7)
    )
    assert torch.equal(first[0].weight, again[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)
    assert not torch.equal(first[0].weight, first[1].weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_features_in_half_precision_meet_a_regressor_in_full(dtype: torch.dtype) -> None:
    losses = LayerLosses([pair("hint")], {"body": (4, 3, 8, 8)}, {"body": (4, 5, 4, 4)}, seed=0)
    student = torch.ones(4, 3, 8, 8, dtype=dtype).requires_grad_()
    loss = losses({"body": student}, {"body": torch.zeros(4, 5, 4, 4, dtype=dtype)})
    loss.backward()
    assert loss.dtype == torch.float32
    assert student.grad is not None


def test_layers_that_cannot_be_compared_are_all_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        LayerLosses(
            [pair("hint"), pair("attention", "flat"), pair("similarity"), pair("attention")],
            {"body": (4, 3, 8, 8), "flat": (4, 3)},
            {"body": (4, 16, 6), "flat": (4, 6)},
            seed=0,
            recipe_key="stages.prune.recover",
        )
    fields = [fault.field for fault in caught.value.faults]
    assert fields == [f"stages.prune.recover.layers[{place}]" for place in (0, 1, 3)]
    assert "student [4, 3, 8, 8], teacher [4, 16, 6]" in str(caught.value)
    assert "attention needs places to look at" in str(caught.value)


def test_what_modules_said_last_is_handed_out_by_name() -> None:
    module = network(3)
    with capture(module, ["body", "stem", "body"], side="student") as said:
        module(torch.zeros_like(PICTURES))
        module(PICTURES)
        assert list(said) == ["body", "stem"]
        assert said.shapes() == {"body": (4, 3, 8, 8), "stem": (4, 3, 8, 8)}
        torch.testing.assert_close(said["stem"], module.stem(PICTURES))


def test_a_module_that_works_in_place_does_not_write_over_what_was_said() -> None:
    module = network(3)
    assert bool((features(module, "stem")["stem"] < 0).any())


def test_the_gradient_reaches_the_network_through_what_was_said() -> None:
    module = network(3)
    features(module, "stem")["stem"].sum().backward()
    assert module.stem.weight.grad is not None
    assert module.head.weight.grad is None


def test_tuples_and_mappings_give_their_first_tensor_and_the_last_call_counts() -> None:
    module = Odd()
    with capture(module, ["tuple", "mapping", "twice"]) as said:
        module(PICTURES)
        torch.testing.assert_close(said["tuple"], PICTURES + 1)
        torch.testing.assert_close(said["mapping"], PICTURES + 2)
        torch.testing.assert_close(said["twice"], PICTURES + 5)


@pytest.mark.parametrize(("name", "said"), [("nothing", "but str"), ("number", r"but shape \[\]")])
def test_a_module_without_features_is_refused(name: str, said: str) -> None:
    module = Odd()
    with (
        capture(module, [name], side="teacher"),
        pytest.raises(InputError, match=rf"layers\[0\]\.teacher: this module gives no .*{said}"),
    ):
        module(PICTURES)


def test_a_module_that_is_not_called_is_named() -> None:
    module = Odd()
    with capture(module, ["tuple", "unused"], side="teacher") as said:
        module(PICTURES)
        with pytest.raises(InputError, match=r"layers\[1\]\.teacher: this module is not called"):
            dict(said)


def test_unknown_names_are_told_with_close_ones_and_leave_no_hook() -> None:
    module = network(3)
    with (
        pytest.raises(InputError) as caught,
        capture(module, ["body", "stm", "quite.other"], side="teacher"),
    ):
        pass
    stem, other = caught.value.faults
    assert (stem.field, stem.given) == ("stages.distill.layers[1].teacher", "'stm'")
    assert stem.remedy == "Did you mean 'stem'?"
    assert other.field == "stages.distill.layers[2].teacher"
    assert other.remedy.startswith("There are for instance 'stem', 'active', 'body'")
    assert not any(each._forward_hooks for each in module.modules())


def test_hooks_go_at_the_end_whatever_happens() -> None:
    module = network(3)
    with pytest.raises(RuntimeError, match="channels"), capture(module, ["body"]) as said:
        module(torch.zeros(1, 5, 8, 8))
    assert not module.body._forward_hooks
    module(PICTURES)
    with pytest.raises(InputError, match="not called"):
        said["body"]


def test_forgetting_lets_go_of_the_last_step() -> None:
    module = network(3)
    with capture(module, ["body"]) as said:
        module(PICTURES)
        said.clear()
        with pytest.raises(InputError, match="not called"):
            said["body"]
