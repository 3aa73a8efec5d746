"""`onnx:FILE`: a network that is only known as an ONNX file, asked through ONNX Runtime.

It has no parameters and cannot be trained: it is a teacher. Distillation needs logits, so where
the graph ends in a Softmax (whatever only copies, reshapes or rounds behind it aside) the answer
is the logarithm of its probabilities, no smaller than that of float32's smallest normal number:
softmax(log p) = p. What a LogSoftmax gives are logits already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.inliner
import onnxruntime
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as state
from torch import nn

from edgedistill.errors import Fault, InputError
from edgedistill.models import onnx_file, weights
from edgedistill.models.onnx_doors import find_doors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.core.teacher import Model
    from edgedistill.models.onnx_doors import Door
    from edgedistill.models.signature import Signature

    Array = np.ndarray[Any, Any]

SMALLEST = float(np.finfo(np.float32).tiny)
"""The smallest probability whose logarithm is taken: float32's smallest normal number."""
_SOFTMAX = frozenset({"Softmax", "BiasSoftmax", "QLinearSoftmax"})
_CHANGES_NO_ANSWER = frozenset(
    {"Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear"}
    | {"Reshape", "Squeeze", "Unsqueeze"}
)
"""What may stand behind the Softmax."""
_TRIED_SAMPLES = 8
_ERRORS_ONLY = 3
_LOAD_ERRORS = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
    RuntimeError,
    ValueError,
)
_RUN_ERRORS = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.NotImplemented,
    state.RuntimeException,
    RuntimeError,
    ValueError,
)


