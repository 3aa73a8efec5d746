"""Operator lists of networks that were built here, in a file: architecture to its operators.

A network repeats its blocks, and the order of operators is nothing to the cost model, so that like
operators are one entry with a count.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.core.operator_kind import Kind
from edgedistill.cost.operators import Operator

if TYPE_CHECKING:
    from collections.abc import Mapping

BUILT = Path(__file__).resolve().parent / "architectures.json"
"""The file."""
_REPEATED = "times"
_ABSENT = {field.name: field.default for field in fields(Operator)}


@dataclass(frozen=True, kw_only=True)
class Built:
    """A network that was built, exported and read back.

    Attributes:
        family: Networks that resemble each other share one.
        input_shape: As the published row writes it: 1x3x224x224.
        macs: Multiply-accumulates of the exported graph.
        parameters: Of the network.
        operators: Of the exported graph, as the cost model reads it.
    """

    family: str
    input_shape: str
    macs: int
    parameters: int
    operators: tuple[Operator, ...]


def write_built(file: Path, networks: Mapping[str, Built]) -> None:
    """Writes the file, one network a line."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(_plain(network), separators=(',', ':'))}"
        for name, network in sorted(networks.items())
    ]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read_built(file: Path) -> dict[str, Built]:
    """Reads the file."""
    networks = {}
    for name, plain in json.loads(file.read_text(encoding="utf-8")).items():
        operators: list[Operator] = []
        for entry in plain.pop("operators"):
            times = entry.pop(_REPEATED, 1)
            operators += [Operator(**{**entry, "kind": Kind(entry["kind"])})] * times
        networks[name] = Built(**plain, operators=tuple(operators))
    return networks


def _plain(network: Built) -> dict[str, object]:
    # all of them compute in fp32, which goes without saying
    counts = Counter(
        replace(one, precision=None) for one in network.operators if one.kind is not Kind.FREE
    )
    operators = [
        {
            **({_REPEATED: times} if times > 1 else {}),
            **{name: value for name, value in asdict(one).items() if value != _ABSENT[name]},
        }
        for one, times in counts.items()
    ]
    head = {field.name: getattr(network, field.name) for field in fields(network)}
    return {**head, "operators": operators}
