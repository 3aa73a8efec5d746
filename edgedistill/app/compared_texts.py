"""Texts of a CSV file as samples of two models: which tokenizer, which columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgedistill.core.preprocessing import METADATA_KEY, Preprocessing
from edgedistill.core.recipe import Columns
from edgedistill.core.strict import plain
from edgedistill.data.brought import bring_texts
from edgedistill.data.tokens import IDS, MASK, Tokenizing
from edgedistill.errors import Fault, InputError
from edgedistill.stages.export.contract import read_preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.app.foreign_model import ForeignModel
    from edgedistill.core.quantized import ModelInput
    from edgedistill.data.brought import Brought

SEGMENTS = "token_type_ids"
"""An input of many encoders that tells two texts apart; there is one text, so it is 0."""
Origin = Literal["given", "model", "given over model"]


def texts_for(
    model: ForeignModel,
    declarer: Path,
    data: Path,
    given: Mapping[str, Any],
    columns: Columns | Mapping[str, Any] | None,
    *,
    labelled: bool,
) -> tuple[Brought, Origin]:
    """The rows of a CSV file, and who said how they become tokens.

    Args:
        model: What takes them.
        declarer: The ONNX file whose metadata may say how.
        data: The CSV file.
        given: `tokenizer` and `max_tokens`, as the caller says.
        columns: What its columns are called.
        labelled: Whether its labels are used.

    Raises:
        InputError: If the file, the tokenizer or what the model takes does not fit.
        MissingExtraError: If the package tokenizers is not installed.
    """
    if not data.is_file():
        raise InputError(
            Fault(file=data, problem="is not a file", remedy="Give the path of a CSV file")
        )
    called = (
        columns if isinstance(columns, Columns) else Columns.read(columns or {}, file="columns")
    )
    declared, origin, tokenizer = _declared(model, declarer, given)
    tokenizing = Tokenizing.open(tokenizer, declared)
    _require_token_inputs(model, tokenizing.contract.max_tokens or 0)
    return bring_texts(data, called, tokenizing, labelled=labelled), origin


def token_inputs(inputs: tuple[ModelInput, ...]) -> dict[str, str | None]:
    """Each input of a model to what the tokenizer calls it, None for what is all 0."""
    if len(inputs) == 1:
        return {inputs[0].name: IDS}
    return {one.name: one.name if one.name in (IDS, MASK) else None for one in inputs}


def _declared(
    model: ForeignModel, declarer: Path, given: Mapping[str, Any]
) -> tuple[Preprocessing, Origin, Path]:
    own = read_preprocessing(declarer)
    says = own is not None and own.kind == "text"
    base = plain(own) if own is not None and says else {}
    if "tokenizer" in given:
        base |= dict.fromkeys(("padding_id", "tokenizer_sha256", "vocabulary"))
    fixed = model.inputs[0].shape[1:2]
    if base.get("max_tokens") is None and fixed and fixed[0] is not None:
        base["max_tokens"] = fixed[0]
    keys = {"kind": "text", **base, **given}
    faults = [
        Fault(
            file=declarer,
            field=f"{METADATA_KEY}.{key}",
            problem="is declared nowhere, and a text cannot become an input without it",
            remedy=f"Give {flag}",
        )
        for key, flag in (
            ("tokenizer", "--tokenizer FILE, the tokenizer.json that the model was trained with"),
            ("max_tokens", "--max-tokens N, how many tokens the model takes"),
        )
        if keys.get(key) is None
    ]
    if faults:
        raise InputError(*faults)
    origin: Origin = "model" if not given else "given over model" if says else "given"
    if "tokenizer" in given:
        return Preprocessing.read(keys, file="preprocessing"), origin, Path(given["tokenizer"])
    # a name in metadata is that of a file beside the model, never a path
    beside = declarer.parent / Path(str(keys["tokenizer"])).name
    return Preprocessing.read(keys, file="preprocessing"), origin, beside


def _require_token_inputs(model: ForeignModel, tokens: int) -> None:
    several = len(model.inputs) > 1
    wrong = [
        one
        for one in model.inputs
        if one.dtype not in ("int32", "int64")
        or not one.fits((tokens,))
        or (several and one.name not in (IDS, MASK, SEGMENTS))
    ]
    if wrong:
        raise InputError(
            Fault(
                file=model.file,
                field=", ".join(one.name for one in wrong),
                given=", ".join(one.written() for one in wrong),
                problem=f"is not what a text becomes: {IDS} and {MASK}, int64 [batch, {tokens}]",
                remedy="Change --max-tokens, export the model with these inputs, or give tokens "
                "ready as .npz files",
            )
        )
