"""What the documents promise: every key is explained, everything that ships is valid."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import edgedistill
from edgedistill.core.profile import TargetProfile
from edgedistill.core.recipe import Recipe
from edgedistill.core.strict import merge
from edgedistill.examples import example_names, example_path, template

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "edgedistill/ARCHITECTURE.md", "docker/README.md")
MACHINE_PATH = re.compile(
    r"(?<![\w./<:-])/(?:home|root|tmp|usr|opt|var|mnt|etc|work|Users)(?:/[\w.-]+)+|[A-Z]:\\\w"
)
"""A path of somebody's machine."""


def keys(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key of a JSON Schema with where it stands and what is said of it."""
    models = {schema["title"]: schema} | schema.get("$defs", {})
    for name, model in models.items():
        for key, said in model.get("properties", {}).items():
            yield f"{name}.{key}", said


def described(said: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether the key, or the model that stands there, says what it means."""
    if said.get("description"):
        return True
    choices = [said, *said.get("allOf", []), *said.get("anyOf", [])]
    references = [part["$ref"].rpartition("/")[2] for part in choices if "$ref" in part]
    return any(schema["$defs"][name].get("description") for name in references)


@pytest.mark.parametrize("kind", ["recipe", "profile", "budgets"])
def test_every_key_is_explained(kind: str) -> None:
    schema = json.loads(edgedistill.schema(kind))
    found = dict(keys(schema))
    assert len(found) > 20
    assert [key for key, said in found.items() if not described(said, schema)] == []


@pytest.mark.parametrize("name", example_names())
def test_every_example_is_a_valid_recipe_for_known_targets(name: str) -> None:
    resolved = edgedistill.read_recipe(example_path(name))
    assert resolved.recipe.name == name


def test_the_recipe_of_init_is_valid_and_names_a_schema_that_is_there(tmp_path: Path) -> None:
    files = {path.name: path for path in edgedistill.init(tmp_path / "new")}
    assert edgedistill.read_recipe(files["recipe.yaml"]).recipe.name == "my-first-run"
    named = re.search(r"\$schema=(\S+)", template())
    assert named is not None
    assert named[1] in files


def uncommented(text: str) -> dict[str, Any]:
    """The document with the keys that its comments show: `# key: value` at any depth."""
    shown = re.sub(r"^( *)# ?( *[a-z_]+:(?: [{\[\w].*)?)$", r"\1\2", text, flags=re.MULTILINE)
    document = yaml.safe_load(shown)
    assert isinstance(document, dict)
    return document


def test_the_keys_that_comments_of_the_template_show_are_valid() -> None:
    shown = uncommented(template())
    stated = yaml.safe_load(template())
    assert shown != stated
    Recipe.read(merge(stated, shown), file="template with its comments taken as keys")


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "targets").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_profile_is_valid_and_named_after_its_file(path: Path) -> None:
    profile = TargetProfile.read(yaml.safe_load(path.read_text(encoding="utf-8")), file=path)
    assert profile.name == path.stem


def test_the_profiles_that_ship_are_those_of_the_folder() -> None:
    stems = sorted(path.stem for path in (REPOSITORY / "targets").glob("*.yaml"))
    assert [profile.name for profile in edgedistill.target_profiles()] == stems


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_no_path_of_a_machine(name: str) -> None:
    assert MACHINE_PATH.findall((REPOSITORY / name).read_text(encoding="utf-8")) == []
