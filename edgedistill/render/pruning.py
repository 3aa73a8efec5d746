"""How pruned networks came by their widths, as Markdown: the front, the choice and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.escaping import table, told
from edgedistill.render.wording import sentence
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
    head = ("Network", "Cost", "As", "Importance kept", "MACs", "Accuracy before recovery")
    rows = [
        _row(_name(place, search), search.candidates[place], search.unit)
        for place in shown_places(search)
    ]
    sentences = (units_left(search), cost_as_it_ships(search, report))
    other_form = ships_in_another_form(search, report)
    return [
        f"{who}Asked was `{search.goal}` {search.asked:g}, {told(what_was_found(search))}",
        table(head, rows),
        told(what_is_shown(search)),
        *(told(sentence) for sentence in sentences if sentence),
        *([f"**{told(other_form[0])}**: {told(other_form[1])}"] if other_form else []),
    ]


def what_was_found(search: Pruned) -> str:
    """Whether the goal was reached, at which cost and why so, as plain text."""
    reached = "reached" if search.reached else "the nearest found"
    return (
        f"{reached}: {goal_cost(search.taken.cost, search.unit)}, "
        f"{format_percent(_share(search))} of the unpruned network's "
        f"{goal_cost(search.unpruned, search.unit)}. {sentence(search.reason)}."
    )


def what_is_shown(search: Pruned) -> str:
    """Which networks are shown and what their columns mean, as plain text."""
    return (
        f"{len(search.candidates)} networks were priced; shown are those on the front, which no "
        "cheaper one matches in kept importance. Kept importance is the geometric mean over all "
        f"parts of the share that stays. {sentence(search.taken.cost.method)}."
    )


def _row(name: str, one: Candidate, unit: str) -> tuple[str, ...]:
    accuracy = figures.ABSENT if one.accuracy is None else format_percent(one.accuracy)
    return (
        name,
        goal_cost(one.cost, unit),
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


def shown_places(search: Pruned) -> list[int]:
    """The front with the choice and its neighbours; of a long front those nearest the choice."""
    named = {search.chosen, search.wider, search.narrower} - {None}
    front = [place for place, one in enumerate(search.candidates) if one.on_front]
    front.sort(key=lambda place: (abs(place - search.chosen), place))
    return sorted({place for place in (*named, *front[:_MOST_ROWS]) if place is not None})


def goal_cost(cost: Quantity, unit: str) -> str:
    """A cost in the unit of its goal."""
    if unit == "ms":
        return figures.milliseconds(cost)
    if unit == "MB":
        return figures.megabytes(cost)
    return f"{format_count(cost.value)} {unit}"


def _share(search: Pruned) -> float:
    return search.taken.cost.value / search.unpruned.value


def units_left(search: Pruned) -> str:
    """The parts that were narrowed, as plain text; empty where none was."""
    changed = ", ".join(
        f"{layer} {kept} of {search.units[layer]}"
        for layer, kept in search.taken.widths.items()
        if kept < search.units[layer]
    )
    return f"Units left: {changed}." if changed else ""


def cost_as_it_ships(search: Pruned, report: Report) -> str:
    """What became of the cost in the model that ships, as plain text; empty where unknown."""
    row = report.shipped()
    figure = {
        "target_latency_ms": row.latency.p50_ms if row.latency else None,
        "max_size_mb": row.size_mb,
        "max_peak_memory_mb": row.peak_memory_mb,
    }.get(search.goal)
    if figure is None or not _ships(search, report):
        return ""
    share = format_percent(figure.value / search.limit)
    return f"As it ships: {goal_cost(figure, search.unit)}, {share} of what was asked."


def ships_in_another_form(search: Pruned, report: Report) -> tuple[str, str] | None:
    """A warning and what it means, as plain text, where the cost was searched for another form."""
    ships = str(report.choice.variant or report.shipped().precision)
    if not _ships(search, report) or ships.removesuffix("-tuned") == search.taken.form:
        return None
    return (
        f"It ships as {ships}, but its cost was searched for as {search.taken.form}",
        "what was asked need not hold. Why it ships so is told with the candidates.",
    )


def _ships(search: Pruned, report: Report) -> bool:
    """Whether what ships was pruned by this search, for a cost that depends on its form."""
    counts = search.unit in ("MACs", "parameters")
    other = report.choice.student not in (None, search.student)
    return not counts and not other and report.choice.step in ("pruned", "fp16", "int8")
