"""Log-probabilities of a teacher's tokens on disk: ragged arrays, mapped into memory.

```
response_offsets               int64    [responses + 1]; tokens of response r: from r to r + 1
tokens                         int32    [tokens]; the chosen ones
token_log_probabilities        float32  [tokens]
alternative_offsets            int64    [tokens + 1]; the top k of token t: from t to t + 1
alternatives                   int32    [alternatives]
alternative_log_probabilities  float32  [alternatives]
vocabulary_offsets             int64    [different tokens + 1]; bytes of token i: from i to i + 1
vocabulary                     uint8    [bytes]; UTF-8, where a token may be a part of a character
```

A token is a place in `vocabulary`, in the order of first appearance: it says what the teacher
wrote, not how its tokenizer numbers it, which the API does not tell.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Self

import numpy as np

from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from edgedistill.stages.respond.reply import Token

FOLDER = "log_probabilities"
DTYPES = {
    "response_offsets": "<i8",
    "tokens": "<i4",
    "token_log_probabilities": "<f4",
    "alternative_offsets": "<i8",
    "alternatives": "<i4",
    "alternative_log_probabilities": "<f4",
    "vocabulary_offsets": "<i8",
    "vocabulary": "|u1",
}
"""Array to its type on disk."""


@dataclass(frozen=True, eq=False)
class TokenTable:
    """What a teacher thought at each place of one response."""

    tokens: tuple[bytes, ...]
    """The chosen tokens."""
    log_probabilities: np.ndarray
    """Of the chosen tokens, float32 `[tokens]`."""
    alternatives: tuple[tuple[tuple[bytes, float], ...], ...]
    """The top k at each place with their log-probabilities, the likeliest first."""


@dataclass(frozen=True, eq=False)
class LogProbabilities:
    """The log-probabilities of all responses, mapped into memory, read-only."""

    arrays: dict[str, np.ndarray]
    """By the names in `DTYPES`."""

    def __len__(self) -> int:
        """How many responses there are."""
        return len(self.arrays["response_offsets"]) - 1

    @property
    def vocabulary(self) -> list[bytes]:
        """The different tokens; a token's number is its place here."""
        data, ends = self.arrays["vocabulary"].tobytes(), self.arrays["vocabulary_offsets"]
        return [data[start:end] for start, end in pairwise(ends)]

    def given(self, response: int) -> bool:
        """Whether the endpoint gave any for this response."""
        start, end = self.arrays["response_offsets"][response : response + 2]
        return bool(end > start)

    def table(self, response: int) -> TokenTable:
        """Tokens and log-probabilities of one response."""
        arrays = self.arrays
        start, end = (int(each) for each in arrays["response_offsets"][response : response + 2])
        ends = arrays["alternative_offsets"][start : end + 1]
        return TokenTable(
            tokens=tuple(self._token(number) for number in arrays["tokens"][start:end]),
            log_probabilities=arrays["token_log_probabilities"][start:end],
            alternatives=tuple(
                tuple(
                    (self._token(number), float(value))
                    for number, value in zip(
                        arrays["alternatives"][first:last],
                        arrays["alternative_log_probabilities"][first:last],
                        strict=True,
                    )
                )
                for first, last in pairwise(ends)
            ),
        )

    def _token(self, number: int) -> bytes:
        start, end = self.arrays["vocabulary_offsets"][number : number + 2]
        return bytes(self.arrays["vocabulary"][start:end].tobytes())


@dataclass(frozen=True)
class Sizes:
    """How long the arrays are; known before they are written."""

    responses: int
    tokens: int
    alternatives: int
    vocabulary: dict[bytes, int]
    """Token to its number."""

    @property
    def lengths(self) -> dict[str, int]:
        """Array to its length."""
        return {
            "response_offsets": self.responses + 1,
            "tokens": self.tokens,
            "token_log_probabilities": self.tokens,
            "alternative_offsets": self.tokens + 1,
            "alternatives": self.alternatives,
            "alternative_log_probabilities": self.alternatives,
            "vocabulary_offsets": len(self.vocabulary) + 1,
            "vocabulary": sum(len(token) for token in self.vocabulary),
        }


