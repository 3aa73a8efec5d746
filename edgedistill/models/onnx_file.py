"""Reading an ONNX file that anybody may have made: checked, whole, and nothing outside its folder.

An ONNX file is data: no code is loaded with it. What it can do is name other files as the place
of its weights; those are read from its own folder or refused.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx.external_data_helper import load_external_data_for_tensor

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

MAX_BYTES = 2**31 - 1
"""A protobuf message, and so an ONNX model in one piece, cannot be larger."""
_FLOATS = frozenset(
    {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.BFLOAT16,
        onnx.TensorProto.DOUBLE,
    }
)
_STOCHASTIC = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform"}
    | {"RandomUniformLike"}
)


def read(path: Path, *, field: str) -> tuple[onnx.ModelProto, bytes]:
    """A model with all its weights inside, and its bytes.

    The bytes are the file's own where it keeps its weights itself. Infinity is allowed in a
    constant, since attention masks hold it; answers that are not finite are refused where they
    are asked for.

    Args:
        path: The file.
        field: Where the model stands in the recipe, for the error.

    Raises:
        InputError: If it is absent, truncated, not ONNX, too large, keeps weights outside of its
            folder, holds NaN, or draws random numbers.
    """
    with _text_is_text(path, field):
        model, content = _parsed(path, field)
        outside = _outside(model, path, field)
        if outside:
            _pull_in(model, outside, path, field)
            content = model.SerializeToString(deterministic=True)
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            raise _broken(path, field, "is not a valid ONNX model", error) from error
        _require_names(model)
        _require_sound_weights(model, path, field)
        _require_inference(model, path, field)
    return model, content


def files(path: Path, *, field: str) -> tuple[Path, ...]:
    """The file and those beside it that hold its weights, sorted by name.

    Raises:
        InputError: If one is absent, is not what it should be, or lies outside of the folder.
    """
    with _text_is_text(path, field):
        model, _ = _parsed(path, field)
        return (path, *(found for _, found in sorted(_outside(model, path, field).items())))


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside its nodes."""
    yield graph
    for attribute in _attributes(graph.node):
        for inner in _inner(attribute):
            yield from graphs(inner)


def stochastic_node(graph: onnx.GraphProto) -> onnx.NodeProto | None:
    """The first node that behaves as in training, or draws random numbers; None where none does."""
    node: onnx.NodeProto
    for inner in graphs(graph):
        for node in inner.node:
            training = any(item.name == "training_mode" and item.i for item in node.attribute)
            dropout = node.op_type == "Dropout" and len(node.input) > 2 and bool(node.input[2])
            if training or dropout or node.op_type in _STOCHASTIC:
                return node
    return None


def count_weights(model: onnx.ModelProto) -> int:
    """Elements of all constants of a float type that are more than a lone number."""
    found = (tensor for tensor in _tensors(model) if tensor.data_type in _FLOATS and tensor.dims)
    return sum(int(np.prod(tensor.dims)) for tensor in found)


def _parsed(path: Path, field: str) -> tuple[onnx.ModelProto, bytes]:
    if not path.is_file():
        raise InputError(
            Fault(
                file=path,
                field=f"{field}.source",
                problem="the file does not exist",
                remedy="Check the path; relative paths start at the recipe's folder",
            )
        )
    _require_size(path.stat().st_size, path, field)
    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise _broken(path, field, "cannot be read as an ONNX model", error) from error
    if not model.graph.node:
        raise _broken(path, field, "is not a valid ONNX model", "it holds no operator")
    return model, content


def _outside(model: onnx.ModelProto, path: Path, field: str) -> dict[str, Path]:
    """Location to file of what the model keeps beside itself."""
    folder = path.parent.resolve()
    found: dict[str, Path] = {}
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        location = next((item.value for item in tensor.external_data if item.key == "location"), "")
        if location in found:
            continue
        place = _place(folder, location)
        if place is None:
            raise InputError(
                Fault(
                    file=path,
                    field=f"{field}.source",
                    given=location,
                    problem=f"keeps the weights of {tensor.name} outside of its folder, or nowhere",
                    remedy="Save it as one file: "
                    "onnx.save(model, path, save_as_external_data=False)",
                )
            )
        found[location] = place
    size = sum(place.stat().st_size for place in set(found.values()))
    _require_size(size + path.stat().st_size, path, field)
    return found


