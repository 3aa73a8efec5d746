"""The guide to writing a profile shows one that is valid."""

from __future__ import annotations

import re
from pathlib import Path

from edgedistill.catalog.profiles import check, load, names
from edgedistill.catalog.yaml_file import parse_yaml
from edgedistill.core.profile import TargetProfile

GUIDE = Path(__file__).parents[2] / "targets" / "README.md"


def example() -> str:
    found = re.search(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_loads_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "my-board.yaml").write_text(example(), encoding="utf-8")
    profile = load("my-board", [tmp_path])
    assert profile == load(str(tmp_path / "my-board.yaml"))
    assert profile.isa_level == "dotprod"
    assert profile.clusters[0].peak_fp32_gflop_per_s == 4 * 2.2 * 16
    profiles, faults = check([tmp_path])
    assert not faults
    assert "my-board" in {each.name for each in profiles}


def test_what_the_example_leaves_out_is_optional_and_explained() -> None:
    document = parse_yaml(example(), file=GUIDE)
    text = GUIDE.read_text(encoding="utf-8")
    left_out = set(TargetProfile.model_fields) - set(document)
    assert not [key for key in left_out if TargetProfile.model_fields[key].is_required()]
    for key in ("accelerators", "power_modes", "default_budget", "default_power_mode", "notes"):
        assert key in left_out
        assert f"`{key}`" in text


def test_the_guide_is_no_profile() -> None:
    assert GUIDE.stem not in names()
