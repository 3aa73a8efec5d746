from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.attempts import Attempt, Attempts
from edgedistill.core.evidence import Evidence, Quantity, counted
from edgedistill.core.opening import OpenedWith
from edgedistill.core.quantized import (
    ModelInput,
    NotMade,
    QuantizedCandidate,
    QuantizeReport,
    SamplesUsed,
    Shipped,
)
from edgedistill.core.report import Int8Check, Latency
from edgedistill.render.document import report_text
from edgedistill.render.quantized import quantize_markdown, quantize_page


def figure(value: float, low: float, high: float) -> Quantity:
    return Quantity(
        value=value,
        low=low,
        high=high,
        confidence=0.95,
        evidence=Evidence.MEASURED_ON_DEVICE,
        samples=100,
        method="a way",
    )


FP32 = QuantizedCandidate(
    name="fp32",
    file="candidates/fp32.onnx",
    precision="fp32",
    model_sha256="0" * 64,
    scheme=None,
    agreement=None,
    relative_error=None,
    broken=None,
    latency=Latency(p50_ms=figure(4.0, 3.9, 4.1), stable=True),
    size_mb=counted(2.0, "bytes"),
    int8=None,
)
INT8 = QuantizedCandidate(
    name="int8-u8s8",
    file="candidates/int8-u8s8.onnx",
    precision="int8",
    model_sha256="1" * 64,
    scheme="static U8S8, a scale per channel",
    agreement=figure(0.995, 0.98, 1.0),
    relative_error=0.034,
    broken=None,
    latency=Latency(p50_ms=figure(2.0, 1.9, 2.1), speedup=figure(2.0, 1.95, 2.05), stable=True),
    size_mb=counted(0.5, "bytes"),
    int8=Int8Check(scheme="U8S8", int8_operators=9, float_operators=1, verified="in-runtime"),
)


def report(**changes: Any) -> QuantizeReport:
    whole: dict[str, Any] = {
        "schema_version": 1,
        "model": "net.onnx",
        "model_sha256": "2" * 64,
        "target": "host",
        "target_title": "This machine",
        "runtime": "cpu",
        "inputs": (ModelInput(name="image", dtype="float32", shape=(None, 3, 8, 8)),),
        "samples": SamplesUsed(
            source="pictures",
            kind="pictures",
            sha256="3" * 64,
            found=120,
            calibration=20,
            judging=100,
        ),
        "preprocessing": {"kind": "image", "scale": 0.5, "tokenizer": None},
        "preprocessing_from": "given",
        "agreement_kind": "top-1",
        "min_agreement": 0.99,
        "candidates": (FP32, INT8),
        "not_made": (NotMade(name="int8-s8s8", reason="it gave NaN"),),
        "choice": Shipped(name="int8-u8s8", file="model.onnx", decided=True, reason="it is faster"),
        "conditions": None,
        "notes": ("There are no labels.",),
        "seed": 0,
        "versions": {},
        "steps": {},
    }
    return QuantizeReport.model_validate({**whole, **changes})


def test_the_page_names_figures_what_ships_and_what_is_missing() -> None:
    page = quantize_page(report())
    lines = page.splitlines()
    (shipped,) = [line for line in lines if line.startswith("→ int8-u8s8")]
    for cell in ("99.50 % (98.00 to 100.00)", "3.4 %", "2 ms (1.9 to 2.1)", "2.00x", "0.5 MB"):
        assert cell in shipped
    assert "Ships model.onnx (int8-u8s8): it is faster." in lines
    assert "Not made: int8-s8s8. it gave NaN" in lines
    assert "Note: There are no labels." in lines
    assert max(map(len, lines)) <= 200


def test_agreement_is_called_agreement_and_never_accuracy() -> None:
    for text in (quantize_page(report()), quantize_markdown(report())):
        assert "greement with the float model" in text
        assert "accuracy" not in text.lower()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("top-1", "both give the same class"),
        ("signal", "variance that is kept"),
        ("values", "whole numbers that are the same"),
    ],
)
def test_what_agreement_means_is_told(kind: str, words: str) -> None:
    made = report(agreement_kind=kind)
    assert words in quantize_page(made)
    assert words in quantize_markdown(made)


def test_a_choice_that_figures_did_not_decide_says_so() -> None:
    choice = Shipped(name="fp32", file="model.onnx", decided=False, reason="too close to tell")
    made = report(choice=choice)
    assert "Ships model.onnx (fp32, undecided): too close to tell." in quantize_page(made)
    assert "**Ships fp32, undecided**: too close to tell." in quantize_markdown(made)


def test_what_figures_rest_on_stands_in_the_markdown() -> None:
    text = quantize_markdown(report())
    assert "- Agreement: measured-on-device (a way)." in text
    assert "- Latency: measured-on-device (a way)." in text
    assert "Preprocessing, as whoever ran this says: kind image, scale 0.5." in text
    assert "20 of them calibrated, 100 others judged; none did both" in text


def test_a_file_that_needs_more_than_the_defaults_says_how_it_is_opened() -> None:
    options = {"trt_int8_enable": "True"}
    tensorrt = OpenedWith(
        provider="TensorrtExecutionProvider",
        threads=1,
        provider_options=options,
        graph_optimization="none",
    )
    made = report(session=tensorrt)
    told = "Open it with TensorrtExecutionProvider: trt_int8_enable=True, no graph optimization."
    assert told in quantize_page(made).splitlines()
    assert "## How to open it on This machine" in quantize_markdown(made)
    assert f"provider = ('TensorrtExecutionProvider', {options})" in quantize_markdown(made)
    for session in (None, OpenedWith(provider="CPUExecutionProvider", threads=1)):
        assert "Open it with" not in quantize_page(report(session=session))
        assert "How to open it" not in quantize_markdown(report(session=session))


def test_what_was_tried_to_keep_the_agreement_is_listed() -> None:
    plain = Attempt(
        way="plain", figure=0.9, distance=0.1, gain=None, holds=False, kept=True, detail="min-max"
    )
    better = Attempt(
        way="bias-correction", figure=0.995, distance=0.03, gain=0.095, holds=True, kept=True
    )
    attempts = Attempts(
        figure_is="agreement with the float model", tried=(plain, better), broken=None, judged=2
    )
    assert INT8.int8 is not None
    check = INT8.int8.model_copy(update={"attempts": attempts})
    text = quantize_markdown(report(candidates=(FP32, INT8.model_copy(update={"int8": check}))))
    assert "## What was tried to keep the agreement of int8-u8s8" in text
    assert "| bias-correction | 99.50 % | +9.50 points |" in text
    assert "accuracy" not in text.lower()


def test_text_of_models_and_folders_stays_text() -> None:
    bad = report(model="<script>\x1b[31m|x.onnx")
    assert "<script>" not in quantize_markdown(bad)
    assert "\x1b" not in quantize_page(bad)


def test_a_report_reads_back_as_it_was_written() -> None:
    assert QuantizeReport.model_validate_json(report_text(report())) == report()


def test_a_report_whose_choice_is_no_candidate_is_refused() -> None:
    choice = Shipped(name="fp16", file="model.onnx", decided=True, reason="x")
    with pytest.raises(ValueError, match="is no candidate"):
        report(choice=choice)
