"""Texts to token numbers, by a tokenizer.json of the `tokenizers` library. It is data, not code."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedistill.errors import Fault, InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing

TOKENIZER_FILE = "tokenizer.json"
"""What the tokenizer is called in the prepared folder and beside a model that ships."""
IDS, MASK = "input_ids", "attention_mask"
DTYPE = np.dtype(np.int32)
"""Of token numbers on disk; a network gets int64."""
_PADDING_TOKENS = ("[PAD]", "<pad>", "<|pad|>")


@dataclass(frozen=True, eq=False)
class Tokenizing:
    """A tokenizer and how it is used.

    Attributes:
        content: The bytes of its file.
        contract: The preprocessing with nothing left open and without a path: what a model file
            carries.
        special_tokens: How many tokens it adds to each text.
        tokenizer: The library's own object, set to cut and fill up.
    """

    content: bytes
    contract: Preprocessing
    special_tokens: int
    tokenizer: Any

    @classmethod
    def open(cls, file: Path, preprocessing: Preprocessing) -> Tokenizing:
        """Reads a tokenizer file.

        Args:
            file: The tokenizer.json.
            preprocessing: What the recipe declares, of kind text.

        Raises:
            InputError: If the file is absent or no tokenizer, or is not what was declared.
            MissingExtraError: If the package tokenizers is not installed.
        """
        content = _content(file)
        tokenizer = _load(content, file)
        contract = _contract(tokenizer, content, preprocessing, file)
        special_tokens = tokenizer.num_special_tokens_to_add(is_pair=False)
        if contract.max_tokens is None or contract.max_tokens <= special_tokens:
            raise InputError(
                Fault(
                    field="data.preprocessing.max_tokens",
                    given=str(contract.max_tokens),
                    problem=f"leaves no room for the text: the tokenizer adds {special_tokens} "
                    "tokens of its own",
                    remedy="Give a larger number, for instance 32 for short questions",
                )
            )
        tokenizer.enable_truncation(max_length=contract.max_tokens)
        tokenizer.enable_padding(length=contract.max_tokens, pad_id=contract.padding_id)
        return cls(content, contract, special_tokens, tokenizer)

    def encode(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Token numbers and mask by input name, int32 `[len(texts), max_tokens]` each."""
        encodings = self.tokenizer.encode_batch(list(texts))
        return {
            IDS: np.array([each.ids for each in encodings], DTYPE),
            MASK: np.array([each.attention_mask for each in encodings], DTYPE),
        }


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            Fault(
                file=file,
                field="data.preprocessing.tokenizer",
                problem="does not exist" if not file.exists() else "cannot be read",
                remedy="Give the tokenizer.json that belongs to the network; transformers writes "
                "it with tokenizer.save_pretrained(DIR)",
            )
        ) from error


def _load(content: bytes, file: Path) -> Any:
    if importlib.util.find_spec("tokenizers") is None:
        raise MissingExtraError(extra="hf", package="tokenizers", needed_for="kind: text")
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(content.decode("utf-8"))
    except Exception as error:
        # The library raises plain Exception for what it cannot read; anything else is a defect.
        if type(error) not in (Exception, UnicodeDecodeError):
            raise
        raise InputError(
            Fault(
                file=file,
                field="data.preprocessing.tokenizer",
                given=str(error).splitlines()[0],
                problem="is not a tokenizer of the tokenizers library",
                remedy="Give a tokenizer.json; transformers writes one for a fast tokenizer with "
                "save_pretrained(DIR)",
            )
        ) from error


def _contract(tokenizer: Any, content: bytes, declared: Preprocessing, file: Path) -> Preprocessing:
    sha256 = hashlib.sha256(content).hexdigest()
    vocabulary = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
    faults = [
        Fault(
            file=file,
            field=f"data.preprocessing.{field}",
            given=str(wanted),
            problem=f"is not that of the tokenizer, which is {found}",
            remedy="Give the tokenizer that was meant, or leave the key out",
        )
        for field, wanted, found in (
            ("tokenizer_sha256", declared.tokenizer_sha256, sha256),
            ("vocabulary", declared.vocabulary, vocabulary),
        )
        if wanted not in (None, found)
    ]
    padding = _padding_id(tokenizer) if declared.padding_id is None else declared.padding_id
    if padding is None or padding >= vocabulary:
        faults.append(
            Fault(
                file=file,
                field="data.preprocessing.padding_id",
                given=None if padding is None else str(padding),
                problem="the tokenizer does not say which token fills up short texts"
                if padding is None
                else f"is no token: the tokenizer knows {vocabulary}",
                remedy="Give the number of a token that fills up, as the network's config has it "
                "(pad_token_id)",
            )
        )
    if faults:
        raise InputError(*faults)
    return declared.model_copy(
        update={
            "tokenizer": TOKENIZER_FILE,
            "padding_id": padding,
            "tokenizer_sha256": sha256,
            "vocabulary": vocabulary,
        }
    )


def _padding_id(tokenizer: Any) -> int | None:
    """The token that fills up, as the file sets it or by its usual names."""
    if tokenizer.padding is not None:
        own: int = tokenizer.padding["pad_id"]
        return own
    numbers = (tokenizer.token_to_id(token) for token in _PADDING_TOKENS)
    return next((number for number in numbers if number is not None), None)
