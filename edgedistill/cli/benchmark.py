"""`edgedistill benchmark`: latency of an ONNX file on a device."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", default="host", show_default=True, metavar="NAME", help="The device.")
@click.option(
    "--against",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Another ONNX file, interleaved with MODEL.",
)
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="Take real inputs, and measure accuracy, from this recipe's data.",
)
@click.option(
    "--on-device",
    is_flag=True,
    help="This machine is the target's device; refused where the machine tells otherwise.",
)
@click.option(
    "--memory",
    is_flag=True,
    help="Measure too how much memory an inference adds, in processes of their own.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="Run this baseline's ONNX file beside MODEL, for limits against a baseline.",
)
@click.option(
    "--baseline-model",
    type=click.Path(path_type=Path),
    help="The baseline's ONNX file, where it does not lie beside the baseline.",
)
@click.option("--rounds", default=30, show_default=True, type=click.IntRange(min=10))
@click.option("--runs-per-round", default=10, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
@click.option(
    "--device-report",
    type=click.Path(path_type=Path),
    help="Write MODEL's figures here, for a gate that runs where the device is not.",
)
def benchmark(  # noqa: PLR0913  # one for each option
    model: Path,
    target: str,
    against: tuple[Path, ...],
    recipe: Path | None,
    on_device: bool,
    memory: bool,
    baseline: Path | None,
    baseline_model: Path | None,
    rounds: int,
    runs_per_round: int,
    json_file: Path | None,
    device_report: Path | None,
) -> None:
    """Measure the latency of MODEL on a target, with interval, conditions and evidence."""
    import edgedistill
    from edgedistill.cli.console import progress

    result = edgedistill.benchmark(
        model,
        target=target,
        against=against,
        recipe=recipe,
        on_device=on_device,
        memory=memory,
        baseline=baseline,
        baseline_model=baseline_model,
        rounds=rounds,
        runs_per_round=runs_per_round,
        progress=progress(),
    )
    for line in result.lines():
        click.echo(line)
    if json_file is not None:
        result.save(json_file)
    if device_report is not None:
        result.save_device_report(device_report)
