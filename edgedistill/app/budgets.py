"""A budgets file over the reports of a gate: every target of either has to be in the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.core.budgets_document import budgets_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from edgedistill.core.budgets_document import Budgets
    from edgedistill.gate.case import Case


def read_budgets(path: str | Path) -> Budgets:
    """Reads a budgets file.

    Raises:
        InputError: If it is missing, no YAML, or holds something wrong; all faults at once.
    """
    from edgedistill.catalog.yaml_file import read_yaml  # only a gate with such a file needs YAML

    return budgets_of(read_yaml(Path(path)), file=path)


def under_budgets(
    cases: Sequence[Case], budgets: Budgets, *, file: str | Path, told: Collection[str]
) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """The targets with the limits of a budgets file in place of their reports' own.

    Args:
        cases: The targets as their reports tell them.
        budgets: What is asked.
        file: Where it stands, for the doubts.
        told: Targets of which there is a report that could not be judged; a doubt tells why.

    Returns:
        The targets that have limits, and doubts: a target with a report and no limits, and one
        with limits and no report.
    """
    kept = tuple(
        replace(case, bounds=budgets.targets[case.figures.target])
        for case in cases
        if case.figures.target in budgets.targets
    )
    doubts = [
        f"{case.file or case.figures.target}: {file} has no limits for {case.figures.target}. Add "
        f"targets.{case.figures.target} to it, or leave out this report"
        for case in cases
        if case.figures.target not in budgets.targets
    ]
    given = {case.figures.target for case in cases} | set(told)
    doubts += [
        f"{target}: {file} has limits for {target}, and no report of it was given. Give the report "
        f"of {target}, or take targets.{target} out"
        for target in budgets.targets
        if target not in given
    ]
    return kept, tuple(doubts)
