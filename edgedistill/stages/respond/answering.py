"""From stored responses to verdicts: how probable each class is for each sample of each split."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedistill.core.stage import StageResult
from edgedistill.errors import Fault, InputError, PromiseError
from edgedistill.stages.respond.class_names import ClassNames
from edgedistill.stages.respond.responses import open_responses
from edgedistill.stages.respond.verdicts import joined, not_understood, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edgedistill.core.endpoint import Endpoint
    from edgedistill.core.stage import StageContext
    from edgedistill.stages.respond.verdicts import Verdict

VERDICTS_FILE = "verdicts.npy"
UNDERSTOOD_FILE = "understood.npy"
LEAST_PROBABILITY = 1e-6
"""No class is kept as less probable: a logarithm must be finite, and no student is to learn that
something cannot be from what a list of 20 tokens leaves out."""


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What a teacher said of the samples of one split, mapped into memory."""

    log_probabilities: np.ndarray
    """float32 `[samples, classes]`; all alike where the answer was not understood."""
    understood: np.ndarray
    """Whether the answer names a class, bool `[samples]`."""


@dataclass(frozen=True, eq=False)
class Answering:
    """Writes what stored responses say of the classes: a folder for each split.

    The responses are those to one question about each sample, split after split.
    """

    responses: Path
    """The folder that `Responding` wrote."""
    splits: Mapping[str, int]
    """Name and number of samples of each split, in the order in which they were asked."""
    class_names: tuple[str, ...]
    endpoint: Endpoint
    """How empty, truncated and refused answers are handled: a dropped one is not understood."""
    sure: float
    """Probability of the class that an answer without log-probabilities names."""

    def run(self, context: StageContext) -> StageResult:
        """Reads each response and writes the verdicts.

        Raises:
            InputError: If the responses cannot be read, no answer could name a class or tell two
                apart, or not one answer about the training samples was understood.
            PromiseError: If there are not as many responses as there should be.
        """
        names = ClassNames.of(self.class_names)
        verdicts = self._verdicts(names)
        facts = {
            split: self._write(context.folder / split, [next(verdicts) for _ in range(samples)])
            for split, samples in self.splits.items()
        }
        for split, samples in self.splits.items():
            _prove(context.folder / split, (samples, len(names.plain)))
        if not facts["train"]["understood"]:
            raise self._none_understood()
        told = all(one["from_tokens"] == one["understood"] for one in facts.values())
        return StageResult(
            {
                "samples": sum(self.splits.values()),
                "understood": sum(one["understood"] for one in facts.values()),
                "not_understood": sum(one["not_understood"] for one in facts.values()),
                "distillation": "token-level top-k" if told else "sequence-level",
                "splits": facts,
            }
        )

    def _verdicts(self, names: ClassNames) -> Iterator[Verdict]:
        """The verdict on each sample, in the order in which they were asked."""
        responses = open_responses(self.responses)
        each = self.endpoint.samples_per_prompt
        expected = sum(self.splits.values()) * each
        if len(responses) != expected:
            raise PromiseError(
                stage="verdicts",
                promised=f"a response to each of {expected} questions",
                found=str(len(responses)),
                remedy="This is an error of edgedistill; please report it",
            )
        kept, logs = set(responses.kept(self.endpoint)), responses.log_probabilities
        for first in range(0, expected, each):
            several = []
            for place in range(first, first + each):
                if place not in kept:
                    several.append(not_understood(len(names.plain)))
                    continue
                table = logs.table(place) if logs is not None and logs.given(place) else None
                text = responses.all[place].text
                several.append(verdict(text, table, names, sure=self.sure))
            yield joined(several)

    def _write(self, folder: Path, verdicts: list[Verdict]) -> dict[str, Any]:
        folder.mkdir()
        probabilities = np.array([one.probabilities for one in verdicts])
        understood = np.array([one.basis != "nothing" for one in verdicts])
        logs = np.log(np.maximum(probabilities, LEAST_PROBABILITY)).astype(np.float32)
        np.save(folder / VERDICTS_FILE, logs, allow_pickle=False)
        np.save(folder / UNDERSTOOD_FILE, understood, allow_pickle=False)
        counts = Counter(logs[understood].argmax(axis=1).tolist())
        return {
            "samples": len(verdicts),
            "understood": int(understood.sum()),
            "not_understood": int((~understood).sum()),
            "from_tokens": sum(one.basis == "tokens" for one in verdicts),
            "classes": {name: counts[place] for place, name in enumerate(self.class_names)},
        }

    def _none_understood(self) -> InputError:
        said = next(iter(open_responses(self.responses).texts), "")
        return InputError(
            Fault(
                file=self.responses,
                field="teacher.question",
                given=repr(said[:80]),
                problem="no answer to it names a class alone, so there is nothing to learn",
                remedy="Ask for the class alone, name the {classes} in the question, raise "
                "endpoint.max_tokens if answers are cut, or set endpoint.truncated: keep",
            )
        )


def open_verdicts(folder: Path) -> Verdicts:
    """What `Answering` wrote of one split.

    Raises:
        InputError: If it is missing or cut short.
    """
    return Verdicts(_load(folder / VERDICTS_FILE), _load(folder / UNDERSTOOD_FILE))


def _load(path: Path) -> np.ndarray:
    try:
        return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            Fault(
                file=path,
                given=str(error),
                problem="what the teacher said cannot be read",
                remedy="Delete the folder of this step and run again; nothing is asked anew",
            )
        ) from error


def _prove(folder: Path, shape: tuple[int, int]) -> None:
    found = open_verdicts(folder)
    logs, understood = found.log_probabilities, found.understood
    sums = np.exp(logs.astype(np.float64)).sum(axis=1)
    most = shape[1] * LEAST_PROBABILITY + 1e-5
    sound = logs.shape == shape and understood.shape == shape[:1] and np.isfinite(logs).all()
    if not sound or not (np.abs(sums - 1) <= most).all():
        raise PromiseError(
            stage="verdicts",
            promised=f"finite log-probabilities {list(shape)} of classes that add up to 1",
            found=f"{list(logs.shape)} in {folder.name}",
            remedy="This is an error of edgedistill; please report it",
        )
