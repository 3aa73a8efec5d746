"""Where samples come from, how they are prepared, split and handed to networks."""

from __future__ import annotations

from edgedistill.core.labels import UNLABELLED
from edgedistill.data.dataset import Dataset, Split
from edgedistill.data.live import live_source
from edgedistill.data.preparation import Source
from edgedistill.data.prepared import open_dataset
from edgedistill.data.sources import open_source

__all__ = [
    "UNLABELLED",
    "Dataset",
    "Source",
    "Split",
    "live_source",
    "open_dataset",
    "open_source",
]
