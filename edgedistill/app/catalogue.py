"""What edgedistill knows and how to start: profiles, schemas, a first recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from edgedistill.catalog.profiles import check, load, names, profile_file
from edgedistill.catalog.shapes import check_shapes, shape_documents
from edgedistill.core.baseline import Baseline
from edgedistill.core.budgets_document import Budgets
from edgedistill.core.budgets_schema import budgets_schema
from edgedistill.core.comparison import Comparison
from edgedistill.core.device_report import DeviceReport
from edgedistill.core.estimate import Estimate
from edgedistill.core.findings import Diagnosis
from edgedistill.core.gate_document import GateDocument
from edgedistill.core.manifest import Manifest
from edgedistill.core.profile import TargetProfile
from edgedistill.core.quantized import QuantizeReport
from edgedistill.core.recipe import Recipe
from edgedistill.core.report import Report
from edgedistill.core.shape_document import ShapeDocument
from edgedistill.core.target_check import (
    TargetsCheck,
    estimate_rows,
    mismatches,
    rows_of,
    shape_rows,
)
from edgedistill.errors import Fault, InputError
from edgedistill.examples import template
from edgedistill.store import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.core.strict import Strict
    from edgedistill.core.target_check import EstimateRow

_DOCUMENTS: dict[str, type[Strict | GateDocument | Budgets]] = {
    "recipe": Recipe,
    "profile": TargetProfile,
    "shape": ShapeDocument,
    "report": Report,
    "quantize-report": QuantizeReport,
    "estimate": Estimate,
    "diagnosis": Diagnosis,
    "comparison": Comparison,
    "baseline": Baseline,
    "device-report": DeviceReport,
    "manifest": Manifest,
    "gate": GateDocument,
    "budgets": Budgets,
}


def target_profiles() -> tuple[TargetProfile, ...]:
    """All target profiles, sorted by name; `host` is this machine, detected."""
    return tuple(load(name) for name in names())


def target_profile(name: str, folders: Sequence[str | Path] = ()) -> TargetProfile:
    """One target profile; `host` is this machine, detected.

    Args:
        name: A profile's name, or the path of a YAML file of your own.
        folders: Folders of your own profiles; a name found there hides the one that ships.

    Raises:
        InputError: If there is no such profile, or its file is not a valid one.
    """
    return load(name, [Path(folder) for folder in folders])


def check_targets(folders: Sequence[str | Path] = ()) -> TargetsCheck:
    """Reads every profile and shape: all faults at once, and how far their estimates are off.

    Args:
        folders: Folders of your own profiles, read beside those that ship.

    Raises:
        InputError: If one of the folders does not exist.
    """
    own = [Path(folder) for folder in folders]
    profiles, faults = check(own)
    shapes, shape_faults = check_shapes(own)
    wrong = [
        fault
        for profile in profiles
        for fault in mismatches(profile, shapes, profile_file(profile.name, own))
    ]
    return TargetsCheck(
        profiles=tuple(profile.name for profile in profiles),
        faults=(*faults, *shape_faults, *wrong),
        fits=tuple(row for profile in profiles for row in rows_of(profile)),
        shapes=tuple(row for document in shapes for row in shape_rows(document)),
        estimates=tuple(row for profile in profiles for row in estimate_rows(profile, shapes)),
    )


def estimate_bases(
    profile: TargetProfile, folders: Sequence[str | Path] = ()
) -> tuple[EstimateRow, ...]:
    """What estimates for a profile rest on, runtime by runtime and precision by precision.

    Args:
        profile: The device.
        folders: Folders of your own profiles, with your own shapes in `shapes` inside them.

    Raises:
        InputError: If a shape of the cost model is not a valid one.
    """
    shapes = shape_documents([Path(folder) for folder in folders])
    return tuple(estimate_rows(profile, shapes))


def schema(kind: str) -> str:
    """The JSON Schema of a kind of document, for editors and validators.

    Args:
        kind: recipe, profile, shape, report, quantize-report, estimate, diagnosis, comparison,
            baseline, device-report, manifest, gate or budgets.

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
    document = _DOCUMENTS[kind]
    schema = budgets_schema() if document is Budgets else TypeAdapter(document).json_schema()
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


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
