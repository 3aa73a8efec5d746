"""`report.html`: the report of one target as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.verdict import Outcome
from edgedistill.render.page.document import html
from edgedistill.render.page.sections.damage import damage_section
from edgedistill.render.page.sections.front import front_section
from edgedistill.render.page.sections.int8 import int8_section
from edgedistill.render.page.sections.learning import learning_section
from edgedistill.render.page.sections.provenance import conditions_section, provenance_section
from edgedistill.render.page.sections.pruning import pruning_section
from edgedistill.render.page.sections.times import times_section
from edgedistill.render.page.sections.verdict import verdict_section
from edgedistill.render.page.sections.waterfall import waterfall_section

if TYPE_CHECKING:
    from edgedistill.core.report import Report
    from edgedistill.core.verdict import Verdict

PAGE_FILE = "report.html"


def report_page(report: Report, verdict: Verdict) -> str:
    """The report of one target as one HTML file; the same bytes for the same facts."""
    sections = (
        verdict_section(report, verdict),
        front_section(report),
        waterfall_section(report),
        times_section(report),
        damage_section(report),
        int8_section(report),
        pruning_section(report),
        learning_section(report),
        conditions_section(report),
        provenance_section(report),
    )
    return html(
        "report.html.j2",
        sections=[section for section in sections if section is not None],
        report=report,
        verdict=verdict,
        summary=verdict_summary(verdict),
    )


def verdict_summary(verdict: Verdict) -> str:
    """How many of the limits are kept, in one sentence."""
    if not verdict.checks:
        return "There is nothing to judge, no budget is set."
    outcomes = [check.outcome for check in verdict.checks]
    unjudged = [check.warns for check in verdict.checks if check.outcome is Outcome.UNJUDGED]
    counts = (
        (outcomes.count(Outcome.FAIL), "broken"),
        (unjudged.count(False), "could not be judged"),
        (unjudged.count(True), "could not be judged and only warned"),
    )
    told = [f"{outcomes.count(Outcome.PASS)} of {len(outcomes)} limits kept"]
    told += [f"{count} {words}" for count, words in counts if count]
    return f"{', '.join(told)}."
