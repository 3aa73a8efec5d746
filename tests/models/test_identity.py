from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Model
from edgedistill.errors import InputError
from edgedistill.models import fingerprint, weights

HERE = Path()


class _Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.linear = nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * self.linear(x)


def test_defaults_written_out_change_nothing_and_other_values_do() -> None:
    plain = fingerprint(Model(source="builtin:mlp"), base=HERE)
    spelled = fingerprint(Model(source="builtin:mlp", args={"width": 128}), base=HERE)
    wider = fingerprint(Model(source="builtin:mlp", args={"width": 129}), base=HERE)
    assert plain == spelled != wider


def test_python_sources_count_by_text_not_by_place(tmp_path: Path) -> None:
    prints = []
    net = "from torch import nn\ndef net():\n    return nn.Linear(2, 2)\n"
    for folder, text in (("a", "x = 1\n"), ("b", "x = 1\n"), ("c", "x = 2\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "nets.py").write_text(text + net)
        prints.append(fingerprint(Model(source="python:nets.py:net"), base=tmp_path / folder))
    assert prints[0] == prints[1] != prints[2]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nets\.py: teacher\.source: the file does not exist"):
        fingerprint(Model(source="python:nets.py:net"), base=tmp_path, field="teacher")
    with pytest.raises(InputError, match=r"w\.safetensors: teacher\.weights: the file does not"):
        fingerprint(
            Model(source="builtin:mlp", weights="w.safetensors"), base=tmp_path, field="teacher"
        )


def test_weights_count_by_content(tmp_path: Path) -> None:
    model = Model(source="builtin:mlp", weights="w.safetensors")
    prints = []
    for value in (1.0, 1.0, 2.0):
        weights.write(
            {"a": torch.tensor(value)}, tmp_path / "w.safetensors", preprocessing=Preprocessing()
        )
        prints.append(fingerprint(model, base=tmp_path))
    assert prints[0] == prints[1] != prints[2]


def test_live_modules_count_by_class_settings_and_weights() -> None:
    model = Model(source="live:net")
    torch.manual_seed(0)
    module = _Scaled(2.0)

    def of(live: nn.Module) -> str:
        return fingerprint(model, base=HERE, live={"net": live})

    same, factor, weight = (copy.deepcopy(module) for _ in range(3))
    same.eval()
    factor.factor = 3.0
    weight.linear.weight.data[0, 0] += 1
    assert of(module) == of(same)
    assert len({of(module), of(factor), of(weight), of(nn.Linear(3, 4))}) == 4
