from __future__ import annotations

import copy
import linecache
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.teacher import Model
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


class _Keeping(nn.Module):
    """Keeps something beside its parts that decides what it answers."""

    def __init__(self, kept: Any, table: float = 1.0) -> None:
        super().__init__()
        self.kept = kept
        self.register_buffer("table", torch.full((2,), table), persistent=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_Keeping(nn.functional.relu), _Keeping(nn.functional.gelu)),
        (_Keeping(lambda x: x + 1), _Keeping(lambda x: x + 2)),
        (_Keeping((1, 2)), _Keeping((1, 3))),
        (_Keeping((1, (2, 3))), _Keeping((1, (2, 4)))),
        (_Keeping({"a": (1,)}), _Keeping({"a": (2,)})),
        (_Keeping(None, table=1.0), _Keeping(None, table=2.0)),
    ],
    ids=["function", "lambda", "tuple", "tuple-in-tuple", "mapping", "non-persistent-buffer"],
)
def test_live_modules_that_differ_beside_their_weights_are_told_apart(
    one: nn.Module, other: nn.Module
) -> None:
    model = Model(source="live:net")

    def of(live: nn.Module) -> str:
        return fingerprint(model, base=HERE, live={"net": live})

    assert of(one) == of(copy.deepcopy(one)) != of(other)


def test_what_a_python_file_loads_counts_with_it(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "from pathlib import Path\n"
        "from torch import nn\n"
        "def net():\n"
        "    layer = nn.Linear(2, 2)\n"
        "    nn.init.constant_(layer.weight, float(Path(__file__).with_name('w').read_text()))\n"
        "    return layer\n"
    )
    prints = []
    for value in ("1.0", "1.0", "2.0"):
        (tmp_path / "w").write_text(value)
        prints.append(fingerprint(Model(source="python:nets.py:net"), base=tmp_path))
    assert prints[0] == prints[1] != prints[2]


def test_what_a_python_file_imports_counts_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nets.py").write_text(
        "def net():\n    import fingerprinted_helper\n    return fingerprinted_helper.Net()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    helper = (
        "from torch import nn\n"
        "class Net(nn.Linear):\n"
        "    def __init__(self):\n"
        "        super().__init__(2, 2)\n"
        "    def forward(self, x):\n"
        "        return {} * super().forward(x)\n"
    )
    prints = []
    for factor in ("1", "1", "20"):  # another length: byte code is told by time and length
        (tmp_path / "fingerprinted_helper.py").write_text(helper.format(factor))
        monkeypatch.delitem(sys.modules, "fingerprinted_helper", raising=False)
        linecache.checkcache()
        prints.append(fingerprint(Model(source="python:nets.py:net"), base=tmp_path))
    monkeypatch.delitem(sys.modules, "fingerprinted_helper")
    assert prints[0] == prints[1] != prints[2]
