"""A graph run operator by operator over a few samples, so that what comes later can still change.

Correcting one operator after the other needs what the corrected operators before it give. Running
the whole graph anew for each of them would cost the square of its length; here each operator runs
once, and a tensor is let go when its last reader has run.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import onnx
import onnxruntime

from edgedistill.stages.quantize.wiring import Wiring, inputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from edgedistill.stages.quantize.calibration import CalibrationSet

    Sample = Mapping[str, np.ndarray]

_ERRORS_ONLY = 3
_MOST_SAMPLES = 256
_MEMORY_BYTES = 1 << 30
_TENSORS_HELD = 4
"""Of the largest kind and at once, in the float and in the quantized graph: input and output."""


class Walk:
    """A graph on the way from its inputs to its outputs.

    Constants are read from the model when an operator that needs them runs, so whoever changes
    them before gets the changed operator.
    """

    def __init__(
        self, model: onnx.ModelProto, samples: Sequence[Sample], *, threads: int = 1
    ) -> None:
        self._model = model
        self._threads = threads
        self._wiring = Wiring.of(model.graph)
        self._nodes = list(model.graph.node)  # held, so that they can be told apart by id
        self._order = {id(node): place for place, node in enumerate(self._nodes)}
        self._done: set[int] = set()
        self.fixed = _fixed_tensors(model.graph, self._wiring)
        """Tensors that follow from constants alone."""
        self._held: dict[str, list[np.ndarray]] = {
            value.name: [sample[value.name] for sample in samples]
            for value in model.graph.input
            if value.name in samples[0]
        }
        self._unread = {
            name: len({id(node) for node in nodes if not self.fixed.issuperset(node.output)})
            for name, nodes in self._wiring.consumers.items()
        }

    def values(self, tensor: str) -> list[np.ndarray]:
        """A tensor on each sample; every operator that it follows from and has not run runs now.

        Raises:
            KeyError: If all its readers have run, so that it was let go.
        """
        if tensor not in self._held:
            self._run(self._missing(tensor), tensor)
        return self._held[tensor]

    def amend(self, tensor: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Changes a tensor that has run and whose readers have not."""
        self._held[tensor] = [change(array) for array in self._held[tensor]]

    def _missing(self, tensor: str) -> list[onnx.NodeProto]:
        """Nodes to run for a tensor, sorted as the graph is."""
        found: dict[int, onnx.NodeProto] = {}
        open_ends = [tensor]
        while open_ends:
            name = open_ends.pop()
            if name in self._held or name in self._wiring.constants:
                continue
            node = self._wiring.producers[name]
            if id(node) not in found:
                if id(node) in self._done:
                    raise KeyError(name)
                found[id(node)] = node
                open_ends.extend(inputs_of(node))
        return sorted(found.values(), key=lambda node: self._order[id(node)])

    def _run(self, nodes: Sequence[onnx.NodeProto], wanted: str) -> None:
        made = {name for node in nodes for name in node.output if name}
        read = dict.fromkeys(name for node in nodes for name in inputs_of(node))
        fed = [name for name in read if name in self._held and name not in made]
        ran = {id(node) for node in nodes}
        kept = [
            name
            for name in sorted(made - self.fixed)
            if name == wanted or any(id(node) not in ran for node in self._wiring.readers(name))
        ]
        session = self._session(nodes, fed, kept)
        count = len(next(iter(self._held.values())))
        results = [
            session.run(kept, {name: self._held[name][index] for name in fed})
            for index in range(count)
        ]
        for place, name in enumerate(kept):
            self._held[name] = [result[place] for result in results]
        self._let_go(nodes, wanted)

    def _session(
        self, nodes: Sequence[onnx.NodeProto], fed: Sequence[str], kept: Sequence[str]
    ) -> onnxruntime.InferenceSession:
        """The nodes as a model; as they stand, so that nothing is fused over its ends."""
        types = {name: self._held[name][0].dtype for name in fed}
        read = {name for node in nodes for name in inputs_of(node)}
        graph = onnx.helper.make_graph(
            list(nodes),
            "part",
            [
                onnx.helper.make_tensor_value_info(
                    name, onnx.helper.np_dtype_to_tensor_dtype(dtype), None
                )
                for name, dtype in types.items()
            ],
            [onnx.ValueInfoProto(name=name) for name in kept],
            [item for item in self._model.graph.initializer if item.name in read],
        )
        part = onnx.helper.make_model(graph, opset_imports=self._model.opset_import)
        part.ir_version = self._model.ir_version
        part.functions.extend(self._model.functions)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(
            part.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def _let_go(self, nodes: Sequence[onnx.NodeProto], wanted: str) -> None:
        for node in nodes:
            if self.fixed.issuperset(node.output):
                continue  # made anew where it is read: its constants may have changed by then
            self._done.add(id(node))
            for name in set(inputs_of(node)):
                self._unread[name] -= 1
                if not self._unread[name] and name != wanted:
                    self._held.pop(name, None)


def few_samples(model: onnx.ModelProto, samples: CalibrationSet, threads: int) -> list[Sample]:
    """As many samples, evenly spaced, as a walk may hold in a fixed amount of memory.

    At most 256, and at least 8 where there are as many. What counts is the largest tensor of the
    float graph on the first sample.
    """
    largest = _largest_bytes(model, next(iter(samples)), threads)
    wanted = min(_MOST_SAMPLES, max(8, _MEMORY_BYTES // (_TENSORS_HELD * largest)))
    step = max(1, -(-len(samples) // wanted))
    return list(islice(samples, 0, None, step))


def _largest_bytes(model: onnx.ModelProto, sample: Sample, threads: int) -> int:
    walk = Walk(model, [sample], threads=threads)
    names = (node.output[0] for node in model.graph.node)
    sizes = (walk.values(name)[0].nbytes for name in names if name not in walk.fixed)
    return max(sizes, default=1)


def _fixed_tensors(graph: onnx.GraphProto, wiring: Wiring) -> frozenset[str]:
    """Tensors that follow from constants alone."""
    fixed = set(wiring.constants)
    for node in graph.node:
        if fixed.issuperset(inputs_of(node)):
            fixed.update(node.output)
    return frozenset(fixed)
