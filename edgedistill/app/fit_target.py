"""Refines a target profile with a user's own measurements, and writes it as a new one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.app.latency import Question, latency_of
from edgedistill.app.network_operators import computing_in, network_operators
from edgedistill.app.own_measurements import OwnMeasurement, read_measurements
from edgedistill.app.refitting import Group, refitted
from edgedistill.catalog.profile_edit import with_costs
from edgedistill.catalog.profiles import load, profile_file
from edgedistill.catalog.shapes import shape_documents
from edgedistill.core.basis import NoBasis, basis_of, runtime_named
from edgedistill.core.engine import engine_of
from edgedistill.core.profile import NAME_PATTERN
from edgedistill.core.target_fit import FittedRow, RefittedCost, TargetFit
from edgedistill.errors import Fault, InputError
from edgedistill.store import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgedistill.core.fitted import FittedCost, Tier
    from edgedistill.core.profile import Precision, TargetProfile
    from edgedistill.core.shape_document import ShapeDocument
    from edgedistill.cost.operators import Operator

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class _Row:
    """A measurement with the operators of its network."""

    own: OwnMeasurement
    operators: tuple[Operator, ...]


def fit_target(
    target: str | Path,
    measurements: str | Path,
    *,
    runtime: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    folders: Sequence[str | Path] = (),
    fitted_on: date | None = None,
) -> TargetFit:
    """Refines a profile with measurements of your own and writes the result as a new profile.

    One measurement rescales the device's speed; more also move what its memory, operators and
    activations cost. From 20 measurements of three families on the tier is `measured` and the
    interval that of your own residuals, on families left out; below it is `few-measurements`.

    Args:
        target: A profile's name, or the path of one of your own. Its file is not changed.
        measurements: CSV with the columns model (an ONNX file, relative to the CSV, or
            `FILE.json#NETWORK` of a file of operator lists), precision, threads, latency_ms (the
            median); optionally runtime, percentile (50 only), family.
        runtime: That of lines which name none; the profile's default one where absent.
        out: The file to write; NAME-fitted.yaml in the current folder where absent. The new
            profile is called as the file is.
        force: Whether an existing file may be replaced.
        folders: Folders of your own profiles.
        fitted_on: The day that the profile notes; today where absent.

    Returns:
        Each measurement beside what the profile said before and says after, and the new costs.

    Raises:
        InputError: With all faults of the measurements at once. Nothing is half-written.
    """
    own = [Path(folder) for folder in folders]
    profile = load(str(target), own)
    file = Path(out) if out is not None else Path(f"{profile.name}-fitted.yaml")
    faults = list(_file_faults(file, force=force))
    shapes = shape_documents(own)
    rows: list[_Row] = []
    try:
        rows = _read(Path(measurements), profile, runtime or profile.default_runtime)
    except InputError as error:
        faults += error.faults
    if faults:
        raise InputError(*faults)
    day = (fitted_on or datetime.now(tz=UTC).date()).isoformat()
    source = f"Own measurements on this device: {Path(measurements).name}, {day}"
    costs = _costs(profile, rows, shapes, Path(measurements), (source, day))
    text, _ = with_costs(profile_file(str(target), own), name=file.stem, costs=costs)
    refined = _with_costs(profile, costs)
    found = TargetFit(
        target=file.stem,
        file=file,
        rows=tuple(_told(row, profile, refined, shapes) for row in rows),
        costs=tuple(
            RefittedCost(
                runtime=name,
                precision=precision,
                tier_before=_tier(profile, name, precision, shapes),
                cost=cost,
            )
            for (name, precision), cost in costs.items()
        ),
    )
    write_file(file, text.encode())
    return found


def _file_faults(file: Path, *, force: bool) -> list[Fault]:
    if file.suffix not in _SUFFIXES or re.fullmatch(NAME_PATTERN, file.stem) is None:
        return [
            Fault(
                file=file,
                problem="cannot be the file of a profile, which is called as its file is",
                remedy="Give a name of small letters, digits, dots and dashes that ends in .yaml",
            )
        ]
    if file.exists() and not force:
        return [
            Fault(
                file=file,
                problem="is there already",
                remedy="Give another file with --out, or replace it with --force",
            )
        ]
    return []


def _read(file: Path, profile: TargetProfile, runtime: str) -> list[_Row]:
    """The measurements with their networks; each file is read once for each engine."""
    known: dict[tuple[Path, str | None], tuple[Operator, ...]] = {}
    rows: list[_Row] = []
    faults: list[Fault] = []
    for one in read_measurements(file, profile, runtime=runtime):
        engine = engine_of(runtime_named(profile, one.runtime))
        if (one.model, engine) not in known:
            try:
                known[one.model, engine] = network_operators(one.model, engine=engine)
            except InputError as error:
                known[one.model, engine] = ()
                faults += _with_line(error, file, f"line {one.line}: model", one.name)
        try:
            rows.append(_Row(one, computing_in(known[one.model, engine], one.precision)))
        except InputError as error:
            faults += _with_line(error, file, f"line {one.line}: precision", one.precision)
    if faults:
        raise InputError(*faults)
    return rows


def _with_line(error: InputError, file: Path, field: str, given: str) -> list[Fault]:
    return [replace(fault, file=file, field=field, given=repr(given)) for fault in error.faults]


def _costs(
    profile: TargetProfile,
    rows: Sequence[_Row],
    shapes: Sequence[ShapeDocument],
    file: Path,
    evidence: tuple[str, str],
) -> dict[tuple[str, Precision], FittedCost]:
    """The new costs by runtime and precision, in the order of the file."""
    groups: dict[tuple[str, Precision], list[_Row]] = {}
    for row in rows:
        groups.setdefault((row.own.runtime, row.own.precision), []).append(row)
    costs: dict[tuple[str, Precision], FittedCost] = {}
    faults: list[Fault] = []
    for (runtime, precision), members in groups.items():
        group = Group(
            profile=profile,
            runtime=runtime,
            precision=precision,
            measured=tuple((row.own, row.operators) for row in members),
        )
        found = refitted(group, shapes, *evidence)
        if isinstance(found, NoBasis):
            faults.append(
                Fault(
                    file=file,
                    field=f"line {members[0].own.line}",
                    given=f"{runtime} in {precision}",
                    problem=f"cannot be fitted: {found.reason}",
                    remedy="Leave these lines out",
                )
            )
        else:
            costs[runtime, precision] = found
    if faults:
        raise InputError(*faults)
    return costs


def _with_costs(
    profile: TargetProfile, costs: Mapping[tuple[str, Precision], FittedCost]
) -> TargetProfile:
    for (name, precision), cost in costs.items():
        runtime = runtime_named(profile, name)
        changed = runtime.model_copy(update={"cost": {**runtime.cost, precision: cost}})
        section = "runtimes" if name in profile.runtimes else "converted_runtimes"
        runtimes = {**getattr(profile, section), name: changed}
        profile = profile.model_copy(update={section: runtimes})
    return profile


def _told(
    row: _Row, before: TargetProfile, after: TargetProfile, shapes: Sequence[ShapeDocument]
) -> FittedRow:
    own = row.own
    said = [
        latency_of(
            Question(profile, own.runtime, own.precision, own.threads), row.operators, shapes
        )
        for profile in (before, after)
    ]
    values = [None if isinstance(one, NoBasis) else one.latency_ms.value for one in said]
    assert values[1] is not None
    return FittedRow(
        line=own.line,
        model=own.name,
        runtime=own.runtime,
        precision=own.precision,
        threads=own.threads,
        measured_ms=own.latency_ms,
        before_ms=values[0],
        after_ms=values[1],
    )


def _tier(
    profile: TargetProfile, runtime: str, precision: Precision, shapes: Sequence[ShapeDocument]
) -> Tier:
    basis = basis_of(profile, runtime, precision, shapes)
    return "unsupported" if isinstance(basis, NoBasis) else basis.tier
