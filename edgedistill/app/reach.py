"""How a target's device is reached from here, and whether this machine is it."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from edgedistill.catalog.profiles import load
from edgedistill.catalog.same_machine import differences
from edgedistill.core.strict import plain
from edgedistill.devices.local import LocalTransport
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from edgedistill.core.profile import Runtime, TargetProfile
    from edgedistill.devices.transport import Transport


HOST = "host"
"""The profile of this machine."""


def runs_here(profile: TargetProfile, runtime: Runtime) -> bool:
    """Whether the target's own runtime and instruction set are this machine's."""
    return (
        profile.transport == "local"
        and profile.machine in ("host", platform.machine())
        and runtime.provider == "CPUExecutionProvider"
    )


def require_at_hand(profile: TargetProfile) -> None:
    """Refuses a target whose device is not at hand.

    Raises:
        InputError: If the profile says that there is no way to the device.
    """
    if profile.transport == "none":
        raise InputError(
            Fault(
                field="target",
                given=profile.name,
                problem="the device is not at hand, so nothing can be measured on it",
                remedy="Run edgedistill on the device itself with --on-device, or with "
                "--target host",
            )
        )


def require_this_machine_is(profile: TargetProfile) -> None:
    """Refuses the claim that this machine is a target's device where the machine tells otherwise.

    Raises:
        InputError: If instruction set, cores or processor flags are not those of the profile.
    """
    found = differences(profile, load(HOST))
    if found:
        raise InputError(
            Fault(
                field="target",
                given=profile.name,
                problem=f"is not this machine: {'; '.join(found)}",
                remedy="Run this on the device itself",
            )
        )


def device_facts(profile: TargetProfile, runtime: Runtime) -> dict[str, Any]:
    """What of a device enters the key of a step that measures on it."""
    return {
        "device": profile.name,
        "processor": plain(profile)["clusters"],
        "provider": runtime.provider,
        "runtime_threads": runtime.threads,
        "openings": plain(runtime)["openings"],
    }


def transport() -> Transport:
    """The way to this machine, the one device that is always at hand."""
    return LocalTransport()
