"""The README's Python runs as it is written.

A fence that is preceded by the comment `<!-- test: NAME -->` is run; fences of one name are one
program, in their order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgedistill.core.recipe import Recipe

README = Path(__file__).parents[2] / "README.md"
FENCE = re.compile(r"^<!-- test: (\S+) -->\n+```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPE = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"^<!-- test: (\S+) -->$", re.MULTILINE)


def programs(text: str) -> dict[str, str]:
    """Name to program.

    >>> programs("<!-- test: one -->\\n```python\\nx = 1\\n```\\n")
    {'one': 'x = 1\\n'}
    """
    found: dict[str, str] = {}
    for name, code in FENCE.findall(text):
        found[name] = found.get(name, "") + code
    return found


TEXT = README.read_text(encoding="utf-8")
PROGRAMS = programs(TEXT)


def test_fences_of_one_name_are_one_program() -> None:
    text = (
        "<!-- test: a -->\n```python\nx = 1\n```\nSo:\n\n"
        "<!-- test: a -->\n\n```python\ny = x\n```\n"
        "```python\nnot run\n```\n<!-- test: b -->\n```python\nz = 2\n```\n"
    )
    assert programs(text) == {"a": "x = 1\ny = x\n", "b": "z = 2\n"}


def test_the_readme_has_an_example_in_python() -> None:
    assert "python-example" in PROGRAMS


def test_every_marked_fence_is_found() -> None:
    assert len(COMMENT.findall(TEXT)) == len(FENCE.findall(TEXT))


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_runs_as_written(name: str, tmp_path: Path) -> None:
    program = tmp_path / f"{name}.py"
    program.write_text(PROGRAMS[name], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, program],
        cwd=tmp_path,
        # Passive: threads that spin while they wait cost minutes where others want the cores.
        env=os.environ | {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


def test_every_recipe_in_the_readme_is_one() -> None:
    """The first stands alone; each of the others shows some of its keys otherwise."""
    whole, *parts = (yaml.safe_load(text) for text in RECIPE.findall(TEXT))
    Recipe.read(whole, file="README.md")
    assert len(parts) >= 2
    for part in parts:
        kept = {} if "data" in part else {"stages": whole["stages"]}
        base = {key: value for key, value in whole.items() if key != "stages"}
        Recipe.read({**base, **kept, **part}, file="README.md")
