"""The road of one run: which steps a resolved recipe takes, per target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.app.candidate_road import CandidateRoad
from edgedistill.app.device_steps import DeviceSteps
from edgedistill.app.environment import processor_class, versions
from edgedistill.app.learning import LearningRoad
from edgedistill.app.plan import Plan
from edgedistill.app.shipping import ShippingRoad
from edgedistill.app.variants import variants
from edgedistill.app.width_road import WidthRoad
from edgedistill.core.stage import Alone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.app.networks import Networks
    from edgedistill.app.plan import PlannedStep
    from edgedistill.app.resolve import Resolved
    from edgedistill.app.variants import Variant
    from edgedistill.core.report import Step
    from edgedistill.core.stage import Company
    from edgedistill.data import Source


@dataclass(frozen=True)
class Branch:
    """Where one student's results stand in the plan, the teacher's first."""

    student: str
    """The student's name."""
    steps: tuple[Step, ...]
    """The waterfall's steps before the last network's candidates, the teacher's first."""
    variants: tuple[Variant, ...]
    """The candidates of the last network beside itself; some may turn out not to be made."""
    exports: Mapping[str, PlannedStep]
    """Step of the waterfall or name of a candidate to the planned step that writes its ONNX file;
    a teacher behind an endpoint has none."""
    predictions: Mapping[str, PlannedStep]
    """Step of the waterfall or name of a candidate to the planned step that holds its outputs."""
    measured_as: Mapping[str, str]
    """Step of the waterfall or name of a candidate to what it is called in the measurement."""


@dataclass(frozen=True)
class TargetRoad:
    """Where one target's results stand in the plan."""

    branches: tuple[Branch, ...]
    """One for each student, in the recipe's order; one where the teacher itself is compressed."""
    measurement: PlannedStep | None
    """The planned step that holds raw latency samples, where the device is at hand."""
    operators: PlannedStep | None = None
    """The planned step that holds raw times of every operator, where a profiler tells them."""

    @property
    def exports(self) -> Mapping[str, PlannedStep]:
        """What a network is called in the measurement, to the step that writes its ONNX file."""
        return _exports(self.branches)


@dataclass(frozen=True)
class Road:
    """The plan of a run and where each target's results stand in it."""

    plan: Plan
    data: PlannedStep
    teacher: PlannedStep
    """The step that has the teacher's network, or what a teacher behind an endpoint said."""
    responses: PlannedStep | None
    """The step that asks a teacher behind an endpoint."""
    targets: Mapping[str, TargetRoad]

    @property
    def measurements(self) -> tuple[PlannedStep, ...]:
        """The steps that hold raw times."""
        targets = self.targets.values()
        found = (step for one in targets for step in (one.measurement, one.operators))
        return tuple(step for step in found if step is not None)


def lay_road(
    resolved: Resolved, source: Source, networks: Networks, company: Company | None = None
) -> Road:
    """Plans every step of every target.

    Args:
        resolved: The recipe and the profiles of its targets.
        source: The data.
        networks: Where teacher and student come from.
        company: The processes that will train, of which several round otherwise than one; None for
            one.

    Raises:
        InputError: If data or a network's source cannot be read.
    """
    company = Alone() if company is None else company
    plan = Plan(
        libraries={
            **versions(hf=networks.from_transformers),
            "processor": processor_class(),
        },
        training={
            "threads": str(resolved.threads),
            "seed": str(resolved.recipe.seed),
            "processes": str(company.size),
            "device": company.device.partition(":")[0],
        },
    )
    fingerprint = source.fingerprint()
    students = tuple(
        LearningRoad(resolved.recipe, source, fingerprint, networks, plan, learner)
        for learner in networks.learners
    )
    targets = {
        name: _target_road(tuple(ShippingRoad(name, resolved, one, plan) for one in students))
        for name in resolved.recipe.targets
    }
    first, learning = next(iter(targets)), students[0]
    if networks.teacher_is_asked:
        asked = learning.asked(first)
        return Road(plan, learning.data(first), asked.verdicts(), asked.responses(), targets)
    return Road(plan, learning.data(first), learning.teacher(first), None, targets)


def _target_road(students: tuple[ShippingRoad, ...]) -> TargetRoad:
    branches = tuple(_branch(one, several=len(students) > 1) for one in students)
    name, resolved = students[0].target, students[0].resolved
    config = resolved.recipe.stages_for(name).benchmark
    if config is None or resolved.profiles[name].transport == "none":
        return TargetRoad(branches, measurement=None)
    first = students[0]
    device = DeviceSteps(
        target=name,
        resolved=resolved,
        plan=first.plan,
        data=first.learning.data(name),
        exports=_exports(branches),
        config=config,
    )
    return TargetRoad(branches, device.latencies(), device.operators())


def _exports(branches: tuple[Branch, ...]) -> dict[str, PlannedStep]:
    return {
        branch.measured_as[name]: export
        for branch in branches
        for name, export in branch.exports.items()
    }


def _branch(shipping: ShippingRoad, *, several: bool) -> Branch:
    name, learning, resolved = shipping.target, shipping.learning, shipping.resolved
    stages = resolved.recipe.stages_for(name)
    asked = learning.networks.teacher_is_asked
    networks: dict[Step, PlannedStep] = {} if asked else {"teacher": learning.teacher(name)}
    if resolved.recipe.student is not None:
        networks["distilled"] = learning.student(name, stages.distill)
    if stages.prune is not None:
        whole = tuple(networks.values())[-1]
        widths = WidthRoad(name, resolved, learning, shipping.plan).searched(stages.prune, whole)
        networks["pruned"] = learning.pruned(name, stages.prune, whole, widths)
    exports: dict[str, PlannedStep] = {
        step: shipping.export(step, network) for step, network in networks.items()
    }
    predictions: dict[str, PlannedStep] = (
        {"teacher": learning.asked(name).verdicts()} if asked else {}
    )
    predictions |= {step: shipping.predictions(step, export) for step, export in exports.items()}
    made: tuple[Variant, ...] = ()
    if stages.quantize is not None:
        learned = stages.prune is not None or ("distilled" in networks and bool(stages.distill))
        made = variants(resolved.runtime(name)[1], stages.quantize, learned=learned)
        last = tuple(networks)[-1]
        known = {"teacher": predictions["teacher"], "fp32": predictions[last]}
        candidates = CandidateRoad(
            shipping, stages.quantize, made, networks[last], exports[last], known
        ).made()
        exports |= candidates
        predictions |= {
            one: shipping.predictions(one, candidate) for one, candidate in candidates.items()
        }
    student = learning.learner.name
    lead = f"{student}/" if several else ""
    return Branch(
        student=student,
        steps=("teacher", *networks) if asked else tuple(networks),
        variants=made,
        exports=exports,
        predictions=predictions,
        measured_as={one: one if one == "teacher" else f"{lead}{one}" for one in exports},
    )
