"""`edgedistill compress`: the main job."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("recipe", required=False, type=click.Path(path_type=Path))
@click.option("--example", metavar="NAME", help="Run a recipe that ships with edgedistill.")
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Only this target.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; runs/NAME if absent.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a key.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="KEY=VALUE,...",
    help="Make one student of each value, for instance student.width=0.25,0.5,1 (relative to the "
    "student's own width; a whole number above 1 is the width itself) or student.args.depth=1,2. "
    "Several sweeps make every combination.",
)
@click.option("--measure-again", is_flag=True, help="Take new latency samples.")
@click.option("--dry-run", is_flag=True, help="Print the plan as a tree and run no step.")
def compress(  # noqa: PLR0913  # one for each option
    recipe: Path | None,
    example: str | None,
    targets: tuple[str, ...],
    out: Path | None,
    settings: tuple[str, ...],
    sweeps: tuple[str, ...],
    measure_again: bool,
    dry_run: bool,
) -> None:
    """Compress a network for its targets, as RECIPE says.

    Runs what is missing in the run folder and takes what is finished there: a run that was
    stopped or killed goes on where it was. Exits 0 when the run is complete; only `gate` speaks
    of budgets by exit code.
    """
    import edgedistill
    from edgedistill.cli.console import progress
    from edgedistill.render.table import show_reports

    if (recipe is None) == (example is None):
        raise click.UsageError("Give a RECIPE file or --example NAME, not both and not neither.")
    if example is not None:
        from edgedistill.examples import example_path

        recipe = example_path(example)
    assert recipe is not None
    resolved = edgedistill.read_recipe(recipe, settings=settings, sweeps=sweeps, targets=targets)
    folder = out or Path("runs") / resolved.recipe.name
    if dry_run:
        click.echo(f"{resolved.recipe.name} in {folder}")
        lines = edgedistill.plan_lines(resolved, out=folder, progress=progress())
        click.echo("\n".join(lines))
        return
    try:
        run = edgedistill.run_recipe(
            resolved, out=folder, measure_again=measure_again, progress=progress()
        )
    except KeyboardInterrupt:
        click.echo(
            f"\nStopped. Finished steps are kept in {folder}; go on with the same command.",
            err=True,
        )
        raise
    if run.rank:
        return
    if not run.steps_made:
        click.echo(f"Nothing to do: all {run.steps_reused} steps are stored in {folder}.")
    show_reports(zip(run.reports.values(), run.gate().verdicts, strict=True), sys.stdout)
    for name in run.reports:
        click.echo(f"{name}: {run.model(name)}")
