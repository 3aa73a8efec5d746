"""Weights in safetensors files, matched strictly. Pickles are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import safetensors
import safetensors.torch
import torch
from pydantic import ValidationError

from edgedistill.core.preprocessing import METADATA_KEY, Preprocessing
from edgedistill.errors import Fault, InputError, PromiseError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_SHOWN = 8


def check_file(path: Path, *, field: str) -> None:
    """Refuses what is not a safetensors file, or is not there, without reading it.

    Args:
        path: The file.
        field: The recipe's key that names it, for the error.

    Raises:
        InputError: If it is a pickle, another format, or absent.
    """
    if path.suffix in _PICKLES:
        raise InputError(
            Fault(
                file=path,
                field=field,
                problem="is a pickle, and loading a pickle runs whatever code it holds",
                remedy='Convert it once where you trust it: python -c "import torch, '
                f"safetensors.torch as s; s.save_file(torch.load('{path.name}', "
                f"weights_only=True), '{path.stem}.safetensors')\"",
            )
        )
    if path.suffix != ".safetensors":
        raise InputError(
            Fault(
                file=path,
                field=field,
                problem="is not a .safetensors file",
                remedy="Save the state dict with safetensors.torch.save_file",
            )
        )
    if not path.is_file():
        raise InputError(
            Fault(
                file=path,
                field=field,
                problem="the file does not exist",
                remedy="Check the path; relative paths start at the recipe's folder",
            )
        )


def read(path: Path, *, field: str) -> tuple[dict[str, torch.Tensor], Preprocessing | None]:
    """Tensors by name and, where the file declares one, its preprocessing.

    Raises:
        InputError: If the file is absent, a pickle, damaged, or holds NaN or infinity.
    """
    check_file(path, field=field)
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
    except safetensors.SafetensorError as error:
        raise InputError(
            Fault(
                file=path,
                field=field,
                problem=f"is damaged or not a safetensors file: {error}",
                remedy="Copy or download it again",
            )
        ) from error
    fault = not_finite(tensors)
    if fault:
        raise InputError(
            Fault(
                file=path,
                field=field,
                problem=f"holds NaN or infinity in {fault}",
                remedy="Train it again with a lower learning rate, or take an earlier checkpoint",
            )
        )
    return tensors, declared(metadata, path, field)


def write(tensors: Mapping[str, torch.Tensor], path: Path, *, preprocessing: Preprocessing) -> None:
    """Writes tensors with their preprocessing; equal tensors give equal bytes.

    Raises:
        PromiseError: If a tensor holds NaN or infinity.
    """
    fault = not_finite(tensors)
    if fault:
        raise PromiseError(
            stage="save",
            promised="finite weights",
            found=f"NaN or infinity in {fault}",
            remedy="Lower the learning rate",
        )
    own = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(tensors.items())
    }
    metadata = {METADATA_KEY: preprocessing.model_dump_json()}
    path.write_bytes(safetensors.torch.save(own, metadata))


def load_into(
    module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], *, file: Path, field: str
) -> None:
    """Puts the tensors into the network: every key must be there, no other, in the same shape.

    Raises:
        InputError: With all missing, unexpected and misshaped keys at once.
    """
    own = module.state_dict()
    problems = {
        "missing": [name for name in own if name not in tensors],
        "unexpected": [name for name in tensors if name not in own],
        "misshaped": [
            f"{name} {list(tensors[name].shape)} where the network has {list(own[name].shape)}"
            for name in own
            if name in tensors and tensors[name].shape != own[name].shape
        ],
        "of another type": [
            f"{name} {tensors[name].dtype} where the network has {own[name].dtype}"
            for name in own
            if name in tensors
            and tensors[name].is_floating_point() != own[name].is_floating_point()
        ],
    }
    found = "; ".join(f"{kind}: {_listed(names)}" for kind, names in problems.items() if names)
    if found:
        raise InputError(
            Fault(
                file=file,
                field=field,
                problem=f"the weights do not fit the network ({found})",
                remedy="Give the weights of this very network, or change source and args",
            )
        )
    module.load_state_dict(tensors)


def require_preprocessing(
    declared: Preprocessing | None, expected: Preprocessing, *, file: Path, field: str
) -> None:
    """Refuses weights that were trained on otherwise prepared samples; no declaration is accepted.

    Raises:
        InputError: With every key that differs.
    """
    if declared is None or declared == expected:
        return
    theirs, ours = declared.model_dump(mode="json"), expected.model_dump(mode="json")
    differ = [
        f"{key} {theirs[key]} where the data has {ours[key]}"
        for key in ours
        if theirs[key] != ours[key]
    ]
    raise InputError(
        Fault(
            file=file,
            field=field,
            problem=f"its weights were made for another preprocessing ({'; '.join(differ)})",
            remedy="Set data.preprocessing to what the weights were made for",
        )
    )


def not_finite(tensors: Mapping[str, torch.Tensor]) -> str:
    """The names of the tensors that hold NaN or infinity, as text; empty where there is none."""
    return _listed(
        [
            name
            for name, tensor in tensors.items()
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
        ]
    )


def declared(metadata: Mapping[str, str], path: Path, field: str) -> Preprocessing | None:
    """The preprocessing that a file's metadata declares; None where it declares none.

    Raises:
        InputError: If what stands there is not one.
    """
    text = metadata.get(METADATA_KEY)
    if text is None:
        return None
    try:
        return Preprocessing.model_validate_json(text)
    except ValidationError as error:
        raise InputError(
            Fault(
                file=path,
                field=field,
                given=text[:80],
                problem=f"its metadata {METADATA_KEY} cannot be read",
                remedy="Save it again without that key, or with this version of edgedistill",
            )
        ) from error


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
