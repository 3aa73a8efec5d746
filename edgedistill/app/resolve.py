"""From a recipe as a person wrote it to one that says everything: overrides, paths, profiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edgedistill.app.environment import processors
from edgedistill.app.sweep import swept
from edgedistill.catalog.profiles import load
from edgedistill.catalog.yaml_file import parse_yaml, read_yaml, yaml_text
from edgedistill.core.recipe import Columns, Data, Recipe, Student, Students, Target
from edgedistill.core.strict import merge, plain
from edgedistill.core.teacher import ENDPOINT, ENSEMBLE, Model, Teacher
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgedistill.core.profile import Runtime, TargetProfile

AnyModel = TypeVar("AnyModel", Model, Student, Teacher)
_PATH_KINDS = ("csv", "image-folder", "npz", "onnx", "python")
_TEACHERS_ONLY = (ENDPOINT, ENSEMBLE, "onnx")
"""Kinds of sources that can be asked, but not trained, pruned or quantized."""


@dataclass(frozen=True)
class Resolved:
    """A recipe with nothing left open, and the profiles of its targets."""

    recipe: Recipe
    profiles: Mapping[str, TargetProfile]

    def runtime(self, target: str) -> tuple[str, Runtime]:
        """Name and facts of the runtime that a target uses."""
        profile = self.profiles[target]
        name = self.recipe.targets[target].runtime or profile.default_runtime
        return name, profile.runtimes[name]

    @property
    def threads(self) -> int:
        """Processor threads for training."""
        return self.recipe.threads or 1

    def lock(self) -> str:
        """The resolved recipe as YAML: running it again gives the same artifacts."""
        header = "# Written by edgedistill: the recipe of this run with every default filled in.\n"
        return header + yaml_text(plain(self.recipe))


def read_recipe(
    path: str | Path,
    *,
    settings: Iterable[str] = (),
    sweeps: Iterable[str] = (),
    targets: Iterable[str] = (),
) -> Resolved:
    """Reads a recipe file, lays overrides over it and resolves it.

    Args:
        path: The recipe's YAML file; relative paths in it count from its folder.
        settings: Overrides as `dotted.key=value`; the value is read as YAML.
        sweeps: What its student is varied in, as `student.key=value,value`: one student for each
            value, and for each combination where there are several; see `app.sweep`.
        targets: Only these of the recipe's targets, or profiles it does not name yet.

    Raises:
        InputError: With every fault found.
    """
    path = Path(path)
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise InputError(
            Fault(file=path, problem="is not a recipe", remedy="Start one with: edgedistill init")
        )
    for setting in settings:
        document = merge(document, _parse_setting(setting))
    document = swept(document, sweeps)
    if chosen := tuple(targets):
        known = document.get("targets")
        known = known if isinstance(known, dict) else {}
        document["targets"] = {name: known.get(name, {}) for name in chosen}
    return resolve(Recipe.read(document, file=path), file=path, base=path.resolve().parent)


def resolve(recipe: Recipe, *, file: str | Path, base: Path) -> Resolved:
    """Fills in what a recipe leaves open: absolute paths, threads, profiles.

    Raises:
        InputError: If a target or its runtime does not exist, a file is missing, or what is to be
            compressed can only teach.
    """
    faults = [*_compressible_faults(recipe, file), *_layer_faults(recipe, file)]
    profiles: dict[str, TargetProfile] = {}
    targets: dict[str, Target] = {}
    for key, target in recipe.targets.items():
        field = f"targets.{key}"
        try:
            profile = load(str(base / key) if key.endswith(".yaml") else key)
        except InputError as error:
            faults.extend(_within(error, file, field))
            continue
        if profile.name in profiles:
            faults.append(
                Fault(
                    file=file,
                    field=field,
                    given=profile.name,
                    problem="names a target that the recipe has already",
                    remedy="Give each target once",
                )
            )
        faults.extend(_runtime_faults(target, profile, file, field))
        profiles[profile.name], targets[profile.name] = profile, _with_budget(target, profile)
    if faults:
        raise InputError(*faults)
    resolved = recipe.model_copy(
        update={
            "targets": targets,
            "threads": recipe.threads or processors(),
            "data": _absolute_data(recipe.data, base),
            "teacher": _absolute_model(recipe.teacher, base),
            "student": _absolute_students(recipe.student, base),
        }
    )
    return Resolved(recipe=resolved, profiles=profiles)


def _with_budget(target: Target, profile: TargetProfile) -> Target:
    """The target with the profile's default budget where the recipe gives it none."""
    if "budget" in target.model_fields_set or profile.default_budget is None:
        return target
    return target.model_copy(update={"budget": profile.default_budget.limits})


