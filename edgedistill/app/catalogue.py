"""What edgedistill knows and how to start: profiles, schemas, a first recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.catalog.profiles import load, names
from edgedistill.core.profile import TargetProfile
from edgedistill.core.recipe import Recipe
from edgedistill.core.report import Report
from edgedistill.errors import Fault, InputError
from edgedistill.examples import template
from edgedistill.store import write_file

if TYPE_CHECKING:
    from edgedistill.core.strict import Strict

_DOCUMENTS: dict[str, type[Strict]] = {"recipe": Recipe, "profile": TargetProfile, "report": Report}


def target_profiles() -> tuple[TargetProfile, ...]:
    """All target profiles, sorted by name; `host` is this machine, detected."""
    return tuple(load(name) for name in names())


def schema(kind: str) -> str:
    """The JSON Schema of a kind of document, for editors and validators.

    Args:
        kind: recipe, profile or report.

    Raises:
        InputError: If there is no such kind of document.
    """
    if kind not in _DOCUMENTS:
        raise InputError(
            Fault(
                field="kind",
                given=repr(kind),
                problem="is not a kind of document",
                remedy=f"Choose one of: {', '.join(_DOCUMENTS)}",
            )
        )
    return json.dumps(_DOCUMENTS[kind].model_json_schema(), indent=1, sort_keys=True) + "\n"


def init(folder: str | Path) -> tuple[Path, ...]:
    """Writes a commented recipe, and the JSON Schema it names, into a folder.

    Args:
        folder: Where to; made if absent.

    Returns:
        The files written.

    Raises:
        InputError: If one of the files is there already; nothing is overwritten.
    """
    folder = Path(folder)
    files = {
        folder / "recipe.yaml": template(),
        folder / "recipe.schema.json": schema("recipe"),
    }
    faults = [
        Fault(file=path, problem="is there already", remedy="Give another folder or move it away")
        for path in files
        if path.exists()
    ]
    if faults:
        raise InputError(*faults)
    for path, text in files.items():
        write_file(path, text.encode())
    return tuple(files)
