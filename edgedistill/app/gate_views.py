"""The gate's result for those who read it: a document, JUnit XML, GitHub, a log."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.core.gate_document import CheckRecord, GateDocument, TargetRecord
from edgedistill.core.verdict import Outcome
from edgedistill.errors import Fault, InputError
from edgedistill.render.gate_json import gate_json
from edgedistill.render.gate_text import gate_text
from edgedistill.render.github import commands, inert, summary
from edgedistill.render.junit import junit_xml
from edgedistill.store import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.app.outcome import GateResult
    from edgedistill.core.verdict import Check

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
"""Names the file that GitHub shows as the job's summary."""


def gate_document(result: GateResult | InputError) -> GateDocument:
    """A gate's result as a document.

    Args:
        result: What `judge` returned, or the error with which it refused its input: a document
            with exit code 2, so that what a CI server shows is never that of an earlier run.
    """
    if isinstance(result, InputError):
        return GateDocument(
            outcome=Outcome.UNJUDGED,
            exit_code=2,
            targets=(),
            doubts=tuple(_storable(str(fault)) for fault in result.faults),
        )
    targets = tuple(
        TargetRecord(
            run=_storable(verdict.run),
            target=_storable(verdict.target),
            file=None if verdict.file is None else _storable(verdict.file),
            outcome=verdict.outcome,
            checks=tuple(map(_record, verdict.checks)),
        )
        for verdict in result.verdicts
    )
    return GateDocument(
        outcome=result.outcome,
        exit_code=result.outcome.exit_code,
        warnings=sum(check.warned for target in targets for check in target.checks),
        confidence=result.confidence,
        targets=targets,
        doubts=tuple(map(_storable, result.doubts)),
    )


def tell_gate(
    result: GateResult | InputError,
    *,
    junit: str | Path | None = None,
    json_file: str | Path | None = None,
    github: Mapping[str, str] | None = None,
) -> str:
    """Writes a gate's result where CI servers look for it, and gives what to print.

    Each file appears whole or not at all, whatever the outcome.

    Args:
        result: What `judge` returned, or the error with which it refused its input.
        junit: Where to write JUnit XML.
        json_file: Where to write the result as JSON (`edgedistill schema gate`).
        github: The job's environment variables where GitHub runs it: adds annotations, and
            appends to the job's summary where GITHUB_STEP_SUMMARY names its file.

    Returns:
        A line for each check, the outcome as the last one; with annotations before it.

    Raises:
        InputError: If a file cannot be written.
    """
    document = gate_document(result)
    if junit is not None:
        write_file(Path(junit), junit_xml(document))
    if json_file is not None:
        write_file(Path(json_file), gate_json(document).encode())
    text = gate_text(document)
    if github is None:
        return text
    if github.get(SUMMARY_VARIABLE):
        _append(Path(github[SUMMARY_VARIABLE]), summary(document))
    return "\n".join([*commands(document), inert(text)])


def _record(check: Check) -> CheckRecord:
    figure = check.figure
    if figure is not None:
        # One interval, the one it was judged by; the reason tells what is none.
        figure = replace(figure, wider=()) if figure.finite else None
    return CheckRecord(
        budget=check.budget,
        title=check.title,
        outcome=check.outcome,
        warned=check.warns,
        limit=check.limit if math.isfinite(check.limit) else None,
        side=check.side,
        unit="fraction" if check.unit == "%" else check.unit,
        figure=figure,
        reason=_storable(check.reason),
    )


def _storable(text: str) -> str:
    """Text that UTF-8 can hold: a file name may have bytes that are no text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise InputError(
            Fault(
                file=path,
                field=SUMMARY_VARIABLE,
                given=str(error.strerror),
                problem="the job's summary cannot be written",
                remedy="Leave the variable as GitHub sets it, or leave out --github",
            )
        ) from error
