"""ncnn CPU on one thread: every family of every device from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from folds import held_out
from priors import NCNN

if TYPE_CHECKING:
    from rows import Published
    from table import Table


def tabulate(
    published: Published, table: Table, precisions: tuple[str, ...], bytes_per_element: float
) -> None:
    """Prints the errors on families left out.

    Args:
        published: The folder of published figures.
        table: Where the lines go.
        precisions: As the source calls them.
        bytes_per_element: Bytes of a number.
    """
    rows = published.ncnn_one_thread(precisions)
    counts = {one.device: 0 for one in rows}
    for one in rows:
        counts[one.device] += 1
    rows = [one for one in rows if counts[one.device] >= 4]
    guesses = held_out(rows, NCNN, lambda one: one.family, bytes_per_element=bytes_per_element)
    table.add(f"ncnn {'/'.join(precisions)}, one thread, families unseen", guesses)
    for name in sorted({g.measurement.family for g in guesses}):
        table.add(f"  family {name}", [g for g in guesses if g.measurement.family == name])
    for name in sorted({g.measurement.device for g in guesses}):
        table.add(f"  {name[:54]}", [g for g in guesses if g.measurement.device == name])
