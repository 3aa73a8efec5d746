"""`edgedistill gate`: budgets against reports, as an exit code."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_context
def gate(context: click.Context, runs: tuple[Path, ...]) -> None:
    """Judge finished RUNS (run folders or report.json files) against their budgets.

    PASS only if the whole interval is inside the budget (exit 0), FAIL only if it is wholly
    outside (exit 1), else UNJUDGED (exit 3), with what would settle it.
    """
    import edgedistill

    result = edgedistill.judge(*runs)
    click.echo(str(result))
    context.exit(result.outcome.exit_code)
