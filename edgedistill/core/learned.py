"""What each step of the learning did, for the report."""

from __future__ import annotations

from pydantic import Field

from edgedistill.core.evidence import Quantity
from edgedistill.core.strict import Strict


class Members(Strict):
    """The samples of one class, or of one group, before and after curation."""

    before: int
    removed: int
    """Cut away."""
    hidden: int
    """Kept, but their label is not believed."""
    left: int
    """Learned with all they have."""
    skew: float | None
    """Factor by which their share in all samples grew or shrank, 1 or more; absent where none is
    left."""


class Taken(Strict):
    """What one cut took that no cut before it had."""

    field: str
    """Where the cut stands in the recipe."""
    taken: int
    classes: dict[str, int]
    """By class, without the noughts."""
    groups: dict[str, int] | None
    """By group; absent where the data has none."""


class Curation(Strict):
    """Head, heart and tail of the training samples."""

    samples: int
    kept: int
    removed: int
    hidden: int
    cuts: tuple[Taken, ...] = Field(strict=False)
    classes: dict[str, Members]
    groups: dict[str, Members] | None


class Feedback(Strict):
    """One round in which a student's errors were replayed."""

    errors: int
    """What the student got wrong of the samples it had learned from."""
    corrected: int
    """Replayed with the answer of the teacher, which was sure."""
    labels_contradicted: int
    """Of those, where the teacher contradicts the label."""
    dropped: int
    """Not replayed: the teacher was not sure."""


class LearningStep(Strict):
    """One step of the learning and what it changed."""

    name: str
    title: str
    samples: int | None = None
    """Training samples that took part."""
    labelled: int | None = None
    """Of those, how many with a label."""
    accuracy_before: float | None = None
    """On the validation split, of the network in torch, before the step."""
    accuracy_after: float | None = None
    """The same after it."""
    gain: Quantity | None = None
    """Accuracy gained on the same validation samples; absent where a network began untaught."""
    curation: Curation | None = None
    feedback: Feedback | None = None
