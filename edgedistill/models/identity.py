"""One hash of everything that decides what a network is."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgedistill.core.strict import plain
from edgedistill.core.teacher import Teacher
from edgedistill.models import (
    hugging_face,
    onnx_file,
    onnx_graph,
    python_source,
    sources,
    weights,
    zoo,
)
from edgedistill.models.building import seeded

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.teacher import Model
    from edgedistill.models.sources import Live

_PLAIN = (bool, int, float, str, bytes, type(None))
_TORCH_OWN = frozenset(vars(nn.Module()))
"""What torch itself keeps in every module: hooks, parts, tensors."""
_SEED = 0


def fingerprint(
    model: Model, *, base: Path, live: Live | None = None, field: str = "student"
) -> str:
    """The SHA-256 (hex) of a network's source, arguments and weights; no path enters it.

    `python:` counts the text of its own file and the network that it builds, so that a change in
    what the file imports or loads counts too. `hf:` counts configuration and weights, `onnx:` the
    file and those that hold its weights, `live:` the source text of the module's classes, their
    settings, its structure and its tensors, an ensemble its members and how they are combined.

    Raises:
        InputError: If a file is absent, or source or arguments are wrong.
    """
    kind, name = sources.split(model, field=field)
    parts: dict[str, Any] = {"kind": kind}
    if isinstance(model, Teacher) and model.members:
        parts["combine"] = model.combine
        parts["members"] = [
            fingerprint(member, base=base, live=live, field=f"{field}.members.{place}")
            for place, member in enumerate(model.members)
        ]
    elif kind == "builtin":
        parts["name"] = name
        parts["args"] = plain(zoo.arguments(name, model.args, field=field))
        parts["code"] = hashlib.sha256(inspect.getsource(zoo).encode()).hexdigest()
    elif kind == "python":
        path, function = python_source.split(name, base=base, field=field)
        parts |= {"function": function, "args": model.args, "code": _file(path)}
        with seeded(_SEED):
            network = python_source.construct(name, model.args, base=base, field=field)
        parts["module"] = _module(network)
    elif kind == "hf":
        folder = hugging_face.folder_of(name, base=base, field=field)
        parts["args"] = model.args
        parts["files"] = {path.name: _file(path) for path in hugging_face.files(folder)}
    elif kind == "onnx":
        onnx_graph.require_plain(model, field=field)
        parts["files"] = [_file(path) for path in onnx_file.files(base / name, field=field)]
    else:
        parts["module"] = _module(sources.live_module(name, live, field=field))
    if model.weights is not None:
        weights.check_file(base / model.weights, field=f"{field}.weights")
        parts["weights"] = _file(base / model.weights)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def source_files(model: Model, *, base: Path, field: str = "student") -> tuple[Path, ...]:
    """The files of the user's own that the network is read from, weights and code among them.

    Raises:
        InputError: If a file is absent or the source is wrong.
    """
    kind, name = sources.split(model, field=field)
    found: list[Path] = []
    if isinstance(model, Teacher) and model.members:
        for place, member in enumerate(model.members):
            found += source_files(member, base=base, field=f"{field}.members.{place}")
    elif kind == "python":
        found.append(python_source.split(name, base=base, field=field)[0])
    elif kind == "hf":
        found += hugging_face.files(hugging_face.folder_of(name, base=base, field=field))
    elif kind == "onnx":
        found += onnx_file.files(base / name, field=field)
    if model.weights is not None:
        found.append(base / model.weights)
    return tuple(found)


def draws_weights(model: Model, *, base: Path, field: str = "student") -> bool:
    """Whether a `python:` source draws weights at random instead of loading them all.

    Raises:
        InputError: If file, function or arguments are wrong, or the code raises.
    """
    _, name = sources.split(model, field=field)
    found = set()
    for seed in (0, 1):
        with seeded(seed):
            found.add(_module(python_source.construct(name, model.args, base=base, field=field)))
    return len(found) > 1


def _file(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _module(module: nn.Module) -> str:
    digest = hashlib.sha256(repr(module).encode())
    for name, layer in module.named_modules():
        settings = {key: _described(value) for key, value in _settings(layer).items()}
        digest.update(f"{name}{json.dumps(settings, sort_keys=True)}".encode())
    kinds = {kind for layer in module.modules() for kind in type(layer).__mro__}
    for text in sorted({_source(kind) for kind in kinds if issubclass(kind, nn.Module)}):
        digest.update(text.encode())
    tensors = {**dict(module.named_buffers()), **module.state_dict()}
    for name, value in sorted(tensors.items()):
        digest.update(f"{name}{_tensor(value)}".encode())
    return digest.hexdigest()


def _settings(layer: nn.Module) -> dict[str, Any]:
    """What a layer keeps beside its parts; how it was trained so far is not what it is."""
    return {
        key: value
        for key, value in vars(layer).items()
        if key != "training" and key not in _TORCH_OWN
    }


def _described(value: Any) -> Any:
    """A value as JSON that differs where the value does, as far as it can be told."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, list | tuple):
        return [_described(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _described(item) for key, item in value.items()}
    if isinstance(value, functools.partial):
        return [_described(value.func), _described(value.args), _described(value.keywords)]
    name = getattr(value, "__qualname__", type(value).__qualname__)
    code = getattr(value, "__code__", None)
    constants = repr([item for item in code.co_consts if isinstance(item, _PLAIN)]) if code else ""
    return f"{name}{code.co_code.hex()}{code.co_names}{constants}" if code else name


def _tensor(value: torch.Tensor) -> str:
    flat = value.detach().cpu().contiguous().flatten()
    content = hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).hexdigest()
    return f"{value.dtype}{list(value.shape)}{content}"


def _source(kind: type) -> str:
    """The source text of a class; where there is none (an interactive session), its byte code."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind.__module__.startswith("torch."):
        return name
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        codes = [
            f"{key}{value.__code__.co_code.hex()}{value.__code__.co_names}"
            for key, value in sorted(vars(kind).items())
            if inspect.isfunction(value)
        ]
        return name + "".join(codes)
