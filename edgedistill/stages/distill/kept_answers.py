"""A teacher's answers as they are found on disk: mapped into memory, looked up row by row."""

from __future__ import annotations

import io
import json
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from edgedistill.core.strict import Strict
from edgedistill.errors import Fault, InputError
from edgedistill.stages.distill.answer_rows import RowForm

if TYPE_CHECKING:
    from pathlib import Path

FILE = "answers.npy"
FACTS_FILE = "answers.json"


class AnswerFacts(Strict):
    """What a teacher was asked and how its answers are kept; answers.json holds it."""

    views: int = Field(ge=1)
    samples: int = Field(ge=1)
    classes: int = Field(ge=1)
    precision: Literal["float16", "float32"]
    top_k: int | None = Field(ge=1)
    """How many classes of each answer are kept; null: all."""
    size_mb: float = Field(gt=0)
    """Of answers.npy."""
    labelled: int = Field(ge=0)
    """How many of the samples have a label."""
    agreement_with_labels: tuple[float, ...] | None = Field(strict=False)
    """Share of the labelled samples on which the teacher is right, view by view; null where none
    has a label."""


@dataclass(frozen=True, eq=False)
class KeptAnswers:
    """A teacher's logits on every view of every training sample."""

    views: int
    samples: int
    classes: int
    form: RowForm
    rows: np.ndarray
    """`[views, samples, *form.shape]` of `form.dtype`, mapped into memory, read-only."""

    def logits(self, views: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """The answers on some samples; only their rows are read from disk.

        Those kept as float16 are the teacher's logits less the highest of each answer. Where only
        the highest are kept, the others of an answer share what remains of its probability evenly.

        Args:
            views: Which view of each sample, int `[batch]`.
            indices: Which samples, int `[batch]`.

        Returns:
            float32 `[batch, classes]`, contiguous, a copy.

        Raises:
            IndexError: If there is no such view or sample.
        """
        return self.form.unpack(self.rows[views, indices])


def header(form: RowForm, *, views: int, samples: int) -> bytes:
    """What the file of answers begins with: it is a .npy file."""
    stream = io.BytesIO()
    description = {
        "descr": np.lib.format.dtype_to_descr(form.dtype),
        "fortran_order": False,
        "shape": (views, samples, *form.shape),
    }
    np.lib.format.write_array_header_1_0(stream, description)
    return stream.getvalue()


def file_bytes(form: RowForm, *, views: int, samples: int) -> int:
    """The size of the file of answers."""
    return len(header(form, views=views, samples=samples)) + views * samples * form.size_bytes


def open_answers(folder: Path) -> KeptAnswers:
    """A teacher's answers, mapped into memory: opening them reads none.

    The run folder checks the checksums of its steps when it finds them; here it is checked that
    the file is of the very kind and size that its facts say.

    Args:
        folder: Where `Teach` wrote them.

    Raises:
        InputError: If they are missing, cut short or not what was written.
    """
    path, facts = folder / FILE, _read_facts(folder / FACTS_FILE)
    form = RowForm(facts.classes, facts.precision, facts.top_k)
    expected = header(form, views=facts.views, samples=facts.samples)
    expected_bytes = file_bytes(form, views=facts.views, samples=facts.samples)
    try:
        with path.open("rb") as file:
            found = file.read(len(expected))
            found_bytes = path.stat().st_size
            if found != expected:
                raise _unreadable(path, f"another kind of file than {FACTS_FILE} says")
            if found_bytes != expected_bytes:
                raise _unreadable(path, f"{found_bytes} bytes instead of {expected_bytes}")
            mapped = mmap.mmap(file.fileno(), expected_bytes, access=mmap.ACCESS_READ)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    # Else the kernel reads megabytes around each row, for a neighbour that is not asked for.
    mapped.madvise(mmap.MADV_RANDOM)
    rows = np.frombuffer(mapped, form.dtype, offset=len(expected))
    shape = (facts.views, facts.samples, *form.shape)
    return KeptAnswers(facts.views, facts.samples, facts.classes, form, rows.reshape(shape))


def _read_facts(path: Path) -> AnswerFacts:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    facts = AnswerFacts.read(document, file=path)
    if facts.top_k is not None and facts.top_k >= facts.classes:
        raise _unreadable(path, f"top_k {facts.top_k} of {facts.classes} classes")
    return facts


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(
        Fault(
            file=path,
            problem="the teacher's answers cannot be read",
            given=found,
            remedy="Delete the folder of this step and run again; they are asked anew",
        )
    )
