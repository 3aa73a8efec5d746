from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.recipe import Data
from edgedistill.core.stage import SilentProgress, StageContext
from edgedistill.data import open_source
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Prepare

CODE = """
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
import numpy as np

@dataclass
class Bunch:
    inputs: np.ndarray

def load():
    factor = float(Path(__file__).with_name("factor.txt").read_text())
    bunch = Bunch(inputs=np.arange(80.0).reshape(40, 2) * factor)
    return {"train": (bunch.inputs, np.arange(40) % 2), "class_names": ["even", "odd"]}

def wrong():
    return {"trian": 1}
"""


class Heard(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(CODE)
    (tmp_path / "factor.txt").write_text("1.0")
    return tmp_path


def test_the_function_gives_the_samples_and_the_run_says_so(base: Path) -> None:
    source = open_source(Data(source="python:own.py:load"), base=base)
    folder = base / "prepared"
    folder.mkdir()
    heard = Heard()
    facts = source.run(StageContext(folder=folder, progress=heard)).facts
    assert heard.lines[0] == "Data: the code of python:own.py:load runs to give the samples"
    assert facts["classes"] == ["even", "odd"]
    assert facts["source"] == "python:own.py:load"


def test_what_the_function_reads_is_part_of_the_fingerprint(base: Path) -> None:
    before = open_source(Data(source="python:own.py:load"), base=base).fingerprint()
    assert open_source(Data(source="python:own.py:load"), base=base).fingerprint() == before
    (base / "factor.txt").write_text("2.0")
    assert open_source(Data(source="python:own.py:load"), base=base).fingerprint() != before


def test_the_recipes_declaration_counts(base: Path, prepare: Prepare) -> None:
    declared = Preprocessing(kind="array", scale=0.5)
    data = Data(source="python:own.py:load", preprocessing=declared)
    dataset, _ = prepare(open_source(data, base=base))
    raw = dataset.train.inputs["input"][:3]
    np.testing.assert_allclose(dataset.train.batch(np.arange(3))["input"], raw / 2)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("laod", "has no function laod. Functions there: .*load"),
        ("wrong", r"does not return a mapping with the keys .*\['trian'\]"),
    ],
)
def test_a_function_that_is_not_there_or_gives_something_else(
    base: Path, function: str, message: str
) -> None:
    source = open_source(Data(source=f"python:own.py:{function}"), base=base)
    with pytest.raises(InputError, match=message):
        source.fingerprint()


@pytest.mark.parametrize(
    "code",
    [
        "def load(:",
        "import no_such_module_anywhere",
        "undefined_name",
        "raise SystemExit(0)",
        "def load(): raise Exception('mine')",
        "def load(): return open('/no/such/file')",
    ],
)
def test_code_that_fails_is_named_with_its_line(base: Path, code: str) -> None:
    (base / "own.py").write_text(code)
    with pytest.raises(InputError, match=r"own.py: data.source: its code fails"):
        open_source(Data(source="python:own.py:load"), base=base).fingerprint()
