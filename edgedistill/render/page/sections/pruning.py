"""How pruned networks came by their widths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render import figures
from edgedistill.render.page.blocks import (
    Cell,
    Column,
    Paragraph,
    Plot,
    Plots,
    Section,
    Table,
    TableRow,
    figure,
    text,
)
from edgedistill.render.page.plots.pruning import pruning_plot
from edgedistill.render.pruning import (
    cost_as_it_ships,
    goal_cost,
    ships_in_another_form,
    shown_places,
    units_left,
    what_is_shown,
    what_was_found,
)
from edgedistill.render.wording import sentence
from edgedistill.units import format_count, format_percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.pruned import Pruned
    from edgedistill.core.report import Report
    from edgedistill.render.page.blocks import Block

_COLUMNS = (
    Column("Network"),
    Column("Cost", figures=True),
    Column("As"),
    Column("Importance kept", figures=True),
    Column("MACs", figures=True),
    Column("Accuracy before recovery", figures=True),
)


def pruning_section(report: Report) -> Section | None:
    """The search for widths of each network that was pruned; absent where none was."""
    if not report.pruning:
        return None
    blocks: list[Block] = []
    for place, search in enumerate(report.pruning):
        blocks += _search(search, report, f"pruning-{place + 1}")
    return Section("pruning", "How it came by its widths", "Widths", tuple(blocks))


def _search(search: Pruned, report: Report, name: str) -> Iterator[Block]:
    several = len(report.pruning) > 1
    who = f"{search.student}: " if several else ""
    asked = f"asked was {search.goal} {search.asked:g}, {what_was_found(search)}"
    yield Paragraph(f"{who}{sentence(asked)}", lead=True)
    told = (
        f"{len(search.candidates)} pruned networks, importance kept against cost. Taken was number "
        f"{search.chosen + 1}, {goal_cost(search.taken.cost, search.unit)}, which keeps "
        f"{format_percent(search.taken.kept_importance)}. The dashed line is what was asked."
    )
    title = sentence(f"{who}importance kept against cost")
    plot = Plot(name, title, told, pruning_plot(search))
    yield Plots((plot,))
    rows = tuple(_row(search, place) for place in shown_places(search))
    caption = sentence(f"{who}networks on the front and the one that was taken")
    yield Table(caption, _COLUMNS, rows, sortable=True)
    other_form = ships_in_another_form(search, report)
    if other_form is not None:
        yield Paragraph(other_form[1], strong=f"{other_form[0]}:")
    for told in (what_is_shown(search), units_left(search), cost_as_it_ships(search, report)):
        if told:
            yield Paragraph(told)


def _row(search: Pruned, place: int) -> TableRow:
    one = search.candidates[place]
    named = {search.chosen: "taken", search.wider: "next wider", search.narrower: "next narrower"}
    accuracy = one.accuracy
    return TableRow(
        (
            Cell(f"{place + 1}", note=named.get(place, ""), sort=place),
            figure(one.cost, lambda cost: goal_cost(cost, search.unit) if cost else figures.ABSENT),
            text(one.form),
            Cell(format_percent(one.kept_importance), sort=one.kept_importance),
            Cell(format_count(one.macs), sort=one.macs),
            Cell(figures.ABSENT if accuracy is None else format_percent(accuracy), sort=accuracy),
        ),
        ships=False,
    )
