"""The first step of every run: from a source to a prepared folder."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgedistill.core.labels import UNLABELLED
from edgedistill.core.stage import StageContext, StageResult
from edgedistill.core.strict import plain
from edgedistill.data.checks import content_faults, train_class_faults
from edgedistill.data.contents import PART_NAMES, Contents, Part, Reader
from edgedistill.data.cutting import Cut, cut
from edgedistill.data.kept_texts import write_texts
from edgedistill.data.prepared import PreparedData, SplitName, write_description, write_split
from edgedistill.data.tokens import MASK
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.recipe import Augmentation, Splits
    from edgedistill.core.stage import Advance

_FORMAT = "edgedistill-dataset 1"
_SHOWN = 20


class Source(Protocol):
    """Where samples come from; its `run` is the stage that prepares them."""

    def fingerprint(self) -> str:
        """The sha256 of the samples and of everything done to them, as hex digits."""

    def run(self, context: StageContext) -> StageResult:
        """Writes the prepared data set into the context's folder.

        Raises:
            InputError: With all that is wrong with the samples.
        """


@dataclass(frozen=True, eq=False)
class Preparation:
    """A source: what a reader gives, checked, split and written as arrays."""

    reader: Reader
    splits: Splits
    augmentation: Augmentation

    def fingerprint(self) -> str:
        """The sha256 of the samples and of everything done to them, as hex digits."""
        words = {
            "format": _FORMAT,
            "name": self.reader.name,
            "source": self.reader.source,
            "samples": self.reader.fingerprint(),
            "preprocessing": plain(self.reader.preprocessing),
            "splits": plain(self.splits),
            "augmentation": plain(self.augmentation),
        }
        return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()

    def run(self, context: StageContext) -> StageResult:
        """Writes arrays and dataset.json, the same bytes for the same source.

        Raises:
            InputError: With all that is wrong with the samples.
        """
        if self.reader.runs_code:
            context.progress.say(f"Data: the code of {self.reader.source} runs to give the samples")
        contents = self.reader.read()
        class_names = self._checked_class_names(contents)
        cuts = cut(contents, class_names, self.splits, file=self.reader.file)
        faults = train_class_faults(_true_labels(cuts["train"]), class_names, self.reader.file)
        if faults:
            raise InputError(*faults)
        prepared = PreparedData(
            name=self.reader.name,
            source=self.reader.source,
            sha256=self.fingerprint(),
            class_names=class_names,
            preprocessing=self.reader.preprocessing,
            augmentation=self.augmentation,
            splits=self._write(cuts, contents.parts["train"], context),
            companions=tuple(contents.companions),
        )
        for name, content in contents.companions.items():
            (context.folder / name).write_bytes(content)
        write_description(context.folder, prepared)
        notes = [*self._notes(cuts, class_names), *_notes_on_texts(context.folder, prepared)]
        for note in notes:
            context.progress.say(f"Data: {note}")
        return StageResult(facts=_facts(prepared, cuts, contents.parts["train"], notes))

    def _checked_class_names(self, contents: Contents) -> tuple[str, ...]:
        faults = content_faults(
            contents,
            self.reader.preprocessing,
            augmented=self.augmentation.views > 1,
            file=self.reader.file,
        )
        if faults:
            raise InputError(*_first(faults))
        if contents.class_names is not None:
            return contents.class_names
        classes = 1 + max(int(part.labels.max()) for part in contents.parts.values())
        samples = len(contents.parts["train"].labels)
        if not 2 <= classes <= samples:
            raise InputError(
                Fault(
                    file=self.reader.file,
                    field="labels",
                    given=f"the highest label is {classes - 1}, {samples} train samples",
                    problem="do not number at least two classes from 0 without gaps",
                    remedy="Give labels 0, 1, 2, ... with samples of each",
                )
            )
        return tuple(str(label) for label in range(classes))

    def _write(
        self, cuts: dict[SplitName, Cut], train: Part, context: StageContext
    ) -> dict[SplitName, Any]:
        formats = train.samples.formats()
        total = sum(len(piece.indices) for piece in cuts.values())
        faults: list[Fault] = []
        written = {}
        with context.progress.track(f"Preparing {self.reader.name}", total) as advance:
            for name, piece in cuts.items():
                chunks = piece.part.samples.chunks(piece.indices, threads=context.threads)
                try:
                    written[name] = write_split(
                        context.folder,
                        name,
                        (_counted(chunk, advance) for chunk in chunks),
                        formats,
                        piece.labels,
                        piece.groups,
                    )
                except InputError as error:
                    faults += error.faults
                    continue
                texts = piece.part.samples.texts(piece.indices)
                if texts is not None:
                    file = f"{name}.texts.jsonl"
                    write_texts(context.folder / file, texts)
                    written[name] = written[name].model_copy(update={"texts": file})
        if faults:
            raise InputError(*_first(list(dict.fromkeys(faults))))
        return written

    def _notes(self, cuts: dict[SplitName, Cut], class_names: tuple[str, ...]) -> list[str]:
        notes = []
        drawn, train = len(cuts["calibration"].indices), len(cuts["train"].indices)
        if drawn < self.splits.calibration:
            notes.append(
                f"calibration asks for {self.splits.calibration} samples, but train has {train}: "
                f"all {drawn} are used"
            )
        for name in ("validation", "test"):
            if name not in cuts:
                continue
            absent = len(class_names) - len(np.unique(cuts[name].labels))
            if absent:
                notes.append(
                    f"{absent} of {len(class_names)} classes have no sample in the {name} split; "
                    "their accuracy stays unknown"
                )
        return notes


def _notes_on_texts(folder: Path, prepared: PreparedData) -> list[str]:
    """How many texts fill all their tokens, so that nobody cuts texts without knowing."""
    train, most = prepared.splits["train"], prepared.preprocessing.max_tokens
    if MASK not in train.inputs or prepared.preprocessing.kind != "text":
        return []
    mask = np.load(folder / train.inputs[MASK], mmap_mode="r", allow_pickle=False)
    full = int(np.count_nonzero(mask[:, -1]))
    if not full:
        return []
    return [
        f"{full} of {train.samples} train texts fill all {most} tokens; what is longer was cut "
        "(data.preprocessing.max_tokens)"
    ]


def _counted(chunk: dict[str, np.ndarray], advance: Advance) -> dict[str, np.ndarray]:
    advance(len(next(iter(chunk.values()))))
    return chunk


def _first(faults: list[Fault]) -> list[Fault]:
    if len(faults) <= _SHOWN:
        return faults
    more = Fault(problem=f"and {len(faults) - _SHOWN} more of this kind", remedy="Repair these too")
    return [*faults[:_SHOWN], more]


def _true_labels(piece: Cut) -> np.ndarray:
    return np.asarray(piece.part.labels[piece.indices], dtype=np.int64)


def _facts(
    prepared: PreparedData, cuts: dict[SplitName, Cut], train: Part, notes: list[str]
) -> dict[str, Any]:
    return {
        "name": prepared.name,
        "source": prepared.source,
        "sha256": prepared.sha256,
        "classes": list(prepared.class_names),
        "sample_shapes": {
            name: list(shape) for name, (shape, _) in train.samples.formats().items()
        },
        "views": prepared.augmentation.views,
        "splits": {name: _counts(piece, prepared.class_names) for name, piece in cuts.items()},
        "brought_by_source": [name for name in PART_NAMES if _is_whole(cuts, name)],
        "notes": notes,
    }


def _is_whole(cuts: dict[SplitName, Cut], name: SplitName) -> bool:
    return name in cuts and len(cuts[name].indices) == len(cuts[name].part.labels)


def _counts(piece: Cut, class_names: tuple[str, ...]) -> dict[str, Any]:
    labelled = piece.labels[piece.labels != UNLABELLED]
    per_class = np.bincount(labelled, minlength=len(class_names))
    groups = None if piece.groups is None else Counter(piece.groups.tolist())
    return {
        "samples": len(piece.indices),
        "labelled": len(labelled),
        "per_class": dict(zip(class_names, per_class.tolist(), strict=True)),
        "per_group": None if groups is None else dict(sorted(groups.items())),
    }
