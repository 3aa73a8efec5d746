from __future__ import annotations

from typing import Any

import pytest
from markdown_it import MarkdownIt

from edgedistill.core.comparison import ComparedModel, ComparedSamples, Comparison
from edgedistill.core.damage import Damage, Flipped, PartDamage
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.quantized import ModelInput
from edgedistill.errors import InputError
from edgedistill.render.comparison import comparison_markdown, comparison_page

HOSTILE = "<script>alert(1)</script>\x1b[2J|**x**"
READER = MarkdownIt("commonmark", {"html": True}).enable(["table"])


def share(value: float) -> Quantity:
    return Quantity(
        value=value,
        low=value - 0.01,
        high=value + 0.01,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=200,
        method="Wilson",
    )


def model(name: str, accuracy: float | None) -> ComparedModel:
    return ComparedModel(
        name=name,
        file="x.onnx",
        sha256="a" * 64,
        inputs=(ModelInput(name="x", dtype="float32", shape=(None, 4)),),
        accuracy=None if accuracy is None else share(accuracy),
        latency=None,
        size_mb=counted(1.5, "bytes"),
        macs=None,
        parameters=None,
    )


def comparison(*, labelled: bool = True, name: str = "B", **changes: Any) -> Comparison:
    part = PartDamage(name=name, samples=9, before=share(0.9), after=share(0.8), drop=share(0.1))
    damage = Damage(
        split="given samples",
        samples=200,
        before="A",
        after=name,
        flipped=Flipped(changed=share(0.05), lost=share(0.03), gained=share(0.02)),
        classes=(part,),
        calibration_error=None,
        examples_in_all=6,
    )
    fields: dict[str, Any] = {
        "schema_version": 1,
        "target": "host",
        "target_title": "This machine",
        "runtime": "cpu",
        "models": (model("A", 0.9), model(name, 0.8))
        if labelled
        else (model("A", None), model(name, None)),
        "samples": ComparedSamples(
            source="data",
            kind="arrays",
            sha256="b" * 64,
            found=300,
            compared=200,
            labelled=labelled,
        ),
        "preprocessing": None,
        "preprocessing_from": None,
        "agreement_kind": "top-1",
        "agreement": share(0.95),
        "changed": share(0.05),
        "relative_error": 0.02,
        "accuracy_drop": share(0.1) if labelled else None,
        "damage": damage if labelled else None,
        "conditions": None,
        "notes": ("There is something to know",),
        "seed": 0,
        "versions": {"python": "3"},
    }
    return Comparison(**(fields | changes))


def test_both_views_show_the_figures_and_what_is_not_known() -> None:
    page, text = comparison_page(comparison()), comparison_markdown(comparison())
    for view in (page, text):
        assert "90.00 % (89.00 to 91.00)" in view
        assert "+10.00 points (+9.00 to +11.00)" in view
        assert "Worst class" in view
        assert "There is something to know" in view
    assert "| A | 90.00 % (89.00 to 91.00) | - | - | 1.5 MB | - |" in text
    assert "| B | 9 |" in text


def test_without_labels_nothing_is_said_of_right_and_wrong() -> None:
    text = comparison_markdown(comparison(labelled=False))
    assert "Accuracy lost" not in text
    assert "Right in A" not in text
    assert "| Other answers | 5.00 %" in text


def test_names_stay_text() -> None:
    found = comparison(name=HOSTILE, notes=(HOSTILE,))
    assert all(line.isprintable() for line in comparison_page(found).splitlines())
    html = READER.render(comparison_markdown(found))
    assert "<script>" not in html
    assert "<strong>" not in html
    assert "\x1b" not in html


@pytest.mark.parametrize("key", ["accuracy_drop", "damage"])
def test_a_document_that_contradicts_itself_is_refused(key: str) -> None:
    document = comparison().model_dump(mode="json") | {key: None}
    with pytest.raises(InputError, match="accuracy and damage are there with labels"):
        Comparison.read(document, file="compare.json")
