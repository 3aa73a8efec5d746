from __future__ import annotations

import csv
import random
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


@pytest.fixture
def small_disk(tmp_path: Path) -> Callable[[int], AbstractContextManager[Path]]:
    """Mounts a disk of so many kilobytes; skips where that needs rights the user lacks."""

    @contextmanager
    def mounted(size_kb: int) -> Iterator[Path]:
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(disk)]
        if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            pytest.skip("mounting a small disk needs rights that this user does not have")
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True)

    return mounted


@pytest.fixture(scope="session")
def onnx_classifier() -> Callable[..., Path]:
    """Writes a linear classifier, pixels [batch, *shape] times weight [features, classes]."""

    def write(
        path: Path,
        weight: np.ndarray[Any, Any],
        shape: tuple[int, ...],
        *,
        bias: np.ndarray[Any, Any] | None = None,
        batch: str | int = "batch",
        opset: int = 13,
        takes: int = TensorProto.FLOAT,
        name: str = "pixels",
        ends_in: tuple[str, ...] = (),
        metadata: dict[str, str] | None = None,
    ) -> Path:
        classes = weight.shape[1]
        bias = np.zeros(classes) if bias is None else bias
        nodes = [
            helper.make_node("Cast", [name], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["real"], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "weight", "bias"], ["out_0"]),
        ]
        nodes += [
            helper.make_node(operator, [f"out_{place}"], [f"out_{place + 1}"])
            for place, operator in enumerate(ends_in)
        ]
        graph = helper.make_graph(
            nodes,
            "linear",
            [helper.make_tensor_value_info(name, takes, [batch, *shape])],
            [
                helper.make_tensor_value_info(
                    f"out_{len(ends_in)}", TensorProto.FLOAT, [batch, classes]
                )
            ],
            [
                numpy_helper.from_array(weight.astype(np.float32), "weight"),
                numpy_helper.from_array(bias.astype(np.float32), "bias"),
            ],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7
        )
        helper.set_model_props(model, metadata or {})
        onnx.save(model, path)
        return path

    return write


TOPICS = {
    "food": ["bread", "soup", "apple", "cheese", "rice", "salt", "cook", "sweet"],
    "travel": ["train", "ticket", "road", "airport", "hotel", "map", "flight", "bus"],
    "weather": ["rain", "sun", "cloud", "storm", "wind", "snow", "warm", "cold"],
}
FILLERS = ["the", "is", "my", "please", "today", "some", "how", "very", "need", "about"]


@pytest.fixture
def text_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes data/train.csv (text,category) with sentences on three topics, and tokenizer.json."""
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra hf")

    def write(samples: int = 240) -> Path:
        folder = tmp_path / "texts"
        (folder / "data").mkdir(parents=True)
        draw = random.Random(0)
        with (folder / "data" / "train.csv").open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(["category", "text"])
            for index in range(samples):
                topic = sorted(TOPICS)[index % 3]
                words = draw.choices(FILLERS, k=draw.randint(1, 6))
                words += draw.choices(TOPICS[topic], k=2)
                draw.shuffle(words)
                rows.writerow([topic, ", ".join(words).capitalize()])
        known = [*FILLERS, *(word for topic in TOPICS.values() for word in topic), ","]
        numbers = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *known])}
        tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="[UNK]"))
        tokenizer.normalizer = tokenizers.normalizers.Lowercase()
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return write
