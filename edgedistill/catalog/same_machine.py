"""Whether this machine can be the device that a profile describes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgedistill.core.profile import TargetProfile

_ARM = "aarch64"
_UNTOLD = ("unknown processor", "Arm core ")
"""How a core's name begins where the machine does not tell which one it is."""


def differences(profile: TargetProfile, here: TargetProfile) -> tuple[str, ...]:
    """What tells that this machine is another device than the profile's; empty where nothing does.

    That nothing differs proves little: boards of one processor differ in memory and cooling. It
    keeps a claim from being made by mistake, on a build server for instance.

    Args:
        profile: The device that this machine is said to be.
        here: This machine's own profile, detected.
    """
    if profile.machine != here.machine:
        return (f"the instruction set is {here.machine} and not {profile.machine}",)
    if not profile.clusters:
        return ()
    differing = []
    wanted, found = _cores(profile), _cores(here)
    # Names are the same in profiles and here for Arm's own cores only; others are counted.
    told = here.machine == _ARM and not any(name.startswith(_UNTOLD) for name in found)
    if (wanted != found) if told else (wanted.total() != found.total()):
        differing.append(f"the cores are {_listed(found)} and not {_listed(wanted)}")
    flags = _flags(profile) - _flags(here)
    if flags:
        differing.append(f"the processor lacks {', '.join(sorted(flags))}")
    return tuple(differing)


def _cores(profile: TargetProfile) -> Counter[str]:
    cores: Counter[str] = Counter()
    for cluster in profile.clusters:
        cores[cluster.core] += cluster.count
    return cores


def _flags(profile: TargetProfile) -> set[str]:
    """What all cores have: a kernel may run on any."""
    return set.intersection(*(set(cluster.isa_flags) for cluster in profile.clusters))


def _listed(cores: Counter[str]) -> str:
    return " + ".join(f"{count} x {name}" for name, count in cores.items())
