"""`edgedistill targets`: the devices it knows."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def targets() -> None:
    """Look at target profiles, check them, and refine them with your measurements."""


@targets.command("list")
def list_targets() -> None:
    """List the target profiles, one a line."""
    import edgedistill

    profiles = edgedistill.target_profiles()
    width = max(len(profile.name) for profile in profiles)
    for profile in profiles:
        click.echo(f"{profile.name:{width}}  {profile.title}")


@targets.command("show")
@click.argument("name")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder of your own profiles, searched beside those that ship.",
)
def show_target(name: str, folders: tuple[Path, ...]) -> None:
    """Show one target: processors, runtimes, schemes, errors of estimates and sources.

    NAME is a profile's name, or the path of a profile of your own (.yaml).
    """
    import edgedistill
    from edgedistill.render.targets import target_page

    profile = edgedistill.target_profile(name, folders)
    click.echo(target_page(profile, edgedistill.estimate_bases(profile, folders)), nl=False)


@targets.command("fit")
@click.argument("name")
@click.option(
    "--from",
    "measurements",
    required=True,
    metavar="FILE.csv",
    type=click.Path(path_type=Path),
    help="Your measurements: model, precision, threads, latency_ms; also runtime, family.",
)
@click.option("--runtime", metavar="NAME", help="Of lines that name none; else the default one.")
@click.option(
    "--out",
    metavar="FILE.yaml",
    type=click.Path(path_type=Path),
    help="The new profile; NAME-fitted.yaml in this folder where absent.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there already.")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder of your own profiles, searched beside those that ship.",
)
def fit_target(
    name: str,
    measurements: Path,
    runtime: str | None,
    out: Path | None,
    force: bool,
    folders: tuple[Path, ...],
) -> None:
    """Refine a profile with your own measurements and write it as a new one.

    NAME is a profile's name, or the path of a profile of your own (.yaml). One measurement is
    enough to rescale the device's speed.
    """
    import edgedistill
    from edgedistill.render.target_fit import fit_page

    found = edgedistill.fit_target(
        name, measurements, runtime=runtime, out=out, force=force, folders=folders
    )
    click.echo(fit_page(found), nl=False)


@targets.command("validate")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder of your own profiles, read beside those that ship.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    help="Also write what was found to this file.",
)
def validate_targets(folders: tuple[Path, ...], json_file: Path | None) -> None:
    """Check every profile and shape: all faults at once, and how far estimates are off."""
    import json

    import edgedistill
    from edgedistill.errors import InputError
    from edgedistill.render.targets import check_page

    found = edgedistill.check_targets(folders)
    if json_file is not None:
        json_file.write_text(json.dumps(found.document(), indent=1) + "\n", encoding="utf-8")
    click.echo(check_page(found), nl=False)
    if found.faults:
        raise InputError(*found.faults)
