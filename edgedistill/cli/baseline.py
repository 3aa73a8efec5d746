"""`edgedistill baseline`: what later models are held against, as a file to commit."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A file that ends in .json, or a folder that gets TARGET.json for each target.",
)
@click.option(
    "--with-model/--without-model",
    default=None,
    help="Keep the ONNX file beside it, which a relative limit on latency needs; else it stays as "
    "it was, without at first.",
)
@click.option(
    "--device-report",
    "device_reports",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Take the figures that were measured where the device is.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if something would change.")
@click.pass_context
def baseline(
    context: click.Context,
    runs: tuple[Path, ...],
    out: Path,
    with_model: bool | None,
    device_reports: tuple[Path, ...],
    check: bool,
) -> None:
    """Write the figures of finished RUNS as baselines, and show what changes.

    RUNS are run folders or report.json files. Commit what is written: `gate --baseline` holds later
    models against it, and version control undoes it.
    """
    import edgedistill
    from edgedistill.render.baseline import baseline_page

    changes = edgedistill.update_baselines(
        *runs, out=out, with_model=with_model, device_reports=device_reports, check=check
    )
    click.echo(baseline_page(changes, written=not check), nl=False)
    context.exit(1 if check and any(change.changes for change in changes) else 0)
