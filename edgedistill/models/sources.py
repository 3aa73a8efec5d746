"""From a recipe's model to a torch module: `builtin:`, `python:`, `hf:`, `onnx:` and `live:`."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from torch import nn

from edgedistill.core.teacher import ENDPOINT, ENSEMBLE, Teacher
from edgedistill.errors import Fault, InputError
from edgedistill.models import hugging_face, onnx_graph, python_source, zoo

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.teacher import Model
    from edgedistill.models.signature import Signature

Live = Mapping[str, nn.Module]
"""Modules handed in through the Python API, by the name that stands after `live:`."""

_KINDS = ("builtin", "python", "hf", "onnx", "live")
_KNOWN = (
    "Write builtin:NAME, python:FILE.py:FUNCTION or hf:DIR_OR_ID; a teacher may be onnx:FILE.onnx, "
    "ensemble or endpoint too"
)


def split(model: Model, *, field: str = "student") -> tuple[str, str]:
    """The kind of the source and what stands after the colon; nothing does after `ensemble`.

    Raises:
        InputError: If the kind is unknown or its name is missing.
    """
    kind, _, name = model.source.partition(":")
    if kind in _KINDS and name:
        return kind, name
    problem, remedy = "is not a source of networks", _KNOWN
    if model.source == ENSEMBLE:
        if isinstance(model, Teacher):
            return ENSEMBLE, ""
        problem, remedy = "is a teacher only", "Give one network here"
    elif close := difflib.get_close_matches(kind, _KINDS if name else (ENDPOINT, ENSEMBLE), n=1):
        remedy = f"Did you mean '{close[0]}{':' if name else ''}{name}'?"
    raise InputError(
        Fault(field=f"{field}.source", given=model.source, problem=problem, remedy=remedy)
    )


def portable(model: Model) -> str:
    """The source without the folders of this machine, for files that travel."""
    kind, name = split(model)
    if kind == "python":
        file, _, function = name.rpartition(":")
        return f"python:{PurePath(file).name}:{function}"
    if kind == "onnx":
        return f"onnx:{PurePath(name).name}"
    if kind == "hf" and (name.startswith((".", "/", "~")) or name.count("/") != 1):
        return f"hf:{PurePath(name).name}"
    return model.source


def runs_code(model: Model) -> bool:
    """Whether building this network runs code that the recipe brings."""
    return any(part.source.startswith("python:") for part in model.parts)


def has_weights(
    model: Model, *, base: Path, live: Live | None = None, field: str = "student"
) -> bool:
    """Whether the network comes with weights, so that it need not be trained first.

    Raises:
        InputError: If the source is unknown, or a live module was not handed in.
    """
    kind, name = split(model, field=field)
    if kind == ENSEMBLE:
        return all(
            has_weights(member, base=base, live=live, field=f"{field}.members.{place}")
            for place, member in enumerate(model.parts)
        )
    if kind == "live":
        live_module(name, live, field=field)
        return True
    if model.weights is not None or kind == "onnx":
        return True
    return kind == "hf" and hugging_face.has_weights(name, base=base)


def live_module(name: str, live: Live | None, *, field: str) -> nn.Module:
    """The module handed in under this name.

    Raises:
        InputError: If there is none.
    """
    if live is None or name not in live:
        raise InputError(
            Fault(
                field=f"{field}.source",
                given=f"live:{name}",
                problem="stands for a module that was handed in through the Python API",
                remedy="Hand it in again with edgedistill.compress(), or give its source as "
                "python:FILE.py:FUNCTION with weights",
            )
        )
    return live[name]


def construct(
    model: Model,
    signature: Signature,
    *,
    base: Path,
    live: Live | None,
    field: str,
    pretrained: bool,
) -> nn.Module:
    """The network of one source, before the recipe's `weights` are loaded into it.

    Args:
        model: The recipe's model.
        signature: What the data gives and wants; a built-in network is made to it.
        base: The folder relative paths are resolved against.
        live: Modules handed in.
        field: Where the model stands in the recipe, for the error.
        pretrained: Whether weights that belong to the source (`hf:`) are loaded.

    Raises:
        InputError: If anything the recipe says of it is wrong.
    """
    kind, name = split(model, field=field)
    if kind == "builtin":
        return zoo.construct(name, model.args, signature, field=field)
    if kind == "python":
        return python_source.construct(name, model.args, base=base, field=field)
    if kind == "hf":
        return hugging_face.construct(
            name, model.args, signature, base=base, field=field, pretrained=pretrained
        )
    if kind == "onnx":
        onnx_graph.require_plain(model, field=field)
        return onnx_graph.construct(base / name, signature, field=field)
    return _copy(name, model, live, field)


def _copy(name: str, model: Model, live: Live | None, field: str) -> nn.Module:
    module = live_module(name, live, field=field)
    if model.args:
        raise InputError(
            Fault(
                field=f"{field}.args",
                given=", ".join(model.args),
                problem="a module that is handed in ready takes no arguments",
                remedy="Leave args out",
            )
        )
    try:
        return copy.deepcopy(module)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            Fault(
                field=f"{field}.source",
                given=type(module).__name__,
                problem=f"the module cannot be copied: {error}",
                remedy="Keep only parameters, buffers and plain values as its attributes",
            )
        ) from error
