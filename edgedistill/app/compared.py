"""From two models' answers and costs to the comparison: a pure function of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgedistill import tasks
from edgedistill.app.environment import versions
from edgedistill.app.paired_costs import NAMES
from edgedistill.app.reach import runs_here
from edgedistill.core.comparison import ComparedModel, ComparedSamples, Comparison
from edgedistill.core.evidence import Evidence
from edgedistill.core.strict import plain
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from edgedistill.app.paired_costs import PairedCosts
    from edgedistill.app.side_by_side import Asked, Pair
    from edgedistill.core.damage import Content, Damage
    from edgedistill.core.evidence import Quantity
    from edgedistill.core.profile import TargetProfile
    from edgedistill.data.brought import Brought
    from edgedistill.tasks import Evaluation

_FEW = 100
"""Below this many samples intervals are told to be wide."""
_SPLIT = "given"


@dataclass(frozen=True)
class Compared:
    """All that is known of two models.

    Attributes:
        pair: The models.
        brought: The samples.
        origin: Who declared what becomes of a sample.
        asked: What they answered.
        costs: What they cost.
        profile: The target.
    """

    pair: Pair
    brought: Brought
    origin: Any
    asked: Asked
    costs: PairedCosts
    profile: TargetProfile

    @property
    def evidence(self) -> Evidence:
        """How the answers were got, seen from the target."""
        here = runs_here(self.profile, self.profile.runtimes[self.profile.default_runtime])
        return Evidence.MEASURED_ON_DEVICE if here else Evidence.MEASURED_ON_STAND_IN

    @property
    def names(self) -> tuple[str, str]:
        """What the models are called: A and B with the files' names."""
        files = (self.pair.first.file, self.pair.second.file)
        first, second = (f"{name} ({file.name})" for name, file in zip(NAMES, files, strict=True))
        return first, second


def assemble_comparison(
    found: Compared, *, show: Callable[[int], Content | None], examples: int, seed: int
) -> Comparison:
    """The comparison.

    Args:
        found: All that is known.
        show: Gives the content of a sample by its place.
        examples: How many examples are kept at most.
        seed: Drew the samples.

    Raises:
        InputError: If there are labels and the models give no classes, or others.
    """
    evidence, asked, profile = found.evidence, found.asked, found.profile
    told = evaluations(found)
    damage = None if told is None else _damage(found, told, show, examples)
    return Comparison(
        schema_version=1,
        target=profile.name,
        target_title=profile.title,
        runtime=profile.default_runtime,
        models=_models(found, told),
        samples=ComparedSamples(
            source=found.brought.source,
            kind=found.brought.kind,
            sha256=found.brought.sha256(),
            found=len(found.brought.samples),
            compared=asked.likeness.samples,
            labelled=told is not None,
        ),
        preprocessing=None
        if found.brought.preprocessing is None
        else plain(found.brought.preprocessing),
        preprocessing_from=found.origin,
        agreement_kind=asked.likeness.kind,
        agreement=asked.likeness.agreement(evidence),
        changed=_changed(found),
        relative_error=asked.likeness.relative_error if asked.alike else None,
        accuracy_drop=None if told is None else tasks.accuracy_drop(*told, evidence=evidence),
        damage=damage,
        conditions=found.costs.conditions,
        notes=_notes(found),
        seed=seed,
        versions=versions(),
    )


def evaluations(found: Compared) -> tuple[Evaluation, Evaluation] | None:
    """Both models' answers beside the right ones; None without labels.

    Raises:
        InputError: If there are labels and the models give no classes, or others.
    """
    labels = found.brought.taken_labels
    if labels is None:
        return None
    logits = found.asked.logits
    names = found.brought.class_names
    if logits is None:
        raise _no_classes(found, "outputs that are no class scores [batch, classes]", labels)
    classes = logits[0].shape[1]
    if names is None:
        names = tuple(str(number) for number in range(classes))
    if len(names) != classes or int(labels.max()) >= classes:
        given = f"{classes} classes"
        raise _no_classes(found, given, labels)
    first, second = (
        tasks.evaluate(each, labels, found.brought.taken_groups, names) for each in logits
    )
    return first, second


def _damage(
    found: Compared,
    told: tuple[Evaluation, Evaluation],
    show: Callable[[int], Content | None],
    examples: int,
) -> Damage:
    before, after = (
        tasks.Answered(name, one, found.evidence)
        for name, one in zip(found.names, told, strict=True)
    )
    return tasks.damage_between(before, after, split=_SPLIT, show=show, examples=examples)


def _models(
    found: Compared, told: tuple[Evaluation, Evaluation] | None
) -> tuple[ComparedModel, ComparedModel]:
    pair = (found.pair.first, found.pair.second)
    first, second = (
        ComparedModel(
            name=name,
            file=model.file.name,
            sha256=model.sha256,
            inputs=model.inputs,
            accuracy=None if told is None else tasks.accuracy(told[place], evidence=found.evidence),
            latency=costs.latency,
            size_mb=costs.size_mb,
            macs=costs.macs,
            parameters=costs.parameters,
        )
        for place, (name, model, costs) in enumerate(
            zip(found.names, pair, found.costs.each, strict=True)
        )
    )
    return first, second


def _changed(found: Compared) -> Quantity | None:
    likeness = found.asked.likeness
    if likeness.kind != "top-1":
        return None
    changed = likeness.samples - likeness.same
    return tasks.share(
        changed, likeness.samples, evidence=found.evidence, of="samples with another answer"
    )


def _no_classes(found: Compared, given: str, labels: np.ndarray) -> InputError:
    names = found.brought.class_names
    classes = int(labels.max()) + 1 if names is None else len(names)
    return InputError(
        Fault(
            file=found.pair.first.file,
            given=given,
            problem=f"the samples' labels are of {classes} classes, which the models do not give",
            remedy="Give samples of the models' classes (--class-names says them in their order), "
            "or leave the labels out with --no-labels",
        )
    )


def _notes(found: Compared) -> tuple[str, ...]:
    """What a reader must know."""
    brought, samples = found.brought, found.asked.likeness.samples
    notes = []
    if brought.labels is None:
        notes.append(
            "There are no labels: how near the outputs are says how much B changes, not how often "
            "either model is right."
        )
    if samples < _FEW:
        notes.append(f"Only {samples} samples were compared, so the intervals are wide.")
    if samples < len(brought.samples) - brought.unlabelled:
        notes.append(f"{samples} of {len(brought.samples)} samples were drawn at random.")
    if brought.unlabelled:
        notes.append(f"{brought.unlabelled} samples without a label were left out.")
    if not found.asked.alike:
        notes.append(
            "One model gives probabilities and the other logits, so their outputs are not "
            "subtracted; answers are compared."
        )
    if found.origin == "given over model":
        notes.append("Some of the preprocessing that the models declare was given otherwise.")
    latencies = [costs.latency for costs in found.costs.each]
    if any(latency is not None and not latency.stable for latency in latencies):
        notes.append("The machine was disturbed while it measured: measure again.")
    return (*notes, *found.costs.notes)
