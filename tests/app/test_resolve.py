from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill.app.resolve import read_recipe
from edgedistill.core.budget import Budget
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
schema_version: 1
name: small
data: {source: sklearn:digits}
teacher: {source: 'python:nets.py:teacher', weights: teacher.safetensors}
student: {source: builtin:residual-cnn}
targets:
  host: {budget: {max_size_mb: 1.0}}
"""


def _write(folder: Path, text: str = RECIPE) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_paths_count_from_the_recipes_folder_and_defaults_are_filled_in(tmp_path: Path) -> None:
    resolved = read_recipe(_write(tmp_path))
    assert resolved.recipe.teacher.source == f"python:{tmp_path}/nets.py:teacher"
    assert resolved.recipe.teacher.weights == f"{tmp_path}/teacher.safetensors"
    assert resolved.threads >= 1
    assert "temperature: 4.0" in resolved.lock()


def test_the_lock_resolves_to_itself(tmp_path: Path) -> None:
    first = read_recipe(_write(tmp_path))
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    lock = folder / "recipe.lock.yaml"
    lock.write_text(first.lock())
    assert read_recipe(lock).lock() == first.lock()


def test_settings_override_and_are_read_as_yaml(tmp_path: Path) -> None:
    settings = ("stages.distill.temperature=2.5", "student.args.width=8", "stages.quantize=null")
    recipe = read_recipe(_write(tmp_path), settings=settings).recipe
    assert recipe.stages.distill is not None
    assert recipe.stages.distill.temperature == 2.5
    assert [student.args for student in recipe.students] == [{"width": 8}]
    assert recipe.stages.quantize is None


def test_targets_are_chosen_and_keep_their_budget(tmp_path: Path) -> None:
    recipe = read_recipe(_write(tmp_path), targets=("host", "raspberry-pi-4")).recipe
    assert recipe.targets["host"].budget.max_size_mb == 1.0
    assert list(recipe.targets) == ["host", "raspberry-pi-4"]


def test_a_target_without_a_budget_takes_the_profiles_own(tmp_path: Path) -> None:
    resolved = read_recipe(_write(tmp_path), targets=("host", "raspberry-pi-4"))
    default = resolved.profiles["raspberry-pi-4"].default_budget
    assert default is not None
    assert resolved.recipe.targets["raspberry-pi-4"].budget == default.limits
    lock = tmp_path / "recipe.lock.yaml"
    lock.write_text(resolved.lock())
    assert read_recipe(lock).lock() == resolved.lock()


def test_an_empty_budget_is_a_budget(tmp_path: Path) -> None:
    settings = ("targets={raspberry-pi-4: {budget: {}}}",)
    recipe = read_recipe(_write(tmp_path), settings=settings, targets=("raspberry-pi-4",)).recipe
    assert recipe.targets["raspberry-pi-4"].budget == Budget()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("stages.distil.temperature=3",), r"stages\.distil: is not a known key .*'distill'"),
        (("stages.distill.temprature=3",), r"temprature: is not a known key .*'temperature'"),
        (("stages.distill.temperature=.nan",), r"temperature: is not a finite number"),
        (("stages.distill.temperature=-1",), r"temperature: should be greater than 0"),
        (("seed",), r"--set: is not of the form key=value \(given: 'seed'\)"),
        (("seed=[",), r"--set seed"),
        (("targets.host.runtime=tpu",), r"targets\.host\.runtime: is not a runtime of host"),
        (("targets.raspberry-pi-9={}",), r"targets\.raspberry-pi-9.*is not a known target"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(
    tmp_path: Path, settings: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_recipe(_write(tmp_path), settings=settings)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    settings = ("seed=x", "stages.distill.alpha=2.0", "data.splits.tset=0.1")
    with pytest.raises(InputError) as caught:
        read_recipe(_write(tmp_path), settings=settings)
    assert {fault.field for fault in caught.value.faults} == {
        "seed",
        "stages.distill.alpha",
        "data.splits.tset",
    }


def test_a_recipe_that_is_not_there_or_not_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.yaml"):
        read_recipe(tmp_path / "missing.yaml")
    with pytest.raises(InputError, match="is not a recipe"):
        read_recipe(_write(tmp_path, "- a\n- list\n"))


def test_a_sweep_makes_several_students_and_the_lock_names_them(tmp_path: Path) -> None:
    first = read_recipe(
        _write(tmp_path),
        settings=("student.args.width=16",),
        sweeps=("student.width=0.25,0.5,1",),
    )
    assert [(one.name, one.args) for one in first.recipe.students] == [
        ("width-0.25", {"width": 4}),
        ("width-0.5", {"width": 8}),
        ("width-1", {"width": 16}),
    ]
    lock = tmp_path / "recipe.lock.yaml"
    lock.write_text(first.lock())
    assert read_recipe(lock).lock() == first.lock()


def test_paths_of_each_of_several_students_count_from_the_recipes_folder(tmp_path: Path) -> None:
    text = RECIPE.replace(
        "student: {source: builtin:residual-cnn}",
        "student: [{source: 'python:nets.py:a', weights: a.safetensors}, {source: builtin:mlp}]",
    )
    first, second = read_recipe(_write(tmp_path, text)).recipe.students
    assert (first.name, first.source) == ("a", f"python:{tmp_path}/nets.py:a")
    assert first.weights == f"{tmp_path}/a.safetensors"
    assert (second.name, second.source) == ("mlp", "builtin:mlp")
