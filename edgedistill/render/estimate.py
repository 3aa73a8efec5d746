"""An estimate as a page for a person: how long, how sure, resting on what, and where it goes."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from edgedistill.core.evidence import Evidence
from edgedistill.render.columns import table
from edgedistill.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgedistill.core.estimate import Estimate
    from edgedistill.core.evidence import Quantity

WIDTH = 100
"""Columns of a page."""
_KINDS = 6
"""Kinds of operators told one by one; the rest is one line."""
_BAR = 24
"""Columns of the bar of a whole latency."""
_HEADS = ("target", "runtime", "precision", "threads", "latency", "interval", "rests on")


def estimates_page(estimates: Sequence[Estimate]) -> str:
    """One table over all estimates, then for each what it rests on and where the time goes."""
    network = estimates[0].network or "network"
    title = f"{network} · {format_count(estimates[0].macs)} multiply-accumulates"
    parts = [title, estimates_table(estimates), *(_details(one) for one in estimates)]
    return "\n\n".join(parts) + "\n"


def estimates_table(estimates: Sequence[Estimate]) -> str:
    """A line for each estimate."""
    return table([_HEADS, *(_cells(one) for one in estimates)], right=(3, 4))


def milliseconds(value_ms: float) -> str:
    """A duration with three figures.

    >>> milliseconds(123.4)
    '123 ms'
    """
    return f"{three_figures(value_ms)} ms"


def three_figures(value: float) -> str:
    """A number with three figures, or with those before its point, never with an exponent above.

    >>> three_figures(123.4), three_figures(0.01234), three_figures(12345.6)
    ('123', '0.0123', '12346')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _cells(one: Estimate) -> tuple[str, ...]:
    latency = one.latency_ms
    return (
        one.target,
        one.runtime,
        one.precision,
        str(one.threads),
        "-" if latency is None else milliseconds(latency.value),
        "-" if latency is None else _interval(latency),
        one.tier if latency is None else f"{one.tier}, n = {one.measurements}",
    )


def _interval(latency: Quantity) -> str:
    low, high = milliseconds(latency.low).removesuffix(" ms"), milliseconds(latency.high)
    return f"{low} to {high} ({100 * latency.confidence:.3g} %)"


def _details(one: Estimate) -> str:
    lines = [f"{one.target_title}, {one.runtime} in {one.precision}"]
    if one.latency_ms is None:
        return "\n".join([*lines, *_entry(f"Not estimated: {one.reason}.")])
    lines += _entry(f"How: {one.latency_ms.method}.")
    if one.error is not None:
        lines += _entry(
            f"Off on families not seen before by {one.error.mean_percent:.3g} % on average, "
            f"nine of ten by at most {one.error.p90_percent:.3g} %."
        )
    lines += _entry(f"Measured on: {_some(one.devices)}.")
    for source in one.sources:
        lines += _entry(f"Source: {source}")
    lines += _shares(one)
    for name, figure, unit in (
        ("Energy", one.energy_mj, "mJ"),
        ("Memory of one inference", one.peak_memory_mb, "MB"),
        ("Size of the file", one.size_mb, "MB"),
    ):
        if figure is not None:
            how = "" if figure.evidence is Evidence.COUNTED else f"; {figure.method}"
            lines += _entry(f"{name}: {_figure(figure, unit)}{how}.")
    return "\n".join(lines)


def _figure(figure: Quantity, unit: str) -> str:
    text = f"{three_figures(figure.value)} {unit}"
    if figure.low == figure.high:
        return text
    return f"{text} ({three_figures(figure.low)} to {three_figures(figure.high)} {unit})"


def _some(names: Sequence[str], most: int = 6) -> str:
    """Names, the first few of many.

    >>> _some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _entry(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _shares(one: Estimate) -> Iterator[str]:
    yield "  Where the time goes:"
    shown = [
        (kind.kind.value, f"{kind.operators} of them", kind.latency_ms, kind.share_fraction)
        for kind in one.by_kind[:_KINDS]
    ]
    rest = one.by_kind[_KINDS:]
    if rest:
        shown.append(
            (
                f"{len(rest)} other kinds",
                f"{sum(kind.operators for kind in rest)} of them",
                sum(kind.latency_ms for kind in rest),
                sum(kind.share_fraction for kind in rest),
            )
        )
    told = sum(share for *_, share in shown)
    assert one.latency_ms is not None
    if told < 0.999:
        whole = one.latency_ms.value
        shown.append(("start", "", whole * (1 - told), 1 - told))
    width = max(len(name) for name, *_ in shown)
    for name, count, latency_ms, share in shown:
        bar = "█" * round(_BAR * share)
        yield (
            f"    {name:{width}}  {100 * share:5.1f} %  {milliseconds(latency_ms):>9}  "
            f"{bar:{_BAR}}  {count}"
        ).rstrip()
