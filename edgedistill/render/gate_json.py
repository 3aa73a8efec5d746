"""The gate's result as JSON: keys sorted, two spaces, one newline at the end."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgedistill.core.gate_document import GateDocument


def gate_json(document: GateDocument) -> str:
    """The document as canonical JSON; `edgedistill schema gate` prints its schema."""
    text = json.dumps(
        asdict(document), sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False
    )
    return text + "\n"