def measure(rows: Iterable[tuple[Token, ...] | None]) -> Sizes:
    """Looks through the tokens of all responses; None stands for none given."""
    responses = tokens = alternatives = 0
    vocabulary: dict[bytes, int] = {}
    for row in rows:
        responses += 1
        for token in row or ():
            tokens += 1
            alternatives += len(token.likeliest)
            for candidate in (token.chosen, *token.likeliest):
                vocabulary.setdefault(candidate.token, len(vocabulary))
    return Sizes(responses, tokens, alternatives, vocabulary)


def write_log_probabilities(
    folder: Path, rows: Callable[[], Iterator[tuple[Token, ...] | None]]
) -> None:
    """Writes the arrays response by response, so that memory stays flat.

    Args:
        folder: Where to; made.
        rows: Gives the tokens of each response in order; called twice.
    """
    sizes = measure(rows())
    number = sizes.vocabulary
    folder.mkdir()
    with ExitStack() as stack:
        columns = {name: stack.enter_context(_Column(folder, name, sizes)) for name in DTYPES}
        columns["response_offsets"].add([0])
        columns["alternative_offsets"].add([0])
        tokens = alternatives = 0
        for row in rows():
            for token in row or ():
                alternatives += len(token.likeliest)
                columns["tokens"].add([number[token.chosen.token]])
                columns["token_log_probabilities"].add([token.chosen.log_probability])
                columns["alternative_offsets"].add([alternatives])
                columns["alternatives"].add([number[one.token] for one in token.likeliest])
                columns["alternative_log_probabilities"].add(
                    [one.log_probability for one in token.likeliest]
                )
            tokens += len(row or ())
            columns["response_offsets"].add([tokens])
        columns["vocabulary_offsets"].add([*accumulate(map(len, number), initial=0)])
        columns["vocabulary"].add(list(b"".join(number)))


class _Column:
    """One array on its way to the disk; its length stands in its head before its values come."""

    def __init__(self, folder: Path, name: str, sizes: Sizes) -> None:
        self._file = (folder / f"{name}.npy").open("wb")
        self._dtype = np.dtype(DTYPES[name])
        shape = (sizes.lengths[name],)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, values: Sequence[int] | Sequence[float]) -> None:
        """Writes the next values."""
        self._file.write(np.asarray(values, self._dtype).tobytes())


def open_log_probabilities(folder: Path) -> LogProbabilities:
    """The arrays of a folder that `write_log_probabilities` made.

    Raises:
        InputError: If one is missing, cut short or does not fit the others.
    """
    arrays = {name: _load(folder / f"{name}.npy", dtype) for name, dtype in DTYPES.items()}
    for name, found in _misfits(arrays):
        raise damaged(folder / f"{name}.npy", found)
    return LogProbabilities(arrays)


def _misfits(arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    """Arrays that do not fit the others, and how."""
    bounds = {
        "response_offsets": len(arrays["tokens"]),
        "alternative_offsets": len(arrays["alternatives"]),
        "vocabulary_offsets": len(arrays["vocabulary"]),
    }
    for name, end in bounds.items():
        offsets = arrays[name]
        if (
            not len(offsets)
            or offsets[0] != 0
            or offsets[-1] != end
            or (np.diff(offsets) < 0).any()
        ):
            yield name, "offsets that do not fit"
    if len(arrays["alternative_offsets"]) != len(arrays["tokens"]) + 1:
        yield "alternative_offsets", "another length than the tokens'"
    known = len(arrays["vocabulary_offsets"]) - 1
    for name, logs in (
        ("tokens", "token_log_probabilities"),
        ("alternatives", "alternative_log_probabilities"),
    ):
        numbers, values = arrays[name], arrays[logs]
        if len(values) != len(numbers) or not np.isfinite(values).all():
            yield logs, "values that are missing or not finite"
        if ((numbers < 0) | (numbers >= known)).any():
            yield name, "numbers outside the vocabulary"


def damaged(path: Path, found: str) -> InputError:
    """What to tell of a stored response that cannot be read."""
    return InputError(
        Fault(
            file=path,
            given=found,
            problem="the teacher's responses cannot be read",
            remedy="Delete the folder of this step and run again; they are asked anew",
        )
    )


def _load(path: Path, dtype: str) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, str(error)) from error
    if array.dtype != np.dtype(dtype) or array.ndim != 1:
        raise damaged(path, f"{array.dtype} {array.shape}")
    return np.asanyarray(array)
