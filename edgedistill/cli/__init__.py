"""The commands: each parses, makes one call into the Python API, prints and exits."""

from edgedistill.cli.root import root

__all__ = ["root"]
