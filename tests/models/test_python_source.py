from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from torch import nn

from edgedistill.errors import InputError
from edgedistill.models import python_source

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.teacher import Argument

NETS = """
from __future__ import annotations
from dataclasses import dataclass
from torch import nn

@dataclass
class Shape:
    width: int

def student(width: int = 4) -> nn.Module:
    return nn.Linear(Shape(width).width, 2)

def number():
    return 3

def broken():
    raise KeyError("weights")
"""


def _construct(base: Path, name: str, **given: Argument) -> nn.Module:
    return python_source.construct(name, given, base=base, field="student")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def test_the_function_is_called_with_the_arguments(folder: Path) -> None:
    module = _construct(folder, "nets.py:student", width=7)
    assert isinstance(module, nn.Linear)
    assert module.in_features == 7


def test_the_file_stays_out_of_the_way_of_real_modules(folder: Path) -> None:
    _construct(folder, "nets.py:student")
    assert "nets" not in sys.modules
    assert not (folder / "__pycache__").exists()


def test_an_edit_is_seen_at_once(folder: Path) -> None:
    _construct(folder, "nets.py:student")
    (folder / "nets.py").write_text(NETS.replace("width: int = 4", "width: int = 5"))
    module = _construct(folder, "nets.py:student")
    assert isinstance(module, nn.Linear)
    assert module.in_features == 5


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("nets:student", {}, "does not name a file and a function"),
        ("absent.py:student", {}, r"absent\.py: student\.source: the file does not exist"),
        ("nets.py:studnet", {}, "Did you mean 'student'?"),
        ("nets.py:student", {"widht": 3}, "Did you mean 'width'?"),
        ("nets.py:number", {}, r"number\(\) returned int"),
        ("nets.py:broken", {}, "raised KeyError in line 17"),
    ],
)
def test_what_is_wrong_is_named(
    folder: Path, name: str, given: dict[str, Argument], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _construct(folder, name, **given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import not_there_at_all", "ModuleNotFoundError in line 1"),
        ("x = (", "SyntaxError"),
        ('\nraise Exception("x")', "raised Exception in line 2: x"),
        ("import sys\n\nsys.exit(0)", "raised SystemExit in line 3"),
        ('def net():\n    raise Exception("x")', "raised Exception in line 2: x"),
        ("import sys\n\ndef net():\n    sys.exit(0)", "raised SystemExit in line 4"),
    ],
)
def test_a_file_that_does_not_run_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        _construct(tmp_path, "bad.py:net")
    assert caught.value.faults[0].file == tmp_path / "bad.py"
