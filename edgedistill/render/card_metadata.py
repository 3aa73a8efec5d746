"""The head of a model card: metadata as the Hugging Face hub reads it.

The keys are those of https://github.com/huggingface/hub-docs/blob/main/modelcard.md. What is not
known is left out: a licence is never guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from edgedistill.catalog.yaml_file import yaml_text
from edgedistill.render.escaping import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.evidence import Quantity
    from edgedistill.core.model_facts import ModelFacts
    from edgedistill.core.report import Report

_TASKS = {"image": "image-classification", "text": "text-classification"}
"""By kind of preprocessing; arrays may be anything, so the hub's task is not sure for them."""


def metadata(report: Report, facts: ModelFacts) -> str:
    """The metadata as YAML, between the two lines that fence it."""
    task = _TASKS.get(str(report.preprocessing.get("kind")))
    document: dict[str, Any] = {
        "library_name": "onnx",
        **({"pipeline_tag": task} if task else {}),
        "tags": list(dict.fromkeys(_tags(report))),
        "datasets": [_id(facts.dataset)],
        "metrics": ["accuracy"],
        **({"base_model": list(facts.base_models)} if facts.base_models else {}),
        "model-index": [{"name": _id(report.run), "results": list(_results(report, facts, task))}],
    }
    return f"---\n{yaml_text(document)}---\n"


def _tags(report: Report) -> Iterator[str]:
    shipped = report.shipped()
    yield from ("edgedistill", "onnx", "onnxruntime", "edge")
    if any(row.step == "distilled" for row in report.rows):
        yield "knowledge-distillation"
    if report.pruning or any(row.step == "pruned" for row in report.rows):
        yield "pruning"
    if shipped.precision in ("int8", "fp16"):
        yield "quantized"
    yield str(shipped.precision)
    yield _id(report.target)


def _results(report: Report, facts: ModelFacts, task: str | None) -> Iterator[dict[str, Any]]:
    shipped = report.shipped()
    splits = {"validation": shipped.accuracy, "test": shipped.test_accuracy}
    for split, figure in splits.items():
        if figure is not None:
            yield {
                "task": {"type": task or "other", "name": "Classification"},
                "dataset": {
                    "type": _id(facts.dataset),
                    "name": visible(report.provenance.data_source),
                    "split": split,
                    "revision": report.provenance.data_sha256,
                },
                "metrics": [_metric(figure, split)],
            }


def _metric(figure: Quantity, split: str) -> dict[str, Any]:
    decides = "chose the model" if split == "validation" else "decided nothing"
    return {
        "type": "accuracy",
        "value": figure.value,
        "name": f"Accuracy on the {split} split, which {decides}",
        "args": {
            "low": figure.low,
            "high": figure.high,
            "confidence": figure.confidence,
            "samples": figure.samples,
            "evidence": figure.evidence.value,
            "method": visible(figure.method),
        },
    }


def _id(name: str) -> str:
    """A name as far as an id on the hub may hold it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:96] or "unnamed"
