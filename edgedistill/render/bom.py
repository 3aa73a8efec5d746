"""`bom.cdx.json`: what a model is made of, as a CycloneDX 1.6 bill of materials.

Made with the library of the CycloneDX project, https://github.com/CycloneDX/cyclonedx-python-lib.
It has no model cards and no data sections yet (its release 11.12 lists both as things to do), so
figures with their intervals stand in properties, under `edgedistill:performance:`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import is_supported_id
from packageurl import PackageURL

from edgedistill.render.card import CARD_FILE
from edgedistill.render.escaping import visible
from edgedistill.render.model_quantities import model_quantities

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cyclonedx.model.license import License

    from edgedistill.core.manifest import GivenFile
    from edgedistill.core.model_facts import ModelFacts, Tensor
    from edgedistill.core.report import Report, Row

BILL_FILE = "bom.cdx.json"
_KIND = "https://cyclonedx.org/schema/bom-1.6.schema.json"
"""Stands before the content when the serial number is drawn from it."""
_OWN = ("edgedistill", "python")
"""Among the versions, but no library."""


@dataclass(frozen=True)
class Ingredients:
    """What a bill of materials says beyond the report."""

    facts: ModelFacts
    given: Sequence[GivenFile]
    """The files that the recipe names."""
    licences: Mapping[str, str]
    """Library to licence, of those that say theirs."""
    card_sha256: str
    """Of the model card beside it."""


def bill_of_materials(report: Report, ingredients: Ingredients) -> str:
    """The bill of materials of the model that ships, as canonical JSON.

    The serial number follows from the content and there is no time in it, so equal content gives
    equal bytes.
    """
    bom = Bom(serial_number=UUID(int=0))
    bom.metadata = BomMetaData(
        component=_model(report, ingredients),
        tools=ToolRepository(components=[_edgedistill(report)]),
    )
    teacher, data = _teacher(report, ingredients.facts), _data(report, ingredients.facts)
    files = [_given(place, one) for place, one in enumerate(ingredients.given)]
    bases = [_base(name) for name in ingredients.facts.base_models]
    libraries = list(_libraries(report, ingredients.licences))
    for component in (teacher, data, *files, *bases, *libraries):
        bom.components.add(component)
    assert bom.metadata.component is not None
    bom.register_dependency(bom.metadata.component, [teacher, data, *files, *bases, *libraries])
    bom.register_dependency(teacher, [data])
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"]  # the library always writes the present time
    del document["serialNumber"]
    serial = uuid5(NAMESPACE_URL, f"{_KIND}\n{_canonical(document)}")
    return _canonical({**document, "serialNumber": serial.urn})


def _canonical(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _model(report: Report, ingredients: Ingredients) -> Component:
    shipped, facts = report.shipped(), ingredients.facts
    kind = shipped.variant or shipped.precision or shipped.step
    card = ExternalReference(
        type=ExternalReferenceType.MODEL_CARD,
        url=XsUri(CARD_FILE),
        hashes=[_sha256(ingredients.card_sha256)],
    )
    student = facts.student or "the teacher itself"
    return Component(
        bom_ref="model",
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=visible(f"{report.run} for {report.target}"),
        version=str(shipped.model_sha256)[:12],
        description=visible(f"ONNX classifier, {kind}, for {report.target_title}: {student}"),
        hashes=[_sha256(str(shipped.model_sha256))],
        external_references=[card],
        properties=[
            *_performance(shipped),
            *_properties(
                {
                    "model:task": "classification",
                    "model:file": report.choice.model,
                    "model:student": student,
                    "model:inputs": "; ".join(map(_door, facts.inputs)),
                    "model:outputs": "; ".join(map(_door, facts.outputs)),
                    "model:classes": str(len(report.class_names)),
                    "model:recipe-sha256": report.provenance.recipe_sha256,
                    "model:seed": str(report.provenance.seed),
                }
            ),
        ],
    )


def _door(tensor: Tensor) -> str:
    return f"{tensor.name} {tensor.dtype} [{', '.join(map(str, tensor.shape))}]"


def _teacher(report: Report, facts: ModelFacts) -> Component:
    row = report.rows[0]
    known = [] if row.model_sha256 is None else [_sha256(row.model_sha256)]
    return Component(
        bom_ref="teacher",
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=visible(", ".join(facts.teacher)),
        version=row.model_sha256 and row.model_sha256[:12],
        description="The teacher, with the hash of its ONNX file where it has one",
        hashes=known,
        properties=list(_performance(row)),
    )


def _data(report: Report, facts: ModelFacts) -> Component:
    made = report.provenance
    return Component(
        bom_ref="data",
        type=ComponentType.DATA,
        name=visible(facts.dataset),
        version=made.data_sha256[:12],
        description="What the networks learned from and were judged on; the hash is over all "
        "samples and what was done to them, not over a file",
        licenses=_licences(made.data_licence),
        properties=list(
            _properties(
                {
                    "data:source": made.data_source,
                    "data:sha256": made.data_sha256,
                    "data:licence": made.data_licence or "unknown",
                }
            )
        ),
    )


def _given(place: int, file: GivenFile) -> Component:
    return Component(
        bom_ref=f"given-{place}",
        type=ComponentType.FILE,
        name=visible(file.name),
        description=visible(f"Given for: {file.role}"),
        hashes=[_sha256(file.sha256)],
    )


def _base(name: str) -> Component:
    """A network of the Hugging Face hub; which revision of it, the hashes of given files say."""
    namespace, _, own = name.rpartition("/")
    return Component(
        bom_ref=f"base-{name}",
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=name,
        purl=PackageURL(type="huggingface", namespace=namespace or None, name=own),
    )


def _libraries(report: Report, licences: Mapping[str, str]) -> Iterator[Component]:
    for name, version in report.provenance.versions.items():
        if name not in _OWN and version != "absent":
            yield Component(
                bom_ref=f"library-{visible(name)}",
                type=ComponentType.LIBRARY,
                name=visible(name),
                version=visible(version),
                licenses=_licences(licences.get(name)),
                purl=PackageURL(type="pypi", name=name, version=version),
            )


def _edgedistill(report: Report) -> Component:
    return Component(
        bom_ref="edgedistill",
        type=ComponentType.APPLICATION,
        name="edgedistill",
        version=visible(report.provenance.versions.get("edgedistill", "unknown")),
        licenses=_licences("Apache-2.0"),
    )


def _performance(row: Row) -> Iterator[Property]:
    for each in model_quantities(row):
        figure = each.figure
        if figure is not None:
            parts = {
                "value": repr(figure.value),
                "low": repr(figure.low),
                "high": repr(figure.high),
                "confidence": repr(figure.confidence),
                "evidence": figure.evidence.value,
                "samples": str(figure.samples),
                "method": figure.method,
            }
            lead = f"performance:{each.key}"
            yield from _properties({f"{lead}:{part}": text for part, text in parts.items()})


def _properties(values: Mapping[str, str]) -> Iterator[Property]:
    for name, value in values.items():
        yield Property(name=f"edgedistill:{name}", value=visible(value))


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _licences(named: str | None) -> list[License]:
    """As an SPDX id or expression where it is one, else by its name.

    What stands in brackets behind an id says where the licence is named, and is left out here.
    """
    text = visible(named or "")
    lead = text.partition(" (")[0]
    name = lead if is_supported_id(lead) else text
    return [LicenseFactory().make_from_string(name)] if name else []
