"""The command line: maps every ending to an exit code and nothing else.

0 done or PASS, 1 FAIL, 2 bad input or usage, 3 UNJUDGED, 70 internal error, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn

import click

from edgedistill.cli import root
from edgedistill.errors import EdgedistillError

_USAGE = 2
_INTERNAL = 70
_STOPPED = 130


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line and exits."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
        code = root.main(args=arguments, prog_name="edgedistill", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return _USAGE
    except (KeyboardInterrupt, click.Abort):
        return _STOPPED
    except EdgedistillError as error:
        click.echo(f"edgedistill: {error}", err=True)
        return error.exit_code
    except Exception:  # noqa: BLE001  # Python's own exit code 1 would read as FAIL
        traceback.print_exc()
        click.echo("edgedistill: internal error; please report the lines above", err=True)
        return _INTERNAL
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
