from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

import edgedistill
from edgedistill.app.resolve import Resolved, resolve
from edgedistill.core.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill import CompressionRun

TRAIN = {"epochs": 1, "batch_size": 128, "learning_rate": 0.005}

TINY: dict[str, Any] = {
    "schema_version": 1,
    "name": "tiny",
    "threads": 1,
    "data": {
        "source": "sklearn:digits",
        "splits": {"validation": 0.2, "test": 0.2, "calibration": 32},
    },
    "teacher": {
        "source": "builtin:residual-cnn",
        "args": {"width": 16, "stages": 2},
        "train": TRAIN,
    },
    "student": {"source": "builtin:residual-cnn", "args": {"width": 16, "stages": 2}},
    "stages": {
        "distill": {"train": TRAIN},
        "prune": {"macs_ratio": 0.6, "recover": {"train": TRAIN}},
        "benchmark": {"warmup_runs": 1, "rounds": 10, "runs_per_round": 2},
    },
    "targets": {
        "host": {"budget": {"latency_p50_ms": 1000.0, "max_size_mb": 10.0}},
        "jetson-orin-nano": {"budget": {"latency_p50_ms": 1000.0}},
    },
}
"""The main job at its smallest: an epoch each, two targets with different int8 schemes."""


def change(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with dotted keys set, written with two underscores for the dot."""
    changed = copy.deepcopy(document)
    for key, value in changes.items():
        *path, last = key.split("__")
        place = changed
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return changed


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Resolved]:
    """Resolves the tiny recipe with some keys changed."""

    def make(**changes: Any) -> Resolved:
        recipe = Recipe.read(change(TINY, **changes), file="recipe.yaml")
        return resolve(recipe, file="recipe.yaml", base=tmp_path)

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> CompressionRun:
    """The tiny recipe, run once for all tests that only look at it."""
    folder = tmp_path_factory.mktemp("finished")
    resolved = resolve(Recipe.read(TINY, file="recipe.yaml"), file="recipe.yaml", base=folder)
    return edgedistill.run_recipe(resolved, out=folder / "run")
