"""An ensemble of which a member is an ONNX file: its members' graphs side by side in one model.

Torch cannot trace into an ONNX file. So each member is a graph of its own first; they share the
inputs, and what combines their logits is written after them in operators that mean the same in
every operator set since 8.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import onnx
import onnx.compose
import onnx.inliner
import onnx.version_converter
from onnx import TensorProto, helper

from edgedistill.errors import Fault, InputError
from edgedistill.stages.export.graph import MIN_OPSET, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.models.ensemble import Combine

_STANDARD = ("", "ai.onnx")
_OLDEST_OPSET = 8
"""Since then Max and Sum take any number of inputs of any shape."""
_OLDEST_IR_VERSION = 4
"""Since then a constant need not be an input too."""


def joined(graphs: Sequence[onnx.ModelProto], combine: Combine, *, opset: int) -> onnx.ModelProto:
    """One model of several that take the same inputs, each giving `logits` [batch, classes].

    Args:
        graphs: The members, in the ensemble's order, with their inputs called alike.
        combine: What of them is averaged, see `edgedistill.models.ensemble.combined`.
        opset: The operator set of the whole; members in another are converted.

    Raises:
        InputError: If a member cannot be converted, or two need different versions of a domain
            of operators.
    """
    members = [_named(_at_opset(graph, opset, place), place) for place, graph in enumerate(graphs)]
    domains = _domains(members, opset)
    nodes, constants = [], []
    for member in members:
        nodes += list(member.graph.node)
        constants += list(member.graph.initializer)
    sparse = [item for member in members for item in member.graph.sparse_initializer]
    names = [member.graph.output[0].name for member in members]
    nodes += _mean(names) if combine == "logits" else _log_mean_probability(names)
    whole = helper.make_graph(
        nodes,
        "ensemble",
        _inputs(members[0]),
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, None)],
        constants,
        sparse_initializer=sparse,
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in sorted(domains.items())]
    return helper.make_model(
        whole,
        opset_imports=imports,
        ir_version=max(_OLDEST_IR_VERSION, *(member.ir_version for member in members)),
    )


def shared_opset(graphs: Sequence[onnx.ModelProto], *, alone: bool) -> int:
    """The operator set in which ONNX files join: the newest of theirs, since converting goes up.

    Args:
        graphs: The members that are ONNX files.
        alone: Whether there is no other member, which torch has to write in it.
    """
    return max(_OLDEST_OPSET if alone else MIN_OPSET, *map(standard_opset, graphs))


def standard_opset(model: onnx.ModelProto) -> int:
    """The version of the standard operators that a model uses."""
    return max(int(item.version) for item in model.opset_import if item.domain in _STANDARD)


def _at_opset(model: onnx.ModelProto, opset: int, place: int) -> onnx.ModelProto:
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    if standard_opset(model) == opset:
        return model
    try:
        return onnx.version_converter.convert_version(model, opset)
    except (onnx.version_converter.ConvertError, RuntimeError) as error:
        raise InputError(
            Fault(
                field=f"teacher.members.{place}.source",
                given=f"opset {standard_opset(model)}",
                problem="cannot be brought to the operator set of the other members, "
                f"{opset}: {str(error).strip().rpartition('failed: ')[2].splitlines()[0]}",
                remedy=f"Export this member again in opset {opset}",
            )
        ) from error


def _named(model: onnx.ModelProto, place: int) -> onnx.ModelProto:
    """The model with names of its own for everything but its inputs, and its logits alone."""
    del model.graph.output[1:]
    return onnx.compose.add_prefix(model, f"member_{place}_", rename_inputs=False)


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return [item for item in model.graph.input if item.name not in constants]


def _domains(members: Sequence[onnx.ModelProto], opset: int) -> dict[str, int]:
    domains = {"": opset}
    for place, member in enumerate(members):
        for item in member.opset_import:
            if item.domain in _STANDARD:
                continue
            version = domains.setdefault(item.domain, item.version)
            if version != item.version:
                raise InputError(
                    Fault(
                        field=f"teacher.members.{place}.source",
                        given=f"{item.domain} {item.version}",
                        problem="needs another version of this domain of operators than another "
                        f"member, which needs {version}",
                        remedy="Export both with the same version of their tool",
                    )
                )
    return domains


def _mean(names: list[str]) -> list[onnx.NodeProto]:
    return [helper.make_node("Mean", names, [OUTPUT])]


def _log_mean_probability(names: list[str]) -> list[onnx.NodeProto]:
    """log(1/M sum_m softmax(z_m)), with the highest of the logarithms taken out of the sum."""
    node, whole = helper.make_node, "ensemble_"
    nodes = [node("LogSoftmax", [name], [f"{name}_log"], axis=1) for name in names]
    nodes.append(node("Max", [f"{name}_log" for name in names], [f"{whole}highest"]))
    for name in names:
        nodes.append(node("Sub", [f"{name}_log", f"{whole}highest"], [f"{name}_less"]))
        nodes.append(node("Exp", [f"{name}_less"], [f"{name}_share"]))
    count = helper.make_tensor("", TensorProto.FLOAT, [], [math.log(len(names))])
    nodes += [
        node("Sum", [f"{name}_share" for name in names], [f"{whole}shares"]),
        node("Log", [f"{whole}shares"], [f"{whole}log_shares"]),
        node("Add", [f"{whole}highest", f"{whole}log_shares"], [f"{whole}log_sum"]),
        node("Constant", [], [f"{whole}log_count"], value=count),
        node("Sub", [f"{whole}log_sum", f"{whole}log_count"], [OUTPUT]),
    ]
    return nodes
