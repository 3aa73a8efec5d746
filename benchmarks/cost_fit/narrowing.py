"""How well the speed-up of a narrowed MobileNet is told, beside what its MACs promise."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from folds import Guess, balanced, estimate_s
from mlperf import board_of, width_of

from edgedistill.cost.fitting import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from table import Table

    from edgedistill.cost.fitting import Fitted, Measurement, Priors

WIDTHS = (0.75, 0.5, 0.35)


def tabulate(
    title: str,
    rows: Sequence[Measurement],
    relatives: Sequence[Measurement],
    priors: Priors,
    bytes_per_element: float,
    table: Table,
) -> None:
    """Prints one line a width, for four amounts of knowledge.

    Args:
        title: The shape's name.
        rows: Of the board in question.
        relatives: Of the same runtime on several boards, this one among them; may be empty.
        priors: Of the fit.
        bytes_per_element: Bytes of a number.
        table: Where the lines go.
    """
    board = board_of(rows[0])

    def fitted(known: Sequence[Measurement]) -> Fitted:
        return fit(balanced(known), priors, bytes_per_element=bytes_per_element)

    seen = fitted(rows)
    alone = fitted([one for one in rows if width_of(one.network) >= 1])
    narrow_unseen = None
    if len({board_of(one) for one in relatives}) > 1:
        narrow_unseen = fitted(
            [one for one in relatives if board_of(one) != board or width_of(one.network) >= 1]
        )
    for width in WIDTHS:
        of_width = _of_width(width)
        if not any(of_width(one) for one in rows):
            continue
        table.add(f"{title}, speed-up at {width}, width seen", ratios(seen, rows, of_width))
        others = fitted([one for one in rows if width_of(one.network) != width])
        table.add(f"{title}, speed-up at {width}, unseen", ratios(others, rows, of_width))
        guesses = ratios(alone, rows, of_width)
        table.add(f"{title}, speed-up at {width}, only wide seen", guesses)
        if narrow_unseen is not None:
            guesses = ratios(narrow_unseen, rows, of_width)
            table.add(f"{title}, speed-up at {width}, no narrow of the board seen", guesses)


def _of_width(width: float) -> Callable[[Measurement], bool]:
    return lambda one: width_of(one.network) == width


def ratios(
    fitted: Fitted, rows: Sequence[Measurement], asked: Callable[[Measurement], bool]
) -> list[Guess]:
    """Latency at width 1 over that of a narrow network, as if each ratio were a latency."""
    measured = {(one.device, one.network): one for one in rows}
    guesses = []
    for one in filter(asked, rows):
        wide = measured.get(
            (one.device, re.sub(r"^(\w+(?:-v\d)?)-[\d.]+-", r"\1-1.0-", one.network))
        )
        if wide is None or one.device not in fitted.scales:
            continue
        ratio = replace(one, latency_s=wide.latency_s / one.latency_s)
        estimate = estimate_s(fitted, wide) / estimate_s(fitted, one)
        guesses.append(Guess(ratio, estimate, wide.columns.macs.sum() / one.columns.macs.sum()))
    return guesses
