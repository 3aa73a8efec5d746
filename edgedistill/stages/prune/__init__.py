"""Removing whole channels and attention heads, so that a network costs less.

`levers` says what can be pruned, `search` how wide it stays, `plan` what that means for one
network; the stage does it and proves it.
"""

from __future__ import annotations

from edgedistill.stages.prune.stage import Pruning

__all__ = ["Pruning"]
