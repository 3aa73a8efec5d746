"""Target profiles by name: those that ship, the user's own, and this machine's."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.catalog.host import complete, read_host_facts
from edgedistill.catalog.yaml_file import read_document
from edgedistill.core.profile import TargetProfile
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.catalog.host import HostFacts

_SUFFIXES = (".yaml", ".yml")


def names(extra_folders: Sequence[Path] = ()) -> list[str]:
    """The names of all known profiles, sorted.

    Args:
        extra_folders: The user's own folders of profiles, beside those that ship.

    Raises:
        InputError: If one of the folders does not exist.

    >>> "raspberry-pi-5" in names()
    True
    """
    return sorted(_paths(extra_folders))


def load(
    name: str, extra_folders: Sequence[Path] = (), *, host: HostFacts | None = None
) -> TargetProfile:
    """The profile of one target.

    Args:
        name: A profile's name, or the path of a YAML file of the user's own (a path ends in .yaml
            or .yml).
        extra_folders: The user's own folders of profiles; a name found there hides the one that
            ships.
        host: What the machine is, for a profile whose machine is `host`; read from this one where
            absent.

    Raises:
        InputError: If there is no such profile, or the file is not a valid one.

    >>> load("raspberry-pi-4").runtimes["cpu"].int8.label
    'U8S8'
    """
    path = profile_file(name, extra_folders)
    profile = _read(path, host)
    if profile.name != name and not name.endswith(_SUFFIXES):
        raise InputError(
            Fault(
                file=path,
                field="name",
                given=repr(profile.name),
                problem="differs from the file's name",
                remedy=f"Call the profile {name} or rename the file to {profile.name}.yaml",
            )
        )
    return profile


def profile_file(name: str, extra_folders: Sequence[Path] = ()) -> Path:
    """The file of a profile, by its name or as the path that it is.

    Raises:
        InputError: If there is no profile of that name.
    """
    if name.endswith(_SUFFIXES):
        return Path(name)
    paths = _paths(extra_folders)
    if name not in paths:
        raise InputError(_unknown(name, sorted(paths)))
    return paths[name]


def check(
    extra_folders: Sequence[Path] = (), *, host: HostFacts | None = None
) -> tuple[tuple[TargetProfile, ...], tuple[Fault, ...]]:
    """Reads every profile there is, and goes on after a faulty one.

    Args:
        extra_folders: The user's own folders of profiles.
        host: What the machine is; read from this one where absent.

    Returns:
        The profiles that are valid, sorted by name, and all faults of the others.

    Raises:
        InputError: If one of the folders does not exist.
    """
    profiles: list[TargetProfile] = []
    faults: list[Fault] = []
    for name in names(extra_folders):
        try:
            profiles.append(load(name, extra_folders, host=host))
        except InputError as error:
            faults.extend(error.faults)
    return tuple(profiles), tuple(faults)


def _read(path: Path, host: HostFacts | None) -> TargetProfile:
    profile = read_document(TargetProfile, path)
    if profile.machine != "host":
        return profile
    return complete(profile, host or read_host_facts())


def shipped_folder() -> Path:
    """The profiles that ship.

    In a wheel they lie beside this file, in a checkout in `targets/` at the top.
    """
    package = Path(str(files("edgedistill.catalog")))
    inside = package / "profiles"
    return inside if inside.is_dir() else package.parents[1] / "targets"


def require_folders(folders: Sequence[Path]) -> None:
    """Refuses folders that do not exist.

    Raises:
        InputError: With one fault for each of them.
    """
    missing = [folder for folder in folders if not folder.is_dir()]
    if missing:
        raise InputError(
            *(
                Fault(file=folder, problem="is not a folder", remedy="Give a folder of profiles")
                for folder in missing
            )
        )


def _paths(extra_folders: Sequence[Path]) -> dict[str, Path]:
    require_folders(extra_folders)
    return {
        path.stem: path
        for folder in (shipped_folder(), *extra_folders)
        for path in sorted(folder.iterdir())
        if path.suffix in _SUFFIXES
    }


def _unknown(name: str, known: list[str]) -> Fault:
    close = difflib.get_close_matches(name, known, n=1)
    return Fault(
        field="target",
        given=repr(name),
        problem="is not a known target",
        remedy=(f"Did you mean '{close[0]}'? " if close else "")
        + f"Known targets: {', '.join(known)}; or give the path of a profile (.yaml)",
    )
