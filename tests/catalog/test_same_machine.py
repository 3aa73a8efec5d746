from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgedistill.catalog.host import Core, HostFacts
from edgedistill.catalog.profiles import load
from edgedistill.catalog.same_machine import differences

if TYPE_CHECKING:
    from edgedistill.core.profile import TargetProfile

PI_5_FLAGS = frozenset({"asimd", "asimdhp", "asimddp"})


def machine(
    *cores: tuple[str, int], name: str = "aarch64", flags: frozenset[str] = PI_5_FLAGS
) -> TargetProfile:
    each = tuple(Core(core, None) for core, count in cores for _ in range(count))
    return load("host", host=HostFacts(name, each, flags, None))


def test_the_board_itself_has_no_differences() -> None:
    assert differences(load("raspberry-pi-5"), machine(("Cortex-A76", 4))) == ()
    assert differences(load("host"), load("host")) == ()


@pytest.mark.parametrize(
    ("here", "words"),
    [
        (machine(("Intel", 4), name="x86_64"), "instruction set is x86_64 and not aarch64"),
        (machine(("Cortex-A72", 4)), "4 x Cortex-A72 and not 4 x Cortex-A76"),
        (machine(("Cortex-A76", 2)), "2 x Cortex-A76"),
        (machine(("Cortex-A76", 4), ("Cortex-A55", 4)), "4 x Cortex-A55"),
        (machine(("Neoverse-N1", 64)), "64 x Neoverse-N1"),
        (machine(("Cortex-A76", 4), flags=frozenset({"asimd"})), "lacks dotprod, fp16"),
    ],
)
def test_another_machine_is_told(here: TargetProfile, words: str) -> None:
    assert words in "; ".join(differences(load("raspberry-pi-5"), here))


def test_cores_that_the_machine_does_not_name_are_counted() -> None:
    profile = load("raspberry-pi-5")
    assert differences(profile, machine(("unknown processor", 4))) == ()
    assert "2 x Arm core 0xfff" in differences(profile, machine(("Arm core 0xfff", 2)))[0]


def test_a_profile_that_names_no_cores_is_held_against_the_instruction_set_only() -> None:
    bare = load("raspberry-pi-5").model_copy(update={"clusters": ()})
    assert differences(bare, machine(("Neoverse-N1", 64))) == ()
    assert differences(bare, machine(("Intel", 4), name="x86_64")) != ()
