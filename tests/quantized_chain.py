"""A small chain of convolutions that eight bits can be made to spoil."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser

if TYPE_CHECKING:
    from pathlib import Path

_CHAIN = """<ir_version: 10, opset_import: ["" : 20]>
    g (float[N,1,8,8] input) => (float[N,10] logits) {
        a = Conv <pads = [1, 1, 1, 1]> (input, w1, b1)
        ra = Relu (a)
        b = Conv <pads = [1, 1, 1, 1]> (ra, w2, b2)
        rb = Relu (b)
        c = Conv <pads = [1, 1, 1, 1]> (rb, w3, b3)
        rc = Relu (c)
        d = Conv <pads = [1, 1, 1, 1]> (rc, w4, b4)
        rd = Relu (d)
        pooled = GlobalAveragePool (rd)
        flat = Flatten (pooled)
        logits = Gemm (flat, w5, b5)
    }"""


def write_chain(path: Path, *, blown: float = 1.0, width: int = 8) -> Path:
    """Writes a chain of four convolutions `Conv_0`, `Conv_2`, ... with random weights.

    `blown` scales one channel of the tensor between the second and the third, which the third
    takes no notice of: the other channels vanish in eight bits.
    """
    generator = np.random.default_rng(0)
    shapes = {
        "w1": (width, 1, 3, 3),
        "w2": (width, width, 3, 3),
        "w3": (width, width, 3, 3),
        "w4": (width, width, 3, 3),
    }
    values = {
        name: generator.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) / 2)
        for name, shape in shapes.items()
    }
    values["w5"] = generator.standard_normal((width, 10))
    values |= {f"b{place}": generator.standard_normal(width) * 0.1 for place in range(1, 5)}
    values["b5"] = generator.standard_normal(10) * 0.1
    values["w2"][0] *= blown
    values["b2"][0] *= blown
    values["w3"][:, 0] *= blown == 1.0
    model = onnx.parser.parse_model(_CHAIN)
    for name, array in values.items():
        constant = onnx.numpy_helper.from_array(array.astype(np.float32), name)
        model.graph.initializer.append(constant)
    onnx.save_model(model, path)
    return path
