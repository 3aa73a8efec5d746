"""`edgedistill gate`: budgets against reports, as an exit code."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edgedistill.errors import InputError


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--budgets",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A YAML file with the limits of every target, in place of those that the reports carry.",
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    type=click.Path(path_type=Path),
    help="What limits against a baseline are held against: a file or folder that `baseline` wrote, "
    "a report or a run.",
)
@click.option(
    "--baseline-model",
    "baseline_models",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A baseline's ONNX file, where it does not lie beside the baseline.",
)
@click.option(
    "--device-report",
    "device_reports",
    multiple=True,
    type=click.Path(path_type=Path),
    help="What `benchmark --device-report` wrote where the device is, of the model that is judged.",
)
@click.option(
    "--on-device",
    is_flag=True,
    help="This machine is the targets' device; refused where the machine tells otherwise.",
)
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder of your own profiles, for targets whose baseline is run again.",
)
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
def gate(  # noqa: PLR0913  # one for each option
    context: click.Context,
    runs: tuple[Path, ...],
    *,
    budgets: Path | None,
    baselines: tuple[Path, ...],
    baseline_models: tuple[Path, ...],
    device_reports: tuple[Path, ...],
    on_device: bool,
    folders: tuple[Path, ...],
    junit: Path | None,
    github: bool,
    json_file: Path | None,
) -> None:
    """Judge finished RUNS (run folders or report.json files) against their budgets.

    PASS only if the whole interval is inside the budget (exit 0), FAIL only if it is wholly
    outside (exit 1), else UNJUDGED (exit 3), with what would settle it. All checks hold together at
    95 % confidence, or that of the budgets file. A limit on latency against a baseline runs the
    baseline's model again beside the new one. The files are written whatever
    the outcome, also where the input is refused (exit 2).
    """
    import edgedistill

    def tell(result: edgedistill.GateResult | InputError) -> str:
        environment = os.environ if github else None
        return edgedistill.tell_gate(result, junit=junit, json_file=json_file, github=environment)

    inputs = edgedistill.GateInputs(
        baselines=baselines,
        baseline_models=baseline_models,
        device_reports=device_reports,
        on_device=on_device,
        folders=folders,
    )
    shown = None
    if baselines:  # a limit against a baseline's latency makes both models run
        from edgedistill.cli.console import progress

        shown = progress()
    try:
        result = edgedistill.judge(*runs, budgets=budgets, inputs=inputs, progress=shown)
    except InputError as error:
        if junit or json_file or github:
            click.echo(tell(error))
        raise
    click.echo(tell(result))
    context.exit(result.outcome.exit_code)
