"""`edgedistill targets`: the devices it knows."""

from __future__ import annotations

import click


@click.group()
def targets() -> None:
    """Look at target profiles."""


@targets.command("list")
def list_targets() -> None:
    """List the target profiles, one a line."""
    import edgedistill

    profiles = edgedistill.target_profiles()
    width = max(len(profile.name) for profile in profiles)
    for profile in profiles:
        click.echo(f"{profile.name:{width}}  {profile.title}")
