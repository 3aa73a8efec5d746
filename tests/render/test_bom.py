from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from edgedistill.core.manifest import GivenFile
from edgedistill.core.model_facts import ModelFacts, Tensor
from edgedistill.render.bom import Ingredients, bill_of_materials

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.report import Report

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
HOSTILE = "x\n<script>alert(1)</script>\x1b[2J\u202e\x85 \u2028 ]]> &amp; ../.."


def ingredients(**changes: Any) -> Ingredients:
    facts: dict[str, Any] = {
        "teacher": ("builtin:residual-cnn",),
        "student": "builtin:dense",
        "base_models": (),
        "dataset": "digits",
        "inputs": (Tensor("input", "float32", ("batch", 4)),),
        "outputs": (Tensor("logits", "float32", ("batch", 2)),),
        "sample_shape": (4,),
    }
    given = changes.pop("given", ())
    licences = changes.pop("licences", {})
    return Ingredients(
        facts=ModelFacts(**(facts | changes)),
        given=given,
        licences=licences,
        card_sha256="e" * 64,
    )


def valid(text: str) -> dict[str, Any]:
    """The document, which the schema of CycloneDX accepts, and which its library reads."""
    fault = VALIDATOR.validate_str(text)
    assert fault is None, fault
    document: dict[str, Any] = json.loads(text)
    assert Bom.from_json(document) is not None  # type: ignore[attr-defined]
    return document


def properties(component: dict[str, Any]) -> dict[str, str]:
    return {
        one["name"].removeprefix("edgedistill:"): one["value"] for one in component["properties"]
    }


def by_ref(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {one["bom-ref"]: one for one in document["components"]}
    return found | {"model": document["metadata"]["component"]}


def test_the_model_the_teacher_and_the_data_are_in_the_bill(
    make_report: Callable[..., Report],
) -> None:
    report = make_report()
    found = by_ref(valid(bill_of_materials(report, ingredients())))
    assert found["model"]["type"] == found["teacher"]["type"] == "machine-learning-model"
    assert found["data"]["type"] == "data"
    assert found["model"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert found["model"]["externalReferences"] == [
        {
            "type": "model-card",
            "url": "model-card.md",
            "hashes": [{"alg": "SHA-256", "content": "e" * 64}],
        }
    ]
    assert properties(found["data"])["data:sha256"] == "c" * 64
    assert found["library-onnxruntime"]["purl"] == "pkg:pypi/onnxruntime@1.31.1"


def test_every_figure_of_the_model_is_there_with_its_interval_and_evidence(
    make_report: Callable[..., Report],
) -> None:
    report = make_report()
    shipped = report.shipped()
    assert shipped.latency is not None
    told = properties(by_ref(valid(bill_of_materials(report, ingredients())))["model"])
    figures = {
        "validation_accuracy": shipped.accuracy,
        "test_accuracy": shipped.test_accuracy,
        "latency_p50_ms": shipped.latency.p50_ms,
        "size_mb": shipped.size_mb,
    }
    for key, figure in figures.items():
        assert figure is not None
        lead = f"performance:{key}"
        numbers = [float(told[f"{lead}:{part}"]) for part in ("value", "low", "high", "confidence")]
        assert numbers == [figure.value, figure.low, figure.high, figure.confidence]
        assert told[f"{lead}:evidence"] == figure.evidence.value
        assert told[f"{lead}:method"] == figure.method
    assert not any("energy" in name for name in told)  # nobody knows it


def test_the_model_depends_on_all_it_was_made_of(make_report: Callable[..., Report]) -> None:
    given = (
        GivenFile(name="w.safetensors", sha256="f" * 64, size_bytes=3, role="teacher"),
        GivenFile(name="w.safetensors", sha256="0" * 64, size_bytes=3, role="student"),
    )
    made = ingredients(given=given, base_models=("org/big", "small"))
    document = valid(bill_of_materials(make_report(), made))
    depends = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    assert set(depends["model"]) == set(by_ref(document)) - {"model"}
    assert depends["teacher"] == ["data"]
    found = by_ref(document)
    assert found["base-org/big"]["purl"] == "pkg:huggingface/org/big"
    assert found["base-small"]["purl"] == "pkg:huggingface/small"
    assert {found[f"given-{place}"]["hashes"][0]["content"] for place in (0, 1)} == {
        "f" * 64,
        "0" * 64,
    }


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("CC-BY-4.0", [{"license": {"id": "CC-BY-4.0"}}]),
        ("CC-BY-4.0 (UCI Repository)", [{"license": {"id": "CC-BY-4.0"}}]),
        ("MIT OR Apache-2.0", [{"expression": "MIT OR Apache-2.0"}]),
        ("our own terms (2026)", [{"license": {"name": "our own terms (2026)"}}]),
        (None, None),
    ],
)
def test_licences_are_told_as_spdx_where_they_are_known_there(
    make_report: Callable[..., Report], named: str | None, expected: list[Any] | None
) -> None:
    made = make_report().provenance.model_copy(update={"data_licence": named})
    document = valid(bill_of_materials(make_report(provenance=made), ingredients()))
    assert by_ref(document)["data"].get("licenses") == expected


def test_equal_content_gives_equal_bytes_and_other_content_another_serial_number(
    make_report: Callable[..., Report],
) -> None:
    one = bill_of_materials(make_report(), ingredients(licences={"onnxruntime": "MIT"}))
    assert one == bill_of_materials(make_report(), ingredients(licences={"onnxruntime": "MIT"}))
    other = bill_of_materials(make_report(), ingredients())
    serials = {valid(text)["serialNumber"] for text in (one, other)}
    assert len(serials) == 2
    assert all(UUID(serial).version == 5 for serial in serials)
    assert "timestamp" not in one


def test_a_teacher_behind_an_endpoint_has_no_hash(
    make_report: Callable[..., Report], make_asked_report: Callable[[Report], Report]
) -> None:
    report = make_asked_report(make_report())
    document = valid(bill_of_materials(report, ingredients(teacher=("big behind an endpoint",))))
    teacher = by_ref(document)["teacher"]
    assert "hashes" not in teacher
    assert teacher["name"] == "big behind an endpoint"


def test_hostile_names_stay_values(make_report: Callable[..., Report]) -> None:
    made = make_report().provenance.model_copy(
        update={"data_source": HOSTILE, "data_licence": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    )
    report = make_report(run=HOSTILE, target_title=HOSTILE, provenance=made)
    text = bill_of_materials(
        report,
        ingredients(
            teacher=(HOSTILE,),
            student=HOSTILE,
            dataset=HOSTILE,
            inputs=(Tensor(HOSTILE, "float32", (HOSTILE,)),),
            given=(GivenFile(name=HOSTILE, sha256="f" * 64, size_bytes=1, role="data"),),
            licences={HOSTILE: HOSTILE},
        ),
    )
    found = by_ref(valid(text))
    assert found["data"]["name"].startswith("x <script>alert(1)</script>\ufffd[2J\ufffd")
    assert "\\u001b" not in text
    assert "\\u202e" not in text
    assert "\\n" not in text
