from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest
import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a graph given as text, with random weights of the given shapes and types."""

    def make(
        text: str,
        *,
        weights: dict[str, tuple[int, ...]] | None = None,
        dtype: str = "float32",
        opset: str = '"" : 20',
        name: str = "graph.onnx",
    ) -> Path:
        model = onnx.parser.parse_model(f"<ir_version: 10, opset_import: [{opset}]>\n{text}")
        generator = np.random.default_rng(0)
        for weight, shape in (weights or {}).items():
            values = generator.standard_normal(shape).astype(dtype)
            model.graph.initializer.append(onnx.numpy_helper.from_array(values, weight))
        path = tmp_path / name
        onnx.save_model(model, path)
        return path

    return make


@pytest.fixture
def export(tmp_path: Path) -> Callable[[torch.nn.Module, tuple[int, ...]], Path]:
    """Exports a network that takes one input of the given shape (without the batch)."""

    def make(module: torch.nn.Module, shape: tuple[int, ...]) -> Path:
        path = tmp_path / "network.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own
            torch.onnx.export(
                module.eval(),
                (torch.zeros(2, *shape),),
                path,
                dynamo=True,
                opset_version=20,
                input_names=["input"],
                output_names=["logits"],
                dynamic_shapes=({0: "batch"},),
                external_data=False,
                verbose=False,
            )
        return path

    return make
