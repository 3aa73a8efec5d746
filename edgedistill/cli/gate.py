"""`edgedistill gate`: budgets against reports, as an exit code."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edgedistill.errors import InputError


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write JUnit XML, which CI servers show as tests, into this file.",
)
@click.option(
    "--github",
    is_flag=True,
    help="Print annotations for GitHub Actions and append to the job's summary.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every check as JSON into this file.",
)
@click.pass_context
def gate(
    context: click.Context,
    runs: tuple[Path, ...],
    *,
    junit: Path | None,
    github: bool,
    json_file: Path | None,
) -> None:
    """Judge finished RUNS (run folders or report.json files) against their budgets.

    PASS only if the whole interval is inside the budget (exit 0), FAIL only if it is wholly
    outside (exit 1), else UNJUDGED (exit 3), with what would settle it. The files are written
    whatever the outcome, also where the input is refused (exit 2).
    """
    import edgedistill

    def tell(result: edgedistill.GateResult | InputError) -> str:
        environment = os.environ if github else None
        return edgedistill.tell_gate(result, junit=junit, json_file=json_file, github=environment)

    try:
        result = edgedistill.judge(*runs)
    except InputError as error:
        if junit or json_file or github:
            click.echo(tell(error))
        raise
    click.echo(tell(result))
    context.exit(result.outcome.exit_code)
