"""From the objects a caller holds to the recipe they amount to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from edgedistill.core.strict import plain
from edgedistill.data import live_source

if TYPE_CHECKING:
    from torch import nn

    from edgedistill.core.budget import Budget
    from edgedistill.core.recipe import Data
    from edgedistill.data import Source

    AnyModel: TypeAlias = nn.Module | str | Mapping[str, Any]
    """A module, a source, or the keys of a recipe's model."""

LIVE_DATA = "live:data"
_LIVE_KEYS = ("train", "validation", "test", "class_names")


def data_document(data: str | Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's `data` of what the caller gave as data."""
    if isinstance(data, str):
        return {"source": data}
    if "train" not in data:
        return dict(data)
    declared = {key: value for key, value in data.items() if key not in _LIVE_KEYS}
    return {"source": LIVE_DATA, **declared}


def source_of(data: str | Mapping[str, Any], config: Data) -> Source | None:
    """The source of live samples; None where the recipe itself says where they are.

    Args:
        data: What the caller gave as data.
        config: The recipe's `data`, made of it by `data_document` and checked.

    Raises:
        InputError: If a live split is not a loader or a tuple of arrays.
    """
    if isinstance(data, str) or "train" not in data:
        return None
    live = {key: value for key, value in data.items() if key in _LIVE_KEYS}
    return live_source(
        **live,
        preprocessing=config.preprocessing,
        splits=config.splits,
        augmentation=config.augmentation,
    )


def model_document(model: AnyModel, name: str, live: dict[str, nn.Module]) -> dict[str, Any]:
    """The recipe's `teacher` or `student` of what the caller gave.

    Args:
        model: A module, a source, or the keys of a recipe.
        name: What a module is called in the recipe.
        live: Gets the module, under that name.
    """
    if isinstance(model, str):
        return {"source": model}
    if isinstance(model, Mapping):
        return dict(model)
    live[name] = model
    return {"source": f"live:{name}"}


def students_document(
    students: AnyModel | Sequence[AnyModel] | None, live: dict[str, nn.Module]
) -> dict[str, Any] | list[dict[str, Any]] | None:
    """The recipe's `student` of what the caller gave: none, one, or a list of several.

    Args:
        students: As the caller gave them.
        live: Gets the modules, as `student`, or as `student-1` and so on where it is a list.
    """
    if students is None:
        return None
    if isinstance(students, str) or not isinstance(students, Sequence):
        return model_document(students, "student", live)
    return [
        model_document(one, f"student-{place}", live) for place, one in enumerate(students, start=1)
    ]


def targets_document(
    targets: Mapping[str, Budget | Mapping[str, Any]] | Sequence[str],
) -> dict[str, Any]:
    """The recipe's `targets` of profile names, with budgets or the keys of a recipe's target."""
    if not isinstance(targets, Mapping):
        return {name: {} for name in targets}
    return {
        name: dict(target) if isinstance(target, Mapping) else {"budget": plain(target)}
        for name, target in targets.items()
    }
