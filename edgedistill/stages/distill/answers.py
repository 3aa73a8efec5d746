"""A teacher's answers: asked once on every view of every sample, kept on disk, looked up later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedistill.core.stage import StageResult
from edgedistill.errors import Fault, InputError, PromiseError
from edgedistill.stages.distill.feed import feed_of
from edgedistill.stages.distill.reproducible import reproducible
from edgedistill.tasks import UNLABELLED
from edgedistill.units import bytes_to_mb

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from edgedistill.core.stage import Advance, StageContext
    from edgedistill.data import Dataset
    from edgedistill.models import Network
    from edgedistill.stages.distill.feed import Feed

_ANSWERS_FILE = "answers.npy"
_FACTS_FILE = "answers.json"
_BATCH_SIZE = 256
_DTYPE = np.dtype("<f4")


@dataclass(frozen=True, eq=False)
class Teach:
    """Writes a teacher's logits on every view of every training sample.

    They go to disk batch by batch, so memory stays flat however many samples there are: an array
    float32 `[views, samples, classes]` in `answers.npy`, made to be mapped into memory.
    """

    network: Network
    """The teacher; it is asked, never changed."""
    dataset: Dataset

    def run(self, context: StageContext) -> StageResult:
        """Asks the teacher.

        Raises:
            PromiseError: If an answer is not finite or not of the right shape.
        """
        split, path = self.dataset.train, context.folder / _ANSWERS_FILE
        shape = (split.views, len(split), len(self.dataset.class_names))
        steps = split.views * -(-len(split) // _BATCH_SIZE)
        with (
            reproducible(seed=context.seed, threads=context.threads),
            context.progress.track("asking the teacher", steps) as advance,
            path.open("wb") as file,
        ):
            header = {"descr": _DTYPE.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            feed = feed_of(self.network)
            right = [self._ask(feed, view, file, advance) for view in range(split.views)]
        facts = _facts(shape, right, labelled=int((split.labels != UNLABELLED).sum()))
        text = json.dumps(facts, indent=2, allow_nan=False) + "\n"
        (context.folder / _FACTS_FILE).write_text(text, encoding="utf-8")
        open_answers(context.folder)
        return StageResult(facts)

    def _ask(self, feed: Feed, view: int, file: BinaryIO, advance: Advance) -> int:
        """Writes the answers on one view; gives how many of the labelled samples were right."""
        split, classes, right = self.dataset.train, len(self.dataset.class_names), 0
        for indices, logits in feed.answers(split, batch_size=_BATCH_SIZE, view=view):
            self._require_sound(logits, (len(indices), classes))
            file.write(np.ascontiguousarray(logits, dtype=_DTYPE).tobytes())
            right += int((logits.argmax(axis=1) == split.labels[indices]).sum())
            advance()
        return right

    def _require_sound(self, logits: np.ndarray, shape: tuple[int, int]) -> None:
        found = None
        if logits.shape != shape:
            found = f"shape {list(logits.shape)}"
        elif not np.isfinite(logits).all():
            found = f"{int((~np.isfinite(logits)).any(axis=1).sum())} samples with NaN or infinity"
        if found:
            raise PromiseError(
                stage="teach",
                promised=f"finite answers of shape {list(shape)}",
                found=found,
                remedy="Check the teacher's weights, and that the preprocessing of the data is the "
                "one it was trained with",
            )


def open_answers(folder: Path) -> np.ndarray:
    """A teacher's answers, float32 `[views, samples, classes]`, mapped into memory, read-only.

    Args:
        folder: Where `Teach` wrote them.

    Raises:
        InputError: If they are missing, cut short or not what was written.
    """
    path = folder / _ANSWERS_FILE
    try:
        answers = np.load(path, mmap_mode="r", allow_pickle=False)
        facts = json.loads((folder / _FACTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    shape = tuple(facts[key] for key in ("views", "samples", "classes"))
    if answers.shape != shape or answers.dtype != _DTYPE:
        raise _unreadable(path, f"{answers.dtype} {answers.shape}, expected float32 {shape}")
    return np.asanyarray(answers)


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(
        Fault(
            file=path,
            problem="the teacher's answers cannot be read",
            given=found,
            remedy="Delete the folder of this step and run again; they are asked anew",
        )
    )


def _facts(shape: tuple[int, int, int], right: list[int], *, labelled: int) -> dict[str, Any]:
    views, samples, classes = shape
    return {
        "views": views,
        "samples": samples,
        "classes": classes,
        "size_mb": bytes_to_mb(views * samples * classes * _DTYPE.itemsize),
        "labelled": labelled,
        "agreement_with_labels": [count / labelled for count in right] if labelled else None,
    }
