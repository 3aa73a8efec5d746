"""One hash of everything that decides what a network is."""

from __future__ import annotations

import hashlib
import inspect
import json
from typing import TYPE_CHECKING, Any

import torch

from edgedistill.core.strict import plain
from edgedistill.models import hugging_face, python_source, sources, weights, zoo

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from edgedistill.core.recipe import Model
    from edgedistill.models.sources import Live

_PLAIN = (bool, int, float, str, type(None))


def fingerprint(
    model: Model, *, base: Path, live: Live | None = None, field: str = "student"
) -> str:
    """The SHA-256 (hex) of a network's source, arguments and weights; no path enters it.

    `python:` counts the text of its own file, not of what that imports. `hf:` counts
    configuration and weights, `live:` the source text of the module's classes, its structure and
    its state dict.

    Raises:
        InputError: If a file is absent, or source or arguments are wrong.
    """
    kind, name = sources.split(model, field=field)
    parts: dict[str, Any] = {"kind": kind}
    if kind == "builtin":
        parts["name"] = name
        parts["args"] = plain(zoo.arguments(name, model.args, field=field))
        parts["code"] = hashlib.sha256(inspect.getsource(zoo).encode()).hexdigest()
    elif kind == "python":
        path, function = python_source.split(name, base=base, field=field)
        parts |= {"function": function, "args": model.args, "code": _file(path)}
    elif kind == "hf":
        folder = hugging_face.folder_of(name, base=base, field=field)
        parts["args"] = model.args
        parts["files"] = {path.name: _file(path) for path in hugging_face.files(folder)}
    else:
        parts["module"] = _module(sources.live_module(name, live, field=field))
    if model.weights is not None:
        weights.check_file(base / model.weights, field=f"{field}.weights")
        parts["weights"] = _file(base / model.weights)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _file(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _module(module: nn.Module) -> str:
    digest = hashlib.sha256(repr(module).encode())
    for name, layer in module.named_modules():
        settings = {
            key: value
            for key, value in sorted(vars(layer).items())
            if isinstance(value, _PLAIN) and key != "training"
        }
        digest.update(f"{name}{json.dumps(settings)}".encode())
    for text in sorted({_source(type(layer)) for layer in module.modules()}):
        digest.update(text.encode())
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name}{value.dtype}{list(value.shape)}".encode())
        flat = value.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


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
