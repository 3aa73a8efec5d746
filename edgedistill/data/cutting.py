"""From the splits a source brings and those the recipe asks for to the samples of each split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgedistill.data.splitting import (
    CALIBRATION,
    TEST,
    VALIDATION,
    hide_labels,
    stratified,
    whole_groups,
)
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.recipe import Splits
    from edgedistill.data.contents import Contents, Part
    from edgedistill.data.prepared import SplitName


@dataclass(frozen=True, eq=False)
class Cut:
    """Which samples of a part make a split."""

    part: Part
    indices: np.ndarray
    """Into the part, `[n]`, rising."""
    labels: np.ndarray
    """int64 `[n]`, UNLABELLED where the label may not be used."""

    @property
    def groups(self) -> np.ndarray | None:
        """The group of each sample as text, `[n]`."""
        if self.part.groups is None:
            return None
        return np.asarray(self.part.groups[self.indices], dtype=np.str_)


def cut(
    contents: Contents, class_names: tuple[str, ...], splits: Splits, *, file: Path | None
) -> dict[SplitName, Cut]:
    """Decides on the samples of every split.

    A split the source brings stays whole. Test, then validation, are cut from train where they
    are missing; calibration is drawn from what is left of train.

    Args:
        contents: What the source holds, checked.
        class_names: All classes.
        splits: What the recipe asks for.
        file: What to name in an error.

    Raises:
        InputError: If a split would be empty, or groups are asked for and absent or shared.
    """
    _require_groups(contents, splits, file)
    train = contents.parts["train"]
    taken: dict[SplitName, np.ndarray] = {}
    if "test" not in contents.parts and splits.test > 0:
        taken["test"] = _take(train, splits, "test", taken, file)
    if "validation" not in contents.parts:
        taken["validation"] = _take(train, splits, "validation", taken, file)
    rest = _rest(train, taken)
    labels = hide_labels(train.labels[rest].astype(np.int64), splits.labelled, seed=splits.seed)
    sample = stratified(
        labels, min(splits.calibration, len(rest)), seed=splits.seed, purpose=CALIBRATION
    )
    cuts: dict[SplitName, Cut] = {"train": Cut(train, rest, labels)}
    for name in ("validation", "test"):
        if name in taken:
            chosen = taken[name]
            cuts[name] = Cut(train, chosen, train.labels[chosen].astype(np.int64))
        elif name in contents.parts:
            part = contents.parts[name]
            cuts[name] = Cut(part, np.arange(len(part.labels)), part.labels.astype(np.int64))
    cuts["calibration"] = Cut(train, rest[sample], labels[sample])
    return cuts


def _rest(train: Part, taken: dict[SplitName, np.ndarray]) -> np.ndarray:
    free = np.ones(len(train.labels), dtype=bool)
    for indices in taken.values():
        free[indices] = False
    return np.flatnonzero(free)


def _take(
    train: Part,
    splits: Splits,
    name: SplitName,
    taken: dict[SplitName, np.ndarray],
    file: Path | None,
) -> np.ndarray:
    share = splits.test if name == "test" else splits.validation
    purpose = TEST if name == "test" else VALIDATION
    rest = _rest(train, taken)
    count = round(share * len(train.labels))
    if splits.by == "group" and train.groups is not None:
        chosen = whole_groups(train.groups[rest], count, seed=splits.seed, purpose=purpose)
    else:
        chosen = stratified(train.labels[rest], count, seed=splits.seed, purpose=purpose, leave=1)
    problem = None
    if count == 0 or len(chosen) == 0:
        problem = f"leaves the {name} split empty"
    elif splits.by == "sample" and len(chosen) < count:
        problem = "leaves a class without a sample to train on"
    if problem:
        raise InputError(
            Fault(
                file=file,
                field=f"data.splits.{name}",
                given=f"{share}, {len(train.labels)} samples",
                problem=problem,
                remedy=f"Change the share, add samples, or bring a {name} split with the data",
            )
        )
    return np.asarray(rest[chosen])


def _require_groups(contents: Contents, splits: Splits, file: Path | None) -> None:
    if splits.by != "group":
        return
    absent = [name for name, part in contents.parts.items() if part.groups is None]
    if absent:
        raise InputError(
            Fault(
                file=file,
                field="data.splits.by",
                given="group",
                problem=f"needs groups, but the source names none for {', '.join(absent)}",
                remedy="Set by: sample, or give a group for each sample",
            )
        )
    seen: dict[str, str] = {}
    faults = []
    for name, part in contents.parts.items():
        for group in np.unique(np.asarray(part.groups).astype(np.str_)).tolist():
            if group in seen:
                faults.append(
                    Fault(
                        file=file,
                        field="data.splits.by",
                        given=group,
                        problem=f"this group is both in {seen[group]} and in {name}",
                        remedy="Keep all its samples in one split, or set by: sample",
                    )
                )
            seen.setdefault(group, name)
    if faults:
        raise InputError(*faults)
