"""What the schemas promise beyond their types."""

from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.profile import TargetProfile
from edgedistill.core.recipe import Recipe
from edgedistill.core.verdict import Outcome, worst
from edgedistill.errors import InputError

RECIPE: dict[str, Any] = {
    "schema_version": 1,
    "name": "r",
    "data": {"source": "sklearn:digits"},
    "teacher": {"source": "builtin:mlp", "train": {"epochs": 3}},
    "stages": {"prune": {"macs_ratio": 0.5}},
    "targets": {"a": {}, "b": {"stages": {"prune": {"macs_ratio": 0.3}, "benchmark": None}}},
}

PROFILE: dict[str, Any] = {
    "schema_version": 1,
    "name": "device",
    "title": "A device",
    "machine": "aarch64",
    "runtimes": {
        "cpu": {
            "provider": "CPUExecutionProvider",
            "max_opset": 20,
            "max_ir_version": 10,
            "precisions": ["fp32"],
            "default_precision": "fp32",
            "source": "data sheet",
        }
    },
    "default_runtime": "cpu",
}


def test_a_targets_own_stages_are_laid_over_the_recipes() -> None:
    recipe = Recipe.read(RECIPE, file="r")
    own = recipe.stages_for("b")
    assert recipe.stages_for("a") == recipe.stages
    assert own.prune is not None
    assert own.prune.macs_ratio == 0.3
    assert own.benchmark is None
    assert own.distill == recipe.stages.distill


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"targets": {}}, "targets"),
        ({"name": "../escape"}, "name"),
        ({"schema_version": 2}, "schema_version"),
        ({"data": {"source": "x", "augmentation": {"views": 2}}}, "more than one view"),
        ({"data": {"source": "x", "augmentation": {"shift_pixels": 1}}}, "more than one view"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Recipe.read({**RECIPE, **changes}, file="r")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"default_runtime": "gpu"}, "is not one of runtimes"),
        ({"name": "Has Spaces"}, "name"),
        (
            {"runtimes": {"cpu": {**PROFILE["runtimes"]["cpu"], "precisions": ["fp32", "int8"]}}},
            "a scheme under int8 belong together",
        ),
        (
            {"runtimes": {"cpu": {**PROFILE["runtimes"]["cpu"], "default_precision": "int8"}}},
            "default_precision is not one of precisions",
        ),
    ],
)
def test_a_profile_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    TargetProfile.read(PROFILE, file="p")
    with pytest.raises(InputError, match=words):
        TargetProfile.read({**PROFILE, **changes}, file="p")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"kind": "image", "layout": "nchw"}, "an image needs color and layout"),
        ({"kind": "image", "color": "rgb"}, "an image needs color and layout"),
        ({"kind": "array", "color": "rgb"}, "are for images"),
        ({"std": [0.0]}, "std must be above zero"),
        ({"std": [1e-50]}, "std must be above zero"),
        ({"scale": 1e-50}, "scale"),
        ({"kind": "image", "color": "rgb", "layout": "nchw", "resize": [0, 8]}, "is not a size"),
        (
            {
                "kind": "image",
                "color": "rgb",
                "layout": "nchw",
                "resize": [8, 8],
                "center_crop": [9, 4],
            },
            "is larger than the picture",
        ),
        ({"mean": [0, 0, 0], "std": [1, 1]}, "mean and std differ in length"),
    ],
)
def test_preprocessing_that_cannot_be_done_is_refused(document: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Preprocessing.read(document, file="p")


def test_an_interval_holds_its_value() -> None:
    assert counted(3, "counted").low == 3
    with pytest.raises(ValueError, match="the interval does not hold the value"):
        Quantity(
            value=3,
            low=1,
            high=2,
            confidence=0.95,
            evidence=Evidence.ESTIMATED,
            samples=1,
            method="none",
        )


def test_fail_weighs_more_than_unjudged_and_that_more_than_pass() -> None:
    assert worst([Outcome.PASS, Outcome.UNJUDGED, Outcome.FAIL]) is Outcome.FAIL
    assert [outcome.exit_code for outcome in Outcome] == [0, 1, 3]
