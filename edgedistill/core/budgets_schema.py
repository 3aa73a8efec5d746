"""The JSON Schema of a budgets file, for editors. The gate itself reads without it."""

from __future__ import annotations

from typing import Any

from edgedistill.core.budget import Budget
from edgedistill.core.limits import EVERY, Limit
from edgedistill.core.verdict import CONFIDENCE


def budgets_schema() -> dict[str, Any]:
    """What `core.budgets_document` takes; each limit is explained as in a recipe's budget."""
    explained = {name: field.description or "" for name, field in Budget.model_fields.items()}
    limits: dict[str, Any] = {
        name: {"description": explained[name], "anyOf": [*_written(limit), _asked(limit)]}
        for name, limit in EVERY.items()
    }
    limits["evidence"] = {
        "description": explained["evidence"],
        "enum": ["measured", "estimated"],
        "default": "measured",
    }
    return {
        "title": "Budgets",
        "description": "What a gate holds every target to.",
        "type": "object",
        "additionalProperties": False,
        "required": ["schema_version", "targets"],
        "properties": {
            "schema_version": {"description": "Version of this schema.", "const": 1},
            "confidence": {
                "description": "That all checks of the gate hold at once.",
                "type": "number",
                "exclusiveMinimum": 0,
                "exclusiveMaximum": 1,
                "default": CONFIDENCE,
            },
            "targets": {
                "description": "Profile's name to its limits; what is left out is not judged.",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"$ref": "#/$defs/Limits"},
            },
        },
        "$defs": {
            "Limits": {
                "title": "Limits",
                "description": "The limits of one target.",
                "type": "object",
                "additionalProperties": False,
                "properties": limits,
            }
        },
    }


def _written(limit: Limit) -> list[dict[str, Any]]:
    """A number, or text with the unit."""
    span = {"minimum": 0, "maximum": 1} if limit.unit == "%" else {"exclusiveMinimum": 0}
    number = r"\s*\+?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
    return [
        {"type": "number", **span},
        {"type": "string", "pattern": rf"^{number}\s*{limit.unit}\s*$"},
    ]


def _asked(limit: Limit) -> dict[str, Any]:
    """The long form of a limit."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["limit"],
        "properties": {
            "limit": {"anyOf": _written(limit)},
            "on_unjudged": {
                "description": "Whether the gate is UNJUDGED where this cannot be judged, or only "
                "warns.",
                "enum": ["fail", "warn"],
                "default": "fail",
            },
        },
    }
