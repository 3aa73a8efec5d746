"""What is done to a raw sample before the network sees it: part of the model's contract."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgedistill.core.strict import Strict

METADATA_KEY = "edgedistill.preprocessing"
"""The key under which a model file (ONNX or safetensors) carries its preprocessing as JSON."""


_SMALLEST = 1e-30
"""What is smaller than this may be zero in float32."""


class Preprocessing(Strict):
    """From a raw sample to a network input, declared once.

    Images: decode, convert to `color`, resize, centre-crop, then `(pixel * scale - mean) / std`
    per channel, then `layout`. Arrays: `(value * scale - mean) / std` over the last raw axis.
    Texts: `tokenizer` with its special tokens, cut after `max_tokens`, filled up on the right with
    `padding_id`; `input_ids` and `attention_mask` (1 where there is a token), both int64
    [max_tokens]. Training, calibration, evaluation and the device all do just this, and the model
    file carries it under `METADATA_KEY`.
    """

    kind: Literal["image", "array", "text", "caller"] = "array"
    """image: pixels [height, width, channels]; array: any numeric array; text: one text per
    sample, turned into token numbers; caller: the inputs come ready from the caller's own code and
    are used as they are."""
    color: Literal["grey", "rgb", "bgr"] | None = None
    """Colour order of an image."""
    resize: tuple[int, int] | None = Field(default=None, strict=False)
    """[height, width] in pixels after resizing (bilinear), before cropping."""
    center_crop: tuple[int, int] | None = Field(default=None, strict=False)
    """[height, width] in pixels cut from the middle."""
    scale: float = Field(default=1.0, gt=_SMALLEST)
    """Factor on the raw value, for instance 0.00392156862745098 (1/255) for pixels."""
    mean: tuple[float, ...] = Field(default=(0.0,), strict=False, min_length=1)
    """Subtracted after scaling: one value, or one per channel."""
    std: tuple[float, ...] = Field(default=(1.0,), strict=False, min_length=1)
    """Divided by after subtracting: one value, or one per channel."""
    layout: Literal["nchw", "nhwc", "as-is"] = "as-is"
    """Order of the axes of the network's input."""
    tokenizer: str | None = None
    """Of a text: a tokenizer.json of the `tokenizers` library; in a model file's metadata the name
    of the file that travels beside the model."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Of a text: how many tokens the network takes, special ones among them."""
    padding_id: int | None = Field(default=None, ge=0)
    """Of a text: the token that fills up short ones; the tokenizer's own where absent."""
    tokenizer_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Of a text: the tokenizer file's SHA-256, filled in by the run; where given, it must be so."""
    vocabulary: int | None = Field(default=None, ge=1)
    """Of a text: how many tokens the tokenizer knows, filled in by the run; where given, it must
    be so."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(not value > _SMALLEST for value in self.std):
            raise ValueError("std must be above zero. Give the standard deviation per channel")
        self._check_sizes()
        if len(self.mean) not in (1, len(self.std)) and len(self.std) != 1:
            raise ValueError("mean and std differ in length. Give one value, or one per channel")
        if self.kind == "image" and (self.color is None or self.layout == "as-is"):
            raise ValueError("an image needs color and layout. Add color: grey|rgb|bgr and layout")
        if self.kind != "image" and (self.color or self.resize or self.center_crop):
            raise ValueError("color, resize and center_crop are for images. Set kind: image")
        self._check_text()
        return self

    def _check_text(self) -> None:
        tokens = (self.tokenizer, self.max_tokens)
        filled = (self.padding_id, self.tokenizer_sha256, self.vocabulary)
        if self.kind != "text":
            if any(value is not None for value in (*tokens, *filled)):
                raise ValueError(
                    "tokenizer, max_tokens, padding_id, tokenizer_sha256 and vocabulary are for "
                    "texts. Set kind: text"
                )
            return
        if None in tokens:
            raise ValueError("a text needs tokenizer and max_tokens. Add both")
        numeric = (self.scale, self.mean, self.std, self.layout)
        if numeric != (1.0, (0.0,), (1.0,), "as-is"):
            raise ValueError("scale, mean, std and layout are for numbers. Leave them out")

    def _check_sizes(self) -> None:
        for name, size in (("resize", self.resize), ("center_crop", self.center_crop)):
            if size is not None and min(size) < 1:
                raise ValueError(f"{name} {list(size)} is not a size. Give [height, width] above 0")
        if self.resize and self.center_crop:
            pairs = zip(self.center_crop, self.resize, strict=True)
            if any(inner > outer for inner, outer in pairs):
                raise ValueError(
                    f"center_crop {list(self.center_crop)} is larger than the picture after resize "
                    f"{list(self.resize)}. Give a smaller crop, or a larger resize"
                )
