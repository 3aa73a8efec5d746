from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest

from edgedistill.cost.graph import count
from edgedistill.cost.model_file import load_model
from edgedistill.cost.shapes import infer_shapes
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'
TOKENS = """agraph (float[batch, 4, 6] x) => (float[batch, n, 6] y)
<int64 zero = {0}, int64[1] front = {0}, int64[2] rest = {1, 6}, int64[1] minus = {-1},
 float[1,1,6] token = {1, 2, 3, 4, 5, 6}, float[6,6] w = {%s}>
{
  sizes = Shape(x)
  batch = Gather(sizes, zero)
  row = Unsqueeze(batch, front)
  wanted = Concat <axis = 0> (row, rest)
  ones = ConstantOfShape <value = int64[1] {1}> (front_shape)
  unset = Mul(ones, minus)
  open = Equal(wanted, unset)
  full = Where(open, ones, wanted)
  tokens = Expand(token, full)
  joined = Concat <axis = 1> (tokens, x)
  y = MatMul(joined, w)
}
""".replace("(front_shape)", "(three)").replace("int64 zero", "int64[1] three = {3}, int64 zero")


def written(folder: Path, text: str) -> Path:
    model = onnx.parser.parse_model(HEAD + text)
    file = folder / "model.onnx"
    onnx.save_model(model, file)
    return file


def tokens(folder: Path) -> Path:
    return written(folder, TOKENS % ", ".join(["0.5"] * 36))


def test_sizes_that_a_transformer_computes_are_those_of_the_runtime(tmp_path: Path) -> None:
    file = tokens(tmp_path)
    shapes = infer_shapes(load_model(file), file)
    opened = onnx.load_model(file)
    names = [name for node in opened.graph.node for name in node.output]
    del opened.graph.output[:]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(opened.SerializeToString())
    found = session.run(names, {"x": np.zeros((1, 4, 6), np.float32)})
    assert {name: shapes[name] for name in names} == {
        name: array.shape for name, array in zip(names, found, strict=True)
    }


def test_work_behind_computed_sizes_is_counted(tmp_path: Path) -> None:
    assert count(tokens(tmp_path)).macs == 5 * 6 * 6


@pytest.mark.parametrize(
    "node",
    [
        "a = ConstantOfShape(huge)",
        "a = Expand(one, huge)",
        "a = Range(first, last, step)",
        "a = Range(first, last, none)",
    ],
)
def test_absurd_sizes_are_not_evaluated(tmp_path: Path, node: str) -> None:
    text = """agraph (float[1, 4] x) => (float[1, 4] y)
    <int64[2] huge = {1000000, 1000000}, float one = {1}, float first = {0}, float last = {1e15},
     float step = {1}, float none = {0}>
    { %s
      b = NonZero(a)
      c = Shape(b)
      d = Cast <to = 1> (c)
      s = ReduceSum <keepdims = 0> (d)
      y = Mul(x, s) }
    """
    file = written(tmp_path, text % node)
    shapes = infer_shapes(load_model(file), file)
    assert shapes["y"] == (1, 4)


def test_what_depends_on_data_stays_unknown(tmp_path: Path) -> None:
    text = """agraph (float[1, 4] x) => (float[n] y)
    { places = NonZero(x)
      sizes = Shape(places)
      y = ConstantOfShape(sizes) }
    """
    file = written(tmp_path, text)
    shapes = infer_shapes(load_model(file), file)
    with pytest.raises(InputError, match="cannot be inferred"):
        shapes["y"]


@pytest.mark.parametrize("node", ["a = Gather(sizes, far)", "a = Reshape(sizes, three)"])
def test_sizes_that_contradict_each_other_are_bad_input(tmp_path: Path, node: str) -> None:
    text = """agraph (float[1, 4] x) => (float[n] y)
    <int64 far = {7}, int64[1] three = {3}>
    { sizes = Shape(x)
      %s
      y = ConstantOfShape(a) }
    """
    file = written(tmp_path, text % node)
    with pytest.raises(InputError, match="contradict each other"):
        infer_shapes(load_model(file), file)
