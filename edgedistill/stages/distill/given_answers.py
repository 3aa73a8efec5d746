"""Answers that a teacher has given elsewhere, kept as those that are asked for here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.core.learning import Answers
from edgedistill.core.stage import StageResult
from edgedistill.errors import PromiseError
from edgedistill.stages.distill.answer_rows import RowForm
from edgedistill.stages.distill.kept_answers import (
    FILE,
    AnswerFacts,
    header,
    open_answers,
    require_room,
    write_facts,
)
from edgedistill.tasks import UNLABELLED

if TYPE_CHECKING:
    from edgedistill.core.stage import StageContext
    from edgedistill.data import Dataset

_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Keep:
    """Writes given logits on every training sample in the form that students read."""

    logits: np.ndarray
    """float32 `[samples, classes]`, possibly mapped into memory; log-probabilities are logits."""
    answered: np.ndarray
    """Whether the teacher chose a class, bool `[samples]`: where it did not, it is not right."""
    dataset: Dataset
    """Of one view."""
    config: Answers = field(default_factory=Answers)

    def run(self, context: StageContext) -> StageResult:
        """Packs the answers, some at a time.

        Raises:
            InputError: If they would be larger on disk than allowed.
            PromiseError: If there is not one finite answer per class to each training sample.
        """
        split, classes = self.dataset.train, len(self.dataset.class_names)
        form = RowForm.of(self.config, classes=classes)
        require_room(form, self.config, views=1, samples=len(split))
        if self.logits.shape != (len(split), classes) or split.views != 1:
            raise _unfit(f"{list(self.logits.shape)}", (split.views, len(split), classes))
        right = 0
        with (context.folder / FILE).open("wb") as file:
            file.write(header(form, views=1, samples=len(split)))
            for start in range(0, len(split), _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                logits = np.array(self.logits[part], np.float32)
                if not np.isfinite(logits).all():
                    raise _unfit("NaN or infinity", (1, len(split), classes))
                rows = form.pack(logits)
                file.write(rows.tobytes())
                hit = (form.best(rows) == split.labels[part]) & self.answered[part]
                right += int(hit.sum())
        labelled = int((split.labels != UNLABELLED).sum())
        facts = AnswerFacts.of(form, views=1, samples=len(split), labelled=labelled, right=[right])
        written = write_facts(context.folder, facts)
        open_answers(context.folder)
        return StageResult(written)


def _unfit(found: str, shape: tuple[int, int, int]) -> PromiseError:
    return PromiseError(
        stage="teach",
        promised=f"finite answers [views, samples, classes] {list(shape)}",
        found=found,
        remedy="This is an error of edgedistill; please report it",
    )