def _place(folder: Path, location: str) -> Path | None:
    """The file of weights; None where it is absent or not inside of the folder."""
    if not location or "\0" in location:
        return None
    try:
        place = (folder / location).resolve()
        return place if place.is_relative_to(folder) and place.is_file() else None
    except (OSError, RuntimeError):  # a name that is too long, links in a ring
        return None


def _pull_in(model: onnx.ModelProto, outside: Mapping[str, Path], path: Path, field: str) -> None:
    """Reads the weights that lie beside the file into the model, in place."""
    total = 0
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        try:
            told = {item.key: item.value for item in tensor.external_data}
            total += int(told.get("length", outside[told["location"]].stat().st_size))
            _require_size(total, path, field)
            load_external_data_for_tensor(tensor, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise _broken(path, field, "its weights cannot be read", error) from error
    _require_size(model.ByteSize(), path, field)


def _require_sound_weights(model: onnx.ModelProto, path: Path, field: str) -> None:
    """Every constant holds as many values as it says, and none of them is NaN."""
    nan = []
    for tensor in _tensors(model):
        try:
            values = onnx.numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError) as error:
            detail = f"{tensor.name} {list(tensor.dims)}: {error}"
            raise _broken(path, field, "holds a damaged constant", detail) from error
        if tensor.data_type in _FLOATS and np.isnan(values).any():
            nan.append(tensor.name or "a constant")
    if nan:
        raise InputError(
            Fault(
                file=path,
                field=f"{field}.source",
                problem=f"holds NaN in {', '.join(nan[:8])}",
                remedy="Export it again from weights that are finite",
            )
        )


def _require_inference(model: onnx.ModelProto, path: Path, field: str) -> None:
    node = stochastic_node(model.graph)
    if node is not None:
        raise InputError(
            Fault(
                file=path,
                field=f"{field}.source",
                given=node.op_type,
                problem="behaves as in training, where answers are drawn at random",
                remedy="Export it again for inference",
            )
        )


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every constant: of the graph, of graphs inside its nodes, of nodes and of functions."""
    for graph in graphs(model.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        yield from _constants(graph.node)
    for function in model.functions:
        yield from _constants(function.node)
        for attribute in _attributes(function.node):
            for inner in _inner(attribute):
                for graph in graphs(inner):
                    yield from graph.initializer
                    yield from _constants(graph.node)


def _constants(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for attribute in _attributes(nodes):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
        for item in (*sparse, *attribute.sparse_tensors):
            yield from (item.values, item.indices)


def _attributes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.AttributeProto]:
    for node in nodes:
        yield from node.attribute


def _inner(attribute: onnx.AttributeProto) -> Iterator[onnx.GraphProto]:
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def _require_names(model: onnx.ModelProto) -> None:
    """Reads every name once, so that one that is no text is told here."""
    texts: list[str | bytes] = []
    for graph in graphs(model.graph):
        for node in graph.node:
            texts += [node.name, node.op_type, node.domain, *node.input, *node.output]
        texts += [value.name for value in (*graph.input, *graph.output, *graph.initializer)]
    for text in texts:
        if isinstance(text, bytes):  # protobuf gives what it cannot decode as it is
            text.decode("utf-8")


@contextmanager
def _text_is_text(path: Path, field: str) -> Iterator[None]:
    """Names in a damaged file may be no UTF-8, which shows only where they are read."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise _broken(path, field, "is not a valid ONNX model", error) from error


def _require_size(size_bytes: int, path: Path, field: str) -> None:
    if size_bytes > MAX_BYTES:
        raise InputError(
            Fault(
                file=path,
                field=f"{field}.source",
                given=f"{size_bytes} bytes",
                problem="is larger with its weights than an ONNX file can be (2 GB)",
                remedy="Choose a smaller network",
            )
        )


def _broken(path: Path, field: str, problem: str, detail: object) -> InputError:
    lines = str(detail).strip().splitlines()
    return InputError(
        Fault(
            file=path,
            field=f"{field}.source",
            given=lines[0] if lines else type(detail).__name__,
            problem=problem,
            remedy="It may be truncated or damaged: copy or export it again",
        )
    )