def _runtime_faults(
    target: Target, profile: TargetProfile, file: str | Path, field: str
) -> list[Fault]:
    if target.runtime is None or target.runtime in profile.runtimes:
        return []
    return [
        Fault(
            file=file,
            field=f"{field}.runtime",
            given=repr(target.runtime),
            problem=f"is not a runtime of {profile.name}",
            remedy=f"Choose one of: {', '.join(sorted(profile.runtimes))}",
        )
    ]


def _compressible_faults(recipe: Recipe, file: str | Path) -> list[Fault]:
    if not recipe.students and _only_teaches(recipe.teacher):
        return [
            Fault(
                file=file,
                field="student",
                problem=f"is missing, and the teacher {recipe.teacher.source} cannot be compressed "
                "itself",
                remedy="Give the network to be compressed as builtin:NAME, "
                "python:FILE.py:FUNCTION or hf:DIR_OR_ID",
            )
        ]
    listed = isinstance(recipe.student, tuple)
    return [
        Fault(
            file=file,
            field=f"student.{place}.source" if listed else "student.source",
            given=student.source,
            problem="is a teacher only: it can be asked, but not trained",
            remedy="Give it as the teacher, and a student as builtin:NAME, "
            "python:FILE.py:FUNCTION or hf:DIR_OR_ID",
        )
        for place, student in enumerate(recipe.students)
        if _only_teaches(student)
    ]


def _layer_faults(recipe: Recipe, file: str | Path) -> list[Fault]:
    """A teacher behind an endpoint has no layers that could teach."""
    if recipe.teacher.source != ENDPOINT:
        return []
    stages = {"stages": recipe.stages} | {
        f"targets.{name}.stages": target.stages
        for name, target in recipe.targets.items()
        if target.stages is not None
    }
    lessons = {
        key: lesson
        for field, stage in stages.items()
        for key, lesson in (
            (f"{field}.distill", stage.distill),
            (f"{field}.prune.recover", stage.prune.recover if stage.prune else None),
        )
    }
    return [
        Fault(
            file=file,
            field=f"{key}.layers",
            problem="are of no use: a teacher behind an endpoint shows its answers, not its layers",
            remedy="Leave layers out, or give the teacher's network itself",
        )
        for key, lesson in lessons.items()
        if lesson is not None and lesson.layers
    ]


def _only_teaches(model: Model) -> bool:
    return model.source.partition(":")[0] in _TEACHERS_ONLY


def _parse_setting(setting: str) -> dict[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals or not key or not all(key.split(".")):
        raise InputError(
            Fault(
                file="--set",
                given=repr(setting),
                problem="is not of the form key=value",
                remedy="Write for instance --set stages.distill.temperature=3",
            )
        )
    value = parse_yaml(text, file=f"--set {key}")
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def _within(error: InputError, file: str | Path, field: str) -> list[Fault]:
    return [
        fault
        if fault.file is not None
        else Fault(
            file=file,
            field=field,
            given=fault.given,
            problem=fault.problem,
            remedy=fault.remedy,
        )
        for fault in error.faults
    ]


def _absolute_data(data: Data, base: Path) -> Data:
    changes: dict[str, Any] = {"source": _absolute_source(data.source, base)}
    if data.source.startswith("csv:"):
        changes["columns"] = data.columns or Columns()
    if data.preprocessing is not None and data.preprocessing.tokenizer is not None:
        tokenizer = str(base / data.preprocessing.tokenizer)
        changes["preprocessing"] = data.preprocessing.model_copy(update={"tokenizer": tokenizer})
    return data.model_copy(update=changes)


def _absolute_model(model: AnyModel, base: Path) -> AnyModel:
    changes: dict[str, Any] = {
        "source": _absolute_source(model.source, base),
        "weights": str(base / model.weights) if model.weights else None,
    }
    if isinstance(model, Teacher):
        changes["members"] = tuple(_absolute_model(member, base) for member in model.members)
    return model.model_copy(update=changes)


def _absolute_students(student: Students | None, base: Path) -> Students | None:
    if isinstance(student, tuple):
        return tuple(_absolute_model(one, base) for one in student)
    return None if student is None else _absolute_model(student, base)


def _absolute_source(source: str, base: Path) -> str:
    kind, _, rest = source.partition(":")
    if kind in _PATH_KINDS and rest:
        return f"{kind}:{base / rest}"
    if kind == "hf" and (base / rest).is_dir():
        return f"hf:{base / rest}"
    return source
