from __future__ import annotations

import pytest
from torch import nn

from edgedistill.errors import InputError
from edgedistill.models import Signature, replay, set_attention_heads


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 4
        self.head_dim = 2
        self.q_proj = nn.Linear(8, 8)


def test_head_counts_and_the_sizes_that_follow_are_set() -> None:
    module = nn.Sequential(_Attention())
    attention = module[0]
    assert isinstance(attention, _Attention)
    attention.q_proj = nn.Linear(8, 6)
    set_attention_heads(module, {"0": 3})
    assert (attention.num_heads, attention.head_dim) == (3, 2)


class _Fused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.num_heads, self.head_dim, self.all_head_size = 4, 2, 8
        self.qkv = nn.Linear(8, 18)  # one of four heads is gone from each third


def test_a_fused_projection_holds_three_times_the_width_of_its_heads() -> None:
    module = _Fused()

    set_attention_heads(nn.Sequential(module), {"0": 3})

    assert (module.num_heads, module.head_dim, module.all_head_size) == (3, 2, 6)


@pytest.mark.parametrize(
    ("name", "message"), [("1", "there is no module 1"), ("0.q_proj", "keeps no head count")]
)
def test_head_counts_that_do_not_fit_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        set_attention_heads(nn.Sequential(_Attention()), {name: 2})


@pytest.mark.parametrize(
    ("cut", "message"),
    [(("9", True, (0,)), "there is no layer 9"), (("1", True, (0,)), "history does not fit")],
)
def test_a_history_of_another_network_is_refused(
    cut: tuple[str, bool, tuple[int, ...]], message: str
) -> None:
    module = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(InputError, match=message):
        replay(module, Signature({"x": (3,)}, 2), (cut,))