class GraphModule(nn.Module):
    """An ONNX model that is called like any other network.

    Attributes:
        content: The model's bytes, its weights inside.
        file: Where it came from, for errors.
        doors: Its inputs, in the signature's order.
        answer: Name of its first output.
        probabilities: Whether that output is a Softmax's.
        preprocessing: What the file says its samples are prepared like; None where it does not.
        parameter_count: Elements of its constants of a float type.
    """

    def __init__(self, content: bytes, model: onnx.ModelProto, doors: tuple[Door, ...]) -> None:
        super().__init__()
        self.content = content
        self.doors = doors
        self.answer = str(model.graph.output[0].name)
        self.probabilities = gives_probabilities(model)
        self.parameter_count = onnx_file.count_weights(model)
        self.preprocessing: Preprocessing | None = None
        self.file: Path | None = None
        self.field = "teacher"
        self._session: tuple[int, Any] | None = None

    @property
    def one_sample(self) -> bool:
        """Whether the graph takes one sample at a time."""
        return any(door.one_sample for door in self.doors)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Inputs [batch, ...] in the signature's order to float32 logits [batch, classes].

        Raises:
            InputError: If the graph does not take them, or answers otherwise.
        """
        feed = {
            door.name: self._fitted(value.detach().cpu().numpy(), door)
            for door, value in zip(self.doors, inputs, strict=True)
        }
        count = len(inputs[0])
        size = 1 if self.one_sample else count
        parts = [
            self._run({name: values[start : start + size] for name, values in feed.items()}, size)
            for start in range(0, count, size)
        ]
        answers = np.concatenate(parts).astype(np.float32, copy=False)
        if self.probabilities:
            answers = np.log(np.maximum(answers, np.float32(SMALLEST)))
        return torch.from_numpy(answers).to(inputs[0].device)

    def __getstate__(self) -> dict[str, Any]:
        """A copy opens a session of its own."""
        return {**self.__dict__, "_session": None}

    def _fitted(self, values: Array, door: Door) -> Array:
        """Values in the type that the graph takes; whole numbers stay what they are."""
        with np.errstate(invalid="ignore", over="ignore"):
            cast = np.ascontiguousarray(values, dtype=door.dtype)
        if cast.dtype.kind in "iu" and not bool((cast == values).all()):
            wrong = values[cast != values].flat[0]
            raise InputError(
                Fault(
                    file=self.file,
                    field=f"{self.field}.source",
                    given=f"{door.name}: {wrong:g}",
                    problem=f"takes {door.dtype}, and the data gives values that this type does "
                    "not hold",
                    remedy="Leave scale, mean and std out of data.preprocessing, if the graph "
                    "scales its inputs itself",
                )
            )
        return cast

    def _run(self, feed: Mapping[str, Array], rows: int) -> Array:
        session = self._open()
        try:
            answer = session.run([self.answer], dict(feed))[0]
        except _RUN_ERRORS as error:
            raise self._refused("does not run on the data's inputs", error) from error
        found = type(answer).__name__
        if isinstance(answer, np.ndarray):
            if answer.ndim == 2 and len(answer) == rows and answer.dtype.kind == "f":
                return answer
            found = f"{answer.dtype} {list(answer.shape)}"
        raise InputError(
            Fault(
                file=self.file,
                field=f"{self.field}.source",
                given=f"{self.answer}: {found} for {rows} samples",
                problem="its first output is not logits or probabilities [batch, classes]",
                remedy="Export a classifier whose first output is its logits, with the batch axis "
                "first",
            )
        )

    def _open(self) -> Any:
        """A session with as many threads as torch has now: equal threads give equal answers."""
        threads = torch.get_num_threads()
        if self._session is None or self._session[0] != threads:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            options.use_deterministic_compute = True
            options.log_severity_level = _ERRORS_ONLY
            try:
                session = onnxruntime.InferenceSession(
                    self.content, options, providers=["CPUExecutionProvider"]
                )
            except _LOAD_ERRORS as error:
                raise self._refused("onnxruntime cannot load it", error) from error
            self._session = (threads, session)
        return self._session[1]

    def _refused(self, problem: str, error: Exception) -> InputError:
        lines = str(error).strip().splitlines()
        return InputError(
            Fault(
                file=self.file,
                field=f"{self.field}.source",
                given=lines[0] if lines else type(error).__name__,
                problem=problem,
                remedy="Export it again, with the batch axis open or 1, in an opset that "
                f"onnxruntime {onnxruntime.__version__} knows",
            )
        )


def construct(path: Path, signature: Signature, *, field: str) -> GraphModule:
    """The network in an ONNX file.

    Args:
        path: The file.
        signature: What the data gives and wants.
        field: Where the model stands in the recipe, for the error.

    Raises:
        InputError: If the file is unsound, or takes other inputs than the data's.
    """
    model, content = onnx_file.read(path, field=field)
    module = GraphModule(content, model, find_doors(model, signature, path, field))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    module.preprocessing = weights.declared(metadata, path, field)
    module.file, module.field = path, field
    return module


def require_plain(model: Model, *, field: str) -> None:
    """Refuses arguments and weights: the file is all there is.

    Raises:
        InputError: If the recipe gives any.
    """
    given = {"args": ", ".join(model.args), "weights": model.weights}
    faults = [
        Fault(
            field=f"{field}.{key}",
            given=value,
            problem="an ONNX file holds its weights and takes no arguments",
            remedy=f"Leave {key} out",
        )
        for key, value in given.items()
        if value
    ]
    if faults:
        raise InputError(*faults)


def require_logits(module: GraphModule, signature: Signature) -> None:
    """Refuses a graph that gives probabilities and does not end in a Softmax, by trying it.

    As logits they would teach next to nothing: from 0 to 1 there is no room for an opinion.

    Raises:
        InputError: If every answer on random inputs lies in 0 to 1 and sums to 1.
    """
    if module.probabilities:
        return
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn(value.shape, generator=generator)
        if door.dtype.startswith("float") and value.is_floating_point()
        else value
        for door, value in zip(module.doors, signature.zeros(_TRIED_SAMPLES).values(), strict=True)
    ]
    answers = module(*inputs)
    in_range = bool(((answers >= 0) & (answers <= 1)).all())
    if in_range and torch.allclose(answers.sum(1), torch.ones(len(answers)), atol=1e-3):
        raise InputError(
            Fault(
                file=module.file,
                field=f"{module.field}.source",
                given=module.answer,
                problem="its answers are probabilities, and the graph does not end in a Softmax",
                remedy="Export it with its logits as the first output",
            )
        )


def gives_probabilities(model: onnx.ModelProto) -> bool:
    """Whether the first output comes from a Softmax."""
    graph = onnx.inliner.inline_local_functions(model).graph if model.functions else model.graph
    makers = {name: node for node in graph.node for name in node.output}
    node = makers.get(graph.output[0].name)
    while node is not None and node.op_type in _CHANGES_NO_ANSWER:
        node = makers.get(node.input[0])
    return node is not None and node.op_type in _SOFTMAX
