"""Head, heart, tail: the teacher scores the training samples, and only the heart is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedistill.core.curation import Curate
from edgedistill.core.labels import UNLABELLED
from edgedistill.core.stage import StageResult
from edgedistill.errors import Fault, InputError, PromiseError
from edgedistill.stages.curate.bounds import require_within_bounds
from edgedistill.stages.curate.curated import Curated, open_curation, write_curation
from edgedistill.stages.curate.ledger import NOBODY, class_ledger, first_takers, group_ledger
from edgedistill.stages.curate.scores import difficulty, score
from edgedistill.stages.curate.takings import suspects, takings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgedistill.core.stage import StageContext
    from edgedistill.data import Dataset
    from edgedistill.stages.curate.ledger import Ledger
    from edgedistill.stages.curate.scores import AnswerSource, Scores
    from edgedistill.stages.curate.takings import Taking

_NO_CUTS = Curate(suspect_labels=None)


@dataclass(frozen=True, eq=False)
class Curation:
    """Scores each training sample by the teacher's answers and cuts off head and tail.

    Data and answers are only read. What is written names samples by their place in the train split.
    """

    dataset: Dataset
    answers: AnswerSource
    """Of the teacher, on the train split."""
    config: Curate | None
    """None: samples are scored for a curriculum, all are kept and all labels believed."""
    members: Sequence[AnswerSource] = ()
    """Answers of each network, where the teacher is an ensemble."""

    def run(self, context: StageContext) -> StageResult:
        """Scores, cuts and writes.

        Raises:
            InputError: If a cut takes more of a class or group than the bounds allow, goes by a
                score that there is not, or the answers are not sound answers on these samples.
            PromiseError: If no sample is left, or what was written does not read back.
        """
        self._require_fitting_answers()
        labels = np.asarray(self.dataset.train.labels)
        config = self.config or _NO_CUTS
        scores = score(self.answers, labels, members=self.members, progress=context.progress)
        cuts = takings(config, scores, labels)
        takers = first_takers(cuts, len(labels))
        ledgers = self._ledgers(cuts, takers, labels, scores)
        require_within_bounds(config, cuts, ledgers)
        curated = _heart(cuts, takers, scores)
        facts = {
            **_totals(curated, takers, labels, scores),
            "cuts": [_cut_facts(place, cut, ledgers) for place, cut in enumerate(cuts)],
            "suspect_labels": _suspect_facts(config, scores, labels, ledgers),
            "classes": ledgers[0].facts(),
            "groups": ledgers[1].facts() if len(ledgers) > 1 else None,
        }
        write_curation(context.folder, curated, scores.columns, facts)
        _prove_written(context.folder, curated)
        return StageResult(facts)

    def _ledgers(
        self, cuts: list[Taking], takers: np.ndarray, labels: np.ndarray, scores: Scores
    ) -> list[Ledger]:
        """By class, and by group where the data has groups."""
        classes = np.where(labels == UNLABELLED, scores.verdicts, labels)
        ledgers = [class_ledger(cuts, takers, classes, self.dataset.class_names)]
        if self.dataset.train.groups is not None:
            ledgers.append(group_ledger(cuts, takers, self.dataset.train.groups))
        return ledgers

    def _require_fitting_answers(self) -> None:
        expected = [len(self.dataset.train), len(self.dataset.class_names)]
        named = {"answers": self.answers} | {
            f"members[{place}]": member for place, member in enumerate(self.members)
        }
        faults = [
            Fault(
                field=name,
                given=f"[samples, classes] {[source.samples, source.classes]}",
                problem=f"the answers are not about these {expected[0]} training samples of "
                f"{expected[1]} classes",
                remedy="Ask the teacher about this data set",
            )
            for name, source in named.items()
            if [source.samples, source.classes] != expected or source.views < 1
        ]
        if faults:
            raise InputError(*faults)


def _heart(cuts: list[Taking], takers: np.ndarray, scores: Scores) -> Curated:
    kept = np.ones(len(takers), dtype=bool)
    hidden = np.zeros(len(takers), dtype=bool)
    for cut in cuts:
        if cut.hides:
            hidden[cut.taken] = True
        else:
            kept[cut.taken] = False
    return Curated(np.flatnonzero(kept), hidden, difficulty(scores, hidden))


def _totals(
    curated: Curated, takers: np.ndarray, labels: np.ndarray, scores: Scores
) -> dict[str, Any]:
    labelled = int((labels != UNLABELLED).sum())
    agreeing = labelled - int(scores.contradicted.sum())
    return {
        "samples": len(takers),
        "labelled": labelled,
        "kept": len(curated.kept),
        "removed": len(takers) - len(curated.kept),
        "hidden": int(curated.hidden[curated.kept].sum()),
        "untouched": int((takers == NOBODY).sum()),
        "agreement_with_labels": agreeing / labelled if labelled else None,
        "scores": list(scores.columns),
    }


def _cut_facts(place: int, cut: Taking, ledgers: list[Ledger]) -> dict[str, Any]:
    """What one cut did; `taken` are the samples that no cut before it had reached."""
    return {
        "field": cut.field,
        "score": cut.score,
        cut.setting: cut.given,
        "takes": "label" if cut.hides else "sample",
        "last_score": float(cut.scores[cut.count - 1]) if cut.count else None,
        "reached": cut.count,
        "taken": int(ledgers[0].taken[place].sum()),
        "classes": ledgers[0].of(ledgers[0].taken[place]),
        "groups": ledgers[1].of(ledgers[1].taken[place]) if len(ledgers) > 1 else None,
    }


def _suspect_facts(
    config: Curate, scores: Scores, labels: np.ndarray, ledgers: list[Ledger]
) -> dict[str, Any] | None:
    if config.suspect_labels is None:
        return None
    found = suspects(config.suspect_labels, scores, labels)
    return {
        "threshold": found.given,
        "action": config.suspect_labels.action,
        "contradicted": len(found.order),
        "found": found.count,
        "classes": ledgers[0].of(ledgers[0].count(found.taken)),
        "groups": ledgers[1].of(ledgers[1].count(found.taken)) if len(ledgers) > 1 else None,
    }


def _prove_written(folder: Path, curated: Curated) -> None:
    """Something must be left, and the files must say what was decided."""
    found = None
    if not len(curated.kept):
        found = "none"
    else:
        written = open_curation(folder)
        pairs = (
            (written.kept, curated.kept),
            (written.hidden, curated.hidden),
            (written.difficulty, curated.difficulty),
        )
        if not all(np.array_equal(one, other) for one, other in pairs):
            found = "files that say something else than was decided"
    if found:
        raise PromiseError(
            stage="curate",
            promised="at least one sample to learn from, and files that read back",
            found=found,
            remedy="This is a fault in edgedistill; please report it",
        )
