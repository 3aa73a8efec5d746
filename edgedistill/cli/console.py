"""How the commands speak: bars on a terminal, quiet lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgedistill.core.stage import Progress


def progress() -> Progress:
    """Bars with time left where standard error is a terminal, else one line a step."""
    from edgedistill.render.progress import LineProgress, TerminalProgress

    kind = TerminalProgress if sys.stderr.isatty() else LineProgress
    return kind(sys.stderr)
