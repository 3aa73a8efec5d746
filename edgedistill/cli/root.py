"""The root command; its commands import what they need only when they run."""

from __future__ import annotations

import click

from edgedistill.cli.baseline import baseline
from edgedistill.cli.benchmark import benchmark
from edgedistill.cli.compare import compare
from edgedistill.cli.compress import compress
from edgedistill.cli.doctor import doctor
from edgedistill.cli.estimate import estimate
from edgedistill.cli.gate import gate
from edgedistill.cli.init import init
from edgedistill.cli.quantize import quantize
from edgedistill.cli.schema import schema
from edgedistill.cli.targets import targets
from edgedistill.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="edgedistill")
def root() -> None:
    """From an accurate network to the int8 ONNX model that fits your device, with proof.

    Exit codes: 0 done or PASS, 1 FAIL, 2 bad input, 3 UNJUDGED, 70 internal error.
    """


COMMANDS = (
    init,
    compress,
    quantize,
    benchmark,
    estimate,
    doctor,
    compare,
    gate,
    baseline,
    verify,
    targets,
    schema,
)
for command in COMMANDS:
    root.add_command(command)
