"""What an ONNX file says about itself: its preprocessing and its classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgedistill.core.preprocessing import METADATA_KEY, Preprocessing
from edgedistill.core.strict import plain
from edgedistill.cost.model_file import read_metadata
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLASS_NAMES_KEY = "edgedistill.class_names"
"""The key under which an ONNX file carries its class names as a JSON list."""


def contract(preprocessing: Preprocessing, class_names: Sequence[str]) -> dict[str, str]:
    """The metadata a model file carries, key to JSON text; equal input gives equal text."""
    return {
        METADATA_KEY: json.dumps(plain(preprocessing), sort_keys=True),
        CLASS_NAMES_KEY: json.dumps(list(class_names), ensure_ascii=False),
    }


def read_preprocessing(model: Path) -> Preprocessing | None:
    """The preprocessing an ONNX file declares; None where it declares none.

    Raises:
        InputError: If the file cannot be read or what it declares is not a preprocessing.
    """
    text = read_metadata(model).get(METADATA_KEY)
    if text is None:
        return None
    return Preprocessing.read(_json(text, model, METADATA_KEY), file=model)


def read_class_names(model: Path) -> tuple[str, ...] | None:
    """The classes an ONNX file tells apart, in order; None where it does not say.

    Raises:
        InputError: If the file cannot be read or what it declares is not a list of names.
    """
    text = read_metadata(model).get(CLASS_NAMES_KEY)
    if text is None:
        return None
    names = _json(text, model, CLASS_NAMES_KEY)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(_damaged(model, CLASS_NAMES_KEY, text))
    return tuple(names)


def require_preprocessing(model: Path, expected: Preprocessing) -> None:
    """Refuses a file that does not declare just this preprocessing.

    Raises:
        InputError: If it declares none, or another: one fault for each key that differs.
    """
    declared = read_preprocessing(model)
    if declared is None:
        raise InputError(
            Fault(
                file=model,
                field=METADATA_KEY,
                problem="the model does not say how its inputs are preprocessed",
                remedy="Export it with edgedistill, or write the preprocessing into the file's "
                "metadata under this key as JSON",
            )
        )
    found, wanted = plain(declared), plain(expected)
    faults = [
        Fault(
            file=model,
            field=f"{METADATA_KEY}.{key}",
            given=json.dumps(found[key]),
            problem=f"the model was made for another preprocessing than the data's, which is "
            f"{json.dumps(wanted[key])}",
            remedy="Declare the same preprocessing for the data, or use a model made for it",
        )
        for key in wanted
        if found[key] != wanted[key]
    ]
    if faults:
        raise InputError(*faults)


def _json(text: str, model: Path, key: str) -> object:
    try:
        document: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(_damaged(model, key, text)) from error
    return document


def _damaged(model: Path, key: str, text: str) -> Fault:
    return Fault(
        file=model,
        field=key,
        given=text if len(text) <= 80 else text[:77] + "...",
        problem="this metadata is damaged",
        remedy="Export the model again",
    )
