"""A teacher asked once on every view of every sample, its answers kept on disk."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgedistill.core.learning import Answers
from edgedistill.core.stage import StageResult
from edgedistill.errors import PromiseError
from edgedistill.stages.distill.answer_parts import PartFolder, cut
from edgedistill.stages.distill.answer_rows import RowForm
from edgedistill.stages.distill.feed import evaluating, feed_of
from edgedistill.stages.distill.kept_answers import (
    FILE,
    AnswerFacts,
    KeptAnswers,
    header,
    open_answers,
    require_room,
    write_facts,
)
from edgedistill.stages.distill.reproducible import reproducible
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgedistill.core.stage import StageContext
    from edgedistill.data import Dataset
    from edgedistill.models import Network
    from edgedistill.stages.distill.answer_parts import Part
    from edgedistill.stages.distill.feed import Feed

__all__ = ["KeptAnswers", "Teach", "open_answers"]


@dataclass(frozen=True, eq=False)
class Teach:
    """Writes a teacher's logits on every view of every training sample.

    They are asked part by part. A part goes into the checkpoint folder with its checksum, so that
    a killed step asks again only what it had not; several processes ask every so-manieth part each.
    A part always holds the same batches and draws from the same seed, so the bytes are the same
    however often the step was killed and however many processes there were. The first process
    then joins the parts to `answers.npy`, made to be mapped into memory; until the checkpoint
    folder goes, they take twice their size on disk. Memory stays flat in the number of samples.
    """

    network: Network
    """The teacher; it is asked, never changed."""
    dataset: Dataset
    config: Answers = field(default_factory=Answers)

    def run(self, context: StageContext) -> StageResult:
        """Asks the teacher what it was not asked before, and joins the answers.

        Raises:
            InputError: If the answers would be larger on disk than allowed.
            PromiseError: If an answer is not finite, not of the right shape or too large for
                float16, or if what another process wrote is not there.
            ValueError: If there are several processes and no checkpoint folder to meet in.
        """
        company, split = context.company, self.dataset.train
        require_room(self._form, self.config, views=split.views, samples=len(split))
        parts = cut(
            views=split.views,
            samples=len(split),
            batch_size=_batch_size(company.device),
            row_bytes=self._form.size_bytes,
        )
        with _place_of_parts(context) as place:
            self._ask_missing(parts[company.rank :: company.size], place, context)
            company.wait()
            facts = None
            if company.rank == 0:
                facts = self._join(parts, place, context.folder)
                open_answers(context.folder)
        return StageResult(company.share(facts))

    @property
    def _form(self) -> RowForm:
        return RowForm.of(self.config, classes=len(self.dataset.class_names))

    def _ask_missing(self, parts: list[Part], place: PartFolder, context: StageContext) -> None:
        with reproducible(seed=context.seed, threads=context.threads):
            feed = feed_of(self.network, device=context.company.device)
        steps = sum(len(part.batches()) for part in parts)
        with context.progress.track("asking the teacher", steps) as advance:
            for part in parts:
                if place.read(part) is not None:
                    advance(len(part.batches()), note="kept from before")
                    continue
                with reproducible(seed=context.seed, threads=context.threads):
                    content = bytearray()
                    for rows in self._ask(feed, part):
                        content += rows.tobytes()
                        advance()
                place.write(part, bytes(content))
        feed.module.cpu()

    def _ask(self, feed: Feed, part: Part) -> Iterator[np.ndarray]:
        """The rows of a part, batch by batch."""
        split, classes = self.dataset.train, len(self.dataset.class_names)
        with evaluating(feed.module), torch.no_grad():
            for indices in part.batches():
                answers = feed.logits(split.batch(indices, view=part.view))
                logits = answers.float().cpu().numpy()
                _require_sound(logits, (len(indices), classes))
                yield self._form.pack(logits)

    def _join(self, parts: list[Part], place: PartFolder, folder: Path) -> dict[str, object]:
        """Writes the files of the step; gives its facts."""
        split, form = self.dataset.train, self._form
        right = [0] * split.views
        with (folder / FILE).open("wb") as file:
            file.write(header(form, views=split.views, samples=len(split)))
            for part in parts:
                content = place.read(part)
                if content is None:
                    raise _missing(part)
                file.write(content)
                rows = np.frombuffer(content, form.dtype).reshape(-1, *form.shape)
                labels = split.labels[part.start : part.stop]
                right[part.view] += int((form.best(rows) == labels).sum())
        labelled = int((split.labels != UNLABELLED).sum())
        facts = AnswerFacts.of(
            form, views=split.views, samples=len(split), labelled=labelled, right=right
        )
        return write_facts(folder, facts)


@contextmanager
def _place_of_parts(context: StageContext) -> Iterator[PartFolder]:
    """Where the parts lie: they outlive a kill where there is a folder for that."""
    if context.checkpoint is not None:
        yield PartFolder(context.checkpoint)
        return
    if context.company.size > 1:
        raise ValueError("several processes ask a teacher together by way of a checkpoint folder")
    with TemporaryDirectory(dir=context.folder) as place:
        yield PartFolder(Path(place))


def _batch_size(device: str) -> int:
    """How many samples are asked about at once: part of what the last bit of an answer hangs on.

    A processor's caches hold what the layers of 64 pictures say better than of 256: a CNN of 37 M
    multiply-accumulates takes 0.8 of the time. A GPU is idle in between with so few.
    """
    return 64 if device == "cpu" else 256


def _require_sound(logits: np.ndarray, shape: tuple[int, int]) -> None:
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


def _missing(part: Part) -> PromiseError:
    return PromiseError(
        stage="teach",
        promised=f"the teacher's answers on samples {part.start} to {part.stop - 1} in view "
        f"{part.view}",
        found="none that is whole",
        remedy="See that all processes of the run reach its folder at the same place, and check "
        "the disk",
    )
