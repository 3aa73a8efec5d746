"""How pruned networks came by their widths, as Markdown: the front, the choice and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.escaping import table, told
from edgedistill.units import format_count, format_percent

if TYPE_CHECKING:
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.pruned import Candidate, Pruned
    from edgedistill.core.report import Report

_MOST_ROWS = 16


def pruning_sections(report: Report) -> list[str]:
    """The search for widths of each network that was pruned; nothing where none was."""
    if not report.pruning:
        return []
    sections = ["## How it came by its widths"]
    for search in report.pruning:
        sections += _search(search, report, several=len(report.pruning) > 1)
    return sections


def _search(search: Pruned, report: Report, *, several: bool) -> list[str]:
    who = f"{told(search.student)}: " if several else ""
    taken = search.taken
    reached = "reached" if search.reached else "the nearest found"
    head = ("Network", "Cost", "As", "Importance kept", "MACs", "Accuracy before recovery")
    rows = [
        _row(_name(place, search), search.candidates[place], search.unit)
        for place in _shown(search)
    ]
    changed = _changed(search)
    return [
        f"{who}Asked was `{search.goal}` {search.asked:g}, {reached}: "
        f"{_cost(taken.cost, search.unit)}, {format_percent(_share(search))} of the unpruned "
        f"network's {_cost(search.unpruned, search.unit)}. {told(_sentence(search.reason))}.",
        table(head, rows),
        f"{len(search.candidates)} networks were priced; shown are those on the front, which no "
        "cheaper one matches in kept importance. Kept importance is the geometric mean over all "
        f"parts of the share that stays. {told(_sentence(taken.cost.method))}.",
        *([f"Units left: {told(changed)}."] if changed else []),
        *_shipped(search, report),
    ]


def _sentence(text: str) -> str:
    """The text as a sentence begins."""
    return text[:1].upper() + text[1:]


def _row(name: str, one: Candidate, unit: str) -> tuple[str, ...]:
    accuracy = figures.ABSENT if one.accuracy is None else format_percent(one.accuracy)
    return (
        name,
        _cost(one.cost, unit),
        told(one.form),
        format_percent(one.kept_importance),
        format_count(one.macs),
        accuracy,
    )


def _name(place: int, search: Pruned) -> str:
    if place == search.chosen:
        return f"**{place + 1}, taken**"
    if place == search.wider:
        return f"{place + 1}, next wider"
    if place == search.narrower:
        return f"{place + 1}, next narrower"
    return f"{place + 1}"


def _shown(search: Pruned) -> list[int]:
    """The front with the choice and its neighbours; of a long front those nearest the choice."""
    named = {search.chosen, search.wider, search.narrower} - {None}
    front = [place for place, one in enumerate(search.candidates) if one.on_front]
    front.sort(key=lambda place: (abs(place - search.chosen), place))
    return sorted({place for place in (*named, *front[:_MOST_ROWS]) if place is not None})


def _cost(cost: Quantity, unit: str) -> str:
    if unit == "ms":
        return figures.milliseconds(cost)
    if unit == "MB":
        return figures.megabytes(cost)
    return f"{format_count(cost.value)} {unit}"


def _share(search: Pruned) -> float:
    return search.taken.cost.value / search.unpruned.value


def _changed(search: Pruned) -> str:
    """The parts that were narrowed."""
    return ", ".join(
        f"{layer} {kept} of {search.units[layer]}"
        for layer, kept in search.taken.widths.items()
        if kept < search.units[layer]
    )


def _shipped(search: Pruned, report: Report) -> list[str]:
    """What became of it in the model that ships, where that is pruned and the cost was searched."""
    counts = search.unit in ("MACs", "parameters")
    other = report.choice.student not in (None, search.student)
    if counts or other or report.choice.step not in ("pruned", "fp16", "int8"):
        return []
    row = report.shipped()
    figure = {
        "target_latency_ms": row.latency.p50_ms if row.latency else None,
        "max_size_mb": row.size_mb,
        "max_peak_memory_mb": row.peak_memory_mb,
    }.get(search.goal)
    lines = []
    if figure is not None:
        share = format_percent(figure.value / search.limit)
        lines.append(f"As it ships: {_cost(figure, search.unit)}, {share} of what was asked.")
    ships = str(report.choice.variant or row.precision)
    if ships.removesuffix("-tuned") != search.taken.form:
        lines.append(
            f"**It ships as {told(ships)}, but its cost was searched for as "
            f"{told(search.taken.form)}**: what was asked need not hold. Why it ships so stands "
            "below."
        )
    return lines
