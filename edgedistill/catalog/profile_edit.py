"""A profile with fitted costs put in, and every line and comment that a person wrote kept."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from edgedistill.catalog.yaml_file import parse_yaml, read_yaml
from edgedistill.core.profile import TargetProfile
from edgedistill.core.strict import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.core.fitted import FittedCost
    from edgedistill.core.profile import Precision

_WIDTH = 96


def with_costs(
    file: Path, *, name: str, costs: Mapping[tuple[str, Precision], FittedCost]
) -> tuple[str, TargetProfile]:
    """The text of a profile with other costs and another name, and the profile it stands for.

    Args:
        file: The profile that it is made from.
        name: What the new one is called.
        costs: By the name of a runtime and a precision.

    Raises:
        InputError: If the file is not a valid profile.
    """
    TargetProfile.read(read_yaml(file), file=file)
    yaml = _round_trip()
    document = yaml.load(file.read_text(encoding="utf-8-sig"))
    document["name"] = name
    for (runtime, precision), cost in costs.items():
        section = next(
            document[key]
            for key in ("runtimes", "converted_runtimes")
            if runtime in document.get(key, {})
        )
        entry = section[runtime]
        if "cost" not in entry:
            # before the last key: a comment behind it belongs to what follows the runtime
            entry.insert(len(entry) - 1, "cost", {})
        entry["cost"][precision] = _written(plain(cost))
    stream = StringIO()
    yaml.dump(document, stream)
    text = stream.getvalue()
    return text, TargetProfile.read(parse_yaml(text, file=file), file=file)


def _round_trip() -> Any:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _written(value: Any) -> Any:
    """What is absent or empty is left out."""
    if isinstance(value, dict):
        parts = {key: _written(item) for key, item in value.items()}
        return {key: item for key, item in parts.items() if item not in (None, [], {})}
    if isinstance(value, list):
        items = CommentedSeq(_written(item) for item in value)
        if all(isinstance(item, int) for item in items):
            items.fa.set_flow_style()  # [1, 4], as a person would write it
        return items
    return value
