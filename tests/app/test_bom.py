from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from edgedistill.app.library_licences import library_licences
from edgedistill.render.document import read_manifest
from edgedistill.store import file_sha256

if TYPE_CHECKING:
    from edgedistill import CompressionRun


def test_the_bill_of_a_run_is_valid_and_names_what_the_run_used(finished: CompressionRun) -> None:
    for target, report in finished.reports.items():
        folder = finished.folder / "targets" / target
        text = (folder / "bom.cdx.json").read_text()
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        document = json.loads(text)
        model = document["metadata"]["component"]
        assert model["hashes"][0]["content"] == file_sha256(folder / "model.onnx")
        assert model["externalReferences"][0]["hashes"][0]["content"] == file_sha256(
            folder / "model-card.md"
        )
        components = {one["bom-ref"]: one for one in document["components"]}
        teacher = folder / "waterfall" / "teacher.onnx"
        assert components["teacher"]["hashes"][0]["content"] == file_sha256(teacher)
        libraries = {
            one["name"]: one["version"]
            for one in document["components"]
            if one["type"] == "library"
        }
        versions = dict(report.provenance.versions)
        del versions["python"], versions["edgedistill"]
        assert libraries == versions
        roles = {one.path: one.role for one in read_manifest(folder / "manifest.json").files}
        assert roles["bom.cdx.json"] == "bill-of-materials"


def test_libraries_say_their_own_licence_or_nothing() -> None:
    found = library_licences(["click", "onnx", "no-such-library", "python"])
    assert found == {"click": "BSD-3-Clause", "onnx": "Apache-2.0"}
