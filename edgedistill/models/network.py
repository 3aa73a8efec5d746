"""A network with all that is needed to make it again, and how it is kept on disk.

A saved network is its weights and the history of its pruning. Its layers come from its source
each time, so nothing that is loaded can run code. An ONNX file is kept whole, and an ensemble as
its members, each in a folder of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from edgedistill.core.preprocessing import Preprocessing
from edgedistill.core.strict import Strict
from edgedistill.core.teacher import Teacher
from edgedistill.errors import Fault, InputError
from edgedistill.models import building, onnx_graph, sources, surgery, weights
from edgedistill.models.ensemble import Ensemble
from edgedistill.models.onnx_graph import GraphModule
from edgedistill.models.signature import Signature
from edgedistill.models.surgery import History

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from edgedistill.core.teacher import Model
    from edgedistill.models.sources import Live

RECORD = "network.json"
WEIGHTS = "weights.safetensors"
GRAPH = "graph.onnx"


@dataclass(frozen=True)
class Network:
    """A torch module and what it is made of.

    Attributes:
        module: The network as it now stands.
        model: Where it comes from.
        signature: What it takes and gives.
        preprocessing: What was done to its inputs: part of its contract.
        history: What was pruned since it was built, in order.
        attention_heads: Heads left in each attention module that lost some, by module name.
        seed: It was built with; what its state dict does not hold is made again from it.
    """

    module: torch.nn.Module
    model: Model
    signature: Signature
    preprocessing: Preprocessing
    history: History = ()
    attention_heads: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0


class _Record(Strict):
    """What stands in network.json."""

    schema_version: Literal[1] = 1
    kind: Literal["edgedistill-network"] = "edgedistill-network"
    source: str
    seed: int
    inputs: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    classes: int
    preprocessing: Preprocessing
    attention_heads: dict[str, int]
    history: History

    @property
    def signature(self) -> Signature:
        return Signature(self.inputs, self.classes, self.dtypes)


def create(
    model: Model,
    signature: Signature,
    *,
    base: Path,
    seed: int,
    preprocessing: Preprocessing,
    live: Live | None = None,
    field: str = "student",
) -> Network:
    """Builds a network as `building.build` does and keeps what it was made of.

    Raises:
        InputError: As `building.build` does.
    """
    module = building.build(
        model,
        signature,
        base=base,
        seed=seed,
        live=live,
        preprocessing=preprocessing,
        field=field,
    )
    return Network(module, model, signature, preprocessing, seed=seed)


def members(network: Network) -> tuple[Network, ...]:
    """The members of an ensemble as networks of their own; empty for any other network."""
    if not isinstance(network.module, Ensemble):
        return ()
    pairs = zip(network.module.members, network.model.parts, strict=True)
    return tuple(replace(network, module=module, model=model) for module, model in pairs)


def count_parameters(network: Network) -> int:
    """Elements of all parameters, and of the constants of a network that is an ONNX file."""
    module = network.module
    graphs = [part for part in module.modules() if isinstance(part, GraphModule)]
    own = sum(value.numel() for value in module.parameters())
    return own + sum(graph.parameter_count for graph in graphs)


def save(network: Network, folder: Path) -> None:
    """Writes network.json and the weights; equal networks give equal bytes.

    The weights are weights.safetensors, the whole graph.onnx of an ONNX file, or one folder for
    each member of an ensemble.

    Raises:
        InputError: If the module keeps something in its state dict that is no tensor.
        PromiseError: If a weight is NaN or infinite.
    """
    together = members(network)
    for place, member in enumerate(together):
        inner = _member_folder(folder, place)
        inner.mkdir()
        save(member, inner)
    if isinstance(network.module, GraphModule):
        (folder / GRAPH).write_bytes(network.module.content)
    elif not together:
        _write_weights(network, folder / WEIGHTS)
    record = _Record(
        source=sources.portable(network.model),
        seed=network.seed,
        inputs=dict(network.signature.inputs),
        dtypes=dict(network.signature.dtypes),
        classes=network.signature.classes,
        preprocessing=network.preprocessing,
        attention_heads=dict(network.attention_heads),
        history=network.history,
    )
    (folder / RECORD).write_text(record.model_dump_json() + "\n", encoding="utf-8")


def load(
    folder: Path,
    *,
    model: Model,
    base: Path,
    live: Live | None = None,
    field: str = "student",
) -> Network:
    """Makes a saved network again, bit for bit, in eval mode.

    Builds it fresh from its source, prunes again what was pruned, then loads the weights. An ONNX
    file is read from the folder; its source is not needed any more.

    Args:
        folder: Where `save` wrote it.
        model: Where it comes from; must be the same source as when it was saved.
        base: The folder relative paths are resolved against.
        live: Modules handed in, where the source is `live:`.
        field: Where the model stands in the recipe, for the error.

    Raises:
        InputError: If a file is absent or damaged, or does not fit the source.
    """
    record = _read(folder / RECORD)
    if record.source != sources.portable(model):
        raise InputError(
            Fault(
                file=folder / RECORD,
                field=f"{field}.source",
                given=model.source,
                problem=f"the network was saved from another source, {record.source}",
                remedy="Load it with the source it was made from",
            )
        )
    module: torch.nn.Module
    if isinstance(model, Teacher) and model.members:
        inner = [
            load(
                _member_folder(folder, place),
                model=member,
                base=base,
                live=live,
                field=f"{field}.members.{place}",
            )
            for place, member in enumerate(model.members)
        ]
        module = Ensemble([network.module for network in inner], model.combine)
    else:
        module = _module(record, folder, model=model, base=base, live=live, field=field)
    return Network(
        module=module.eval(),
        model=model,
        signature=record.signature,
        preprocessing=record.preprocessing,
        history=record.history,
        attention_heads=record.attention_heads,
        seed=record.seed,
    )


def _write_weights(network: Network, file: Path) -> None:
    state = network.module.state_dict()
    foreign = [name for name, value in state.items() if not hasattr(value, "shape")]
    if foreign:
        raise InputError(
            Fault(
                field="source",
                given=network.model.source,
                problem=f"the network keeps more than tensors in its state dict: {foreign}",
                remedy="Remove get_extra_state from its modules",
            )
        )
    weights.write(state, file, preprocessing=network.preprocessing)


def _module(
    record: _Record,
    folder: Path,
    *,
    model: Model,
    base: Path,
    live: Live | None,
    field: str,
) -> torch.nn.Module:
    """A network that is not an ensemble, with its weights."""
    signature = record.signature
    if sources.split(model, field=field)[0] == "onnx":
        return onnx_graph.construct(folder / GRAPH, signature, field=field)
    with building.seeded(record.seed):
        module = sources.construct(
            model, signature, base=base, live=live, field=field, pretrained=False
        )
        module.eval()
        building.check_outputs(module, signature, field=field, given=model.source)
    surgery.replay(module, signature, record.history, file=folder / RECORD)
    surgery.set_attention_heads(module, record.attention_heads)
    tensors, declared = weights.read(folder / WEIGHTS, field=field)
    weights.require_preprocessing(
        declared, record.preprocessing, file=folder / WEIGHTS, field=field
    )
    weights.load_into(module, tensors, file=folder / WEIGHTS, field=field)
    return module


def _member_folder(folder: Path, place: int) -> Path:
    return folder / f"member-{place}"


def _read(file: Path) -> _Record:
    remedy = "Remove the folder and run again"
    if not file.is_file():
        raise InputError(Fault(file=file, problem="the file does not exist", remedy=remedy))
    try:
        return _Record.model_validate_json(file.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        problem = f"is damaged: {str(error).splitlines()[0]}"
        raise InputError(Fault(file=file, problem=problem, remedy=remedy)) from error
