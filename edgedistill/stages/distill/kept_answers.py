"""A teacher's answers as they are found on disk: mapped into memory, looked up row by row."""

from __future__ import annotations

import io
import json
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field

from edgedistill.core.strict import Strict, plain
from edgedistill.errors import Fault, InputError
from edgedistill.stages.distill.answer_rows import RowForm
from edgedistill.units import bytes_to_mb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.core.learning import Answers

FILE = "answers.npy"
FACTS_FILE = "answers.json"
_FIELD = "stages.answers.max_size_mb"


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

    @classmethod
    def of(
        cls, form: RowForm, *, views: int, samples: int, labelled: int, right: Sequence[int]
    ) -> Self:
        """The facts of answers in a form.

        Args:
            form: How they are kept.
            views: How many views of each sample the teacher was asked about.
            samples: How many samples.
            labelled: How many of them have a label.
            right: On how many of those the teacher is right, view by view.
        """
        return cls(
            views=views,
            samples=samples,
            classes=form.classes,
            precision=form.precision,
            top_k=form.top_k,
            size_mb=bytes_to_mb(file_bytes(form, views=views, samples=samples)),
            labelled=labelled,
            agreement_with_labels=tuple(count / labelled for count in right) if labelled else None,
        )


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


def require_room(form: RowForm, config: Answers, *, views: int, samples: int) -> None:
    """Refuses answers that would be larger on disk than the recipe allows.

    Raises:
        InputError: With the ways to make room.
    """
    needed = bytes_to_mb(file_bytes(form, views=views, samples=samples))
    if needed <= config.max_size_mb:
        return
    ways = [f"Raise it to {needed:.6g} or more"]
    if config.precision == "float32":
        ways.append("keep them as stages.answers.precision: float16")
    if form.top_k is None:
        ways.append("keep the highest classes alone with stages.answers.top_k")
    if views > 1:
        ways.append("give fewer data.augmentation.views")
    raise InputError(
        Fault(
            field=_FIELD,
            given=f"{config.max_size_mb:g}",
            problem=f"the teacher's answers need {needed:.6g} MB on disk",
            remedy=", or ".join(ways),
        )
    )


def write_facts(folder: Path, facts: AnswerFacts) -> dict[str, Any]:
    """Writes the facts beside the answers; gives them as plain values."""
    text = json.dumps(plain(facts), indent=2, allow_nan=False) + "\n"
    (folder / FACTS_FILE).write_text(text, encoding="utf-8")
    return plain(facts)


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
