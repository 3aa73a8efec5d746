"""Strict models: a document says everything it means or is refused, with all faults at once."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails


class Strict(BaseModel):
    """A frozen model that refuses unknown keys, NaN, infinity and silent conversions."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @classmethod
    def read(cls, document: Any, *, file: str | Path) -> Self:
        """Validates a parsed document.

        Args:
            document: What a YAML or JSON reader gave: mappings, lists and plain values.
            file: Where it came from, for the error.

        Raises:
            InputError: With one fault for each thing wrong in the document.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            faults = [_fault(cls, item, file) for item in error.errors()]
            raise InputError(*faults) from error


def plain(model: BaseModel) -> dict[str, Any]:
    """The model as mappings, lists and plain values, as JSON would hold it."""
    return model.model_dump(mode="json")


_PROBLEMS = {
    "missing": ("is missing", "Add it"),
    "finite_number": ("is not a finite number", "Give a finite number"),
    "bool_type": ("is not true or false", "Give true or false"),
    "bool_parsing": ("is not true or false", "Give true or false"),
    "int_type": ("is not a whole number", "Give a whole number"),
    "int_from_float": ("is not a whole number", "Give a whole number"),
    "int_parsing": ("is not a whole number", "Give a whole number"),
    "float_type": ("is not a number", "Give a number"),
    "float_parsing": ("is not a number", "Give a number"),
    "string_type": ("is not text", "Give text (in quotes if it looks like a number)"),
    "model_type": ("is not a mapping", "Give keys and values"),
    "dict_type": ("is not a mapping", "Give keys and values"),
    "list_type": ("is not a list", "Give a list"),
}


def _fault(model: type[BaseModel], item: ErrorDetails, file: str | Path) -> Fault:
    location = [part for part in item["loc"] if not _is_union_tag(part)]
    field = ".".join(str(part) for part in location) or "(whole file)"
    given = _shorten(item["input"])
    kind = item["type"]
    if kind == "extra_forbidden":
        known = sorted(_known_keys(model, location[:-1]))
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        remedy = f"Did you mean '{close[0]}'?" if close else f"Known keys: {', '.join(known)}"
        return Fault(
            file=file, field=field, given=given, problem="is not a known key", remedy=remedy
        )
    if kind == "missing":
        return Fault(file=file, field=field, problem="is missing", remedy="Add it")
    if kind in _PROBLEMS:
        problem, remedy = _PROBLEMS[kind]
    else:
        message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
        problem, _, remedy = message.partition(". ")
        remedy = remedy or "Change it"
    return Fault(file=file, field=field, given=given, problem=problem, remedy=remedy)


def _is_union_tag(part: int | str) -> bool:
    return isinstance(part, str) and (part.startswith("function-") or "[" in part)


def _shorten(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _known_keys(model: type[BaseModel], location: list[int | str]) -> set[str]:
    models: list[type[BaseModel]] = [model]
    for part in location:
        deeper: list[type[BaseModel]] = []
        for candidate in models:
            info = candidate.model_fields.get(str(part))
            if info is not None:
                deeper.extend(_models_in(info.annotation))
        models = deeper or models
    return {key for candidate in models for key in candidate.model_fields}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The base document with the changes laid over it, mapping by mapping.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    """
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged
