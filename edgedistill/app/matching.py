"""Which input of one model takes what another model's input takes: pure."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.core.quantized import ModelInput

_MOST = 6
"""Inputs of other names beyond this are not tried against each other: 6! is 720."""


def match_inputs(
    first: Sequence[ModelInput], second: Sequence[ModelInput], file: Path
) -> dict[str, str]:
    """First model's name of each input to the second's.

    Equal names meet. The rest is matched by type and shape where only one way is possible; where
    several are, for two inputs of one form, nobody could tell a right match from a wrong one.

    Args:
        first: What the first model takes.
        second: What the second takes.
        file: The second, for errors.

    Raises:
        InputError: If there is no way to match them, or more than one.
    """
    names = {one.name for one in first} & {one.name for one in second}
    by_name = {one.name: one for one in second}
    if len(first) != len(second) or any(
        not _alike(one, by_name[one.name]) for one in first if one.name in names
    ):
        raise InputError(_misfit(file, first, second))
    rest = [one for one in first if one.name not in names]
    free = [one for one in second if one.name not in names]
    if len(rest) > _MOST:
        raise InputError(_misfit(file, first, second))
    ways = [
        way
        for way in permutations(free)
        if all(_alike(one, other) for one, other in zip(rest, way, strict=True))
    ]
    if not ways:
        raise InputError(_misfit(file, first, second))
    if len(ways) > 1:
        raise InputError(
            Fault(
                file=file,
                given=_written(second),
                problem="its inputs have other names than those of the first model "
                f"({_written(first)}), and several are of one type and shape",
                remedy="Give both models the same names for the same inputs",
            )
        )
    return {
        **{name: name for name in names},
        **{one.name: other.name for one, other in zip(rest, ways[0], strict=True)},
    }


def _alike(one: ModelInput, other: ModelInput) -> bool:
    """Whether a sample of the one can be a sample of the other, rounded to its type at most."""
    types = {one.dtype, other.dtype}
    same_type = len(types) == 1 or all(name.startswith("float") for name in types)
    axes = zip(one.shape[1:], other.shape[1:], strict=False)
    same_shape = len(one.shape) == len(other.shape) and all(
        have is None or want is None or have == want for have, want in axes
    )
    return same_type and same_shape


def _misfit(file: Path, first: Sequence[ModelInput], second: Sequence[ModelInput]) -> Fault:
    return Fault(
        file=file,
        given=_written(second),
        problem=f"does not take what the first model takes ({_written(first)})",
        remedy="Compare models that take the same samples: as many inputs, of the same types and "
        "shapes",
    )


def _written(inputs: Sequence[ModelInput]) -> str:
    return ", ".join(f"{one.name}: {one.written()}" for one in inputs)
