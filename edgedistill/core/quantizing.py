"""Quantizing in a recipe: which candidates, how they are made, and what keeps their accuracy."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.attempts import TECHNIQUES, Technique
from edgedistill.core.learning import Distill, Fraction, Share, Training
from edgedistill.core.strict import Strict

CalibrationMethodName = Literal[
    "min-max",
    "moving-average",
    "exponential-average",
    "percentile",
    "entropy",
    "mean-squared-error",
]


class Quantize(Strict):
    """To int8 and what else the target runs; each is a candidate beside fp32.

    Static int8 (QDQ) in the target's schemes is calibrated on training samples.
    """

    candidates: Literal["all", "first"] = "all"
    """all: every int8 scheme of the target's profile, dynamic int8 and fp16 where the runtime runs
    them; first: the profile's first int8 scheme alone, fine-tuned if need be."""
    calibration: CalibrationMethodName = "min-max"
    """How the range of an activation follows from the calibration samples: the least and greatest
    value of all (min-max), the mean of the samples' extremes (moving-average), their exponential
    average in the order of the samples (exponential-average), all but one value in 100,000
    (percentile), the clip that loses least information (entropy), or the range that loses least
    when it is rounded (mean-squared-error)."""
    min_int8_share: Share = 0.9
    """At least this share of the heavy operators (Conv, Gemm, MatMul) must run in int8, of those
    that are not left in float on purpose."""
    methods: tuple[Technique, ...] = Field(default=TECHNIQUES, strict=False)
    """What may be tried, one after the other in order of cost, until the accuracy budget holds:
    bias-correction (in any case, for it costs the device nothing), other methods of calibration,
    equalization (of channels across layers), smoothing (of activations into weights, for
    transformers), rounding (learned, of weights) and fall-back (of single operators to float); []
    for none of them."""
    max_float_share: Fraction = 0.5
    """fall-back leaves at most this share of the multiply-accumulates in float."""
    backend: Literal["edgedistill", "onnxruntime", "optimum", "neural-compressor"] = "edgedistill"
    """Who makes the int8 file: our own placement and calibration, onnxruntime's quantize_static,
    optimum's ORTQuantizer, or neural-compressor on the torch network. What another makes is taken
    as it is (methods are not tried), and is checked, measured and judged as ours."""
    fine_tune: Distill | None = Distill(train=Training(epochs=3, learning_rate=1e-4))
    """Where no method keeps the accuracy budget in the profile's first scheme: the network learns
    once more from the teacher's answers, with its numbers rounded as the device rounds them
    (quantization-aware training), and is quantized again; one more candidate. Only in runs in which
    the network learned from answers before; null for never."""

    @model_validator(mode="after")
    def _no_rounds_of_feedback(self) -> Self:
        if self.fine_tune is not None and self.fine_tune.feedback is not None:
            raise ValueError("fine_tune has no rounds of feedback. Leave feedback out")
        return self
