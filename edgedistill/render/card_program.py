"""A short Python program that runs a model as its contract says: the card's example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.preprocessing import Preprocessing

if TYPE_CHECKING:
    from edgedistill.core.model_facts import ModelFacts
    from edgedistill.core.report import Report


def program(report: Report, facts: ModelFacts) -> str:
    """The program; it stands in the model's folder and needs no edgedistill.

    Text from recipes and data enters it as Python literals only, and class names are read from the
    model file, so nothing in them is run.
    """
    how = Preprocessing.read(report.preprocessing, file="preprocessing")
    prepared = {"image": _picture, "text": _text, "array": _array, "caller": _ready}[how.kind]
    imports, lines = prepared(how, facts)
    return "\n".join(
        [
            "import json",
            "",
            "import numpy as np",
            "import onnxruntime",
            *imports,
            "",
            f"session = onnxruntime.InferenceSession({report.choice.model!r})",
            "metadata = session.get_modelmeta().custom_metadata_map",
            'class_names = json.loads(metadata["edgedistill.class_names"])',
            "",
            *lines,
            "(logits,) = session.run(None, inputs)[0]",
            "print(class_names[int(logits.argmax())])",
            "",
        ]
    )


def packages(report: Report) -> str:
    """What pip installs for the program."""
    more = {"image": " pillow", "text": " tokenizers"}
    return f"numpy onnxruntime{more.get(str(report.preprocessing.get('kind')), '')}"


def _picture(how: Preprocessing, facts: ModelFacts) -> tuple[list[str], list[str]]:
    mode = "L" if how.color == "grey" else "RGB"
    lines = [f'picture = Image.open("picture.png").convert("{mode}")']
    if how.resize is not None:
        height, width = how.resize
        lines.append(f"picture = picture.resize(({width}, {height}), Image.Resampling.BILINEAR)")
    elif how.center_crop is None:
        height, width = facts.sample_shape[:2]
        lines[0] += f"  # {width} x {height} pixels"
    lines += [
        "pixels = np.asarray(picture)",
        "pixels = pixels.reshape(*pixels.shape[:2], -1)  # height, width, channels",
    ]
    if how.center_crop is not None:
        height, width = how.center_crop
        lines += [
            f"top, left = (pixels.shape[0] - {height}) // 2, (pixels.shape[1] - {width}) // 2",
            f"pixels = pixels[top : top + {height}, left : left + {width}]",
        ]
    if how.color == "bgr":
        lines.append("pixels = pixels[..., ::-1]")
    return ["from PIL import Image"], [*lines, *_numbers(how, "pixels"), *_feed(facts)]


def _array(how: Preprocessing, facts: ModelFacts) -> tuple[list[str], list[str]]:
    shape = list(facts.sample_shape)
    lines = [f'sample = np.load("sample.npy")  # one raw sample of the shape {shape}']
    return [], [*lines, *_numbers(how, "sample"), *_feed(facts)]


def _numbers(how: Preprocessing, raw: str) -> list[str]:
    lines = [f"numbers = {raw}.astype(np.float32)"]
    if how.scale != 1.0:
        lines.append(f"numbers *= np.float32({how.scale!r})")
    if any(how.mean):
        lines.append(f"numbers -= np.array({list(how.mean)}, np.float32)")
    if how.std != (1.0,):
        lines.append(f"numbers /= np.array({list(how.std)}, np.float32)")
    if how.layout == "nchw":
        lines.append("numbers = np.ascontiguousarray(np.moveaxis(numbers, -1, 0))")
    return lines


def _feed(facts: ModelFacts) -> list[str]:
    (only,) = facts.inputs
    return [f"inputs = {{{only.name!r}: numbers[np.newaxis].astype(np.{only.dtype})}}"]


def _text(how: Preprocessing, facts: ModelFacts) -> tuple[list[str], list[str]]:
    taken = [one.name for one in facts.inputs]
    lines = [
        f"tokenizer = Tokenizer.from_file({how.tokenizer!r})",
        f"tokenizer.enable_truncation(max_length={how.max_tokens})",
        f"tokenizer.enable_padding(length={how.max_tokens}, pad_id={how.padding_id})",
        'tokens = tokenizer.encode("the text to be classified")',
        'known = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask}',
        f"inputs = {{name: np.array([known[name]], np.int64) for name in {taken!r}}}",
    ]
    return ["from tokenizers import Tokenizer"], lines


def _ready(_: Preprocessing, facts: ModelFacts) -> tuple[list[str], list[str]]:
    """Inputs that the caller's own code prepares: the program reads them from files."""
    lines = ["inputs = {"]
    for place, one in enumerate(facts.inputs):
        shape = list(one.shape[1:])
        lines.append(
            f'    {one.name!r}: np.load("input-{place}.npy")[np.newaxis].astype(np.{one.dtype}),'
            f"  # {shape!r}"
        )
    return [], [*lines, "}"]
