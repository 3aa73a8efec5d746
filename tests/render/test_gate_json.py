from __future__ import annotations

from gate_documents import documents
from hypothesis import given, settings
from pydantic import TypeAdapter

from edgedistill.core.gate_document import GateDocument
from edgedistill.render.gate_json import gate_json


@given(documents)
@settings(max_examples=30, deadline=None)
def test_what_is_written_is_read_again(found: GateDocument) -> None:
    text = gate_json(found)
    assert text.endswith("}\n")
    assert TypeAdapter(GateDocument).validate_json(text, strict=True) == found
