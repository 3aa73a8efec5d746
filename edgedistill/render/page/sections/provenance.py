"""Under which conditions it was measured, what a reader must know, and what made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.render.page.blocks import Bullets, Facts, Paragraph, Section
from edgedistill.render.wording import condition_facts, provenance_facts

if TYPE_CHECKING:
    from edgedistill.core.report import Report
    from edgedistill.render.page.blocks import Block


def conditions_section(report: Report) -> Section:
    """Conditions of the latency measurement and the notes."""
    blocks: list[Block] = []
    if report.conditions is None:
        blocks.append(Paragraph("No latency was measured for this report."))
    else:
        blocks.append(Facts(tuple(condition_facts(report.conditions).items())))
    if report.notes:
        blocks += [Paragraph("", strong="Notes"), Bullets(report.notes)]
    return Section("conditions", "Conditions of the measurement", "Conditions", tuple(blocks))


def provenance_section(report: Report) -> Section:
    """What made this, so that it can be made again."""
    made = report.provenance
    facts = provenance_facts(report)
    inputs = {f"Input: {name}": str(what) for name, what in report.preprocessing.items()}
    blocks: tuple[Block, ...] = (
        Facts(tuple(facts.items())),
        Facts(tuple(inputs.items()), title="What is done to an input"),
        Facts(tuple(sorted(made.versions.items())), title="Versions"),
        Facts(tuple(sorted(made.steps.items())), title="Steps and their keys"),
    )
    return Section("provenance", "Provenance", "Provenance", blocks)
