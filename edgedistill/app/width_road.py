"""The steps before the cut where a goal's cost must be asked for: the table, then the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from edgedistill.app.forms import Forms
from edgedistill.app.pricing import PricedGoal, ShippedPricing
from edgedistill.app.reach import runs_here
from edgedistill.catalog.shapes import shape_documents
from edgedistill.core.pruned import UNITS
from edgedistill.core.pruning import GOALS
from edgedistill.core.strict import plain
from edgedistill.data import open_dataset
from edgedistill.stages.export.graph import file_limits
from edgedistill.stages.prune.widths import LeverPricing, WidthSearch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgedistill.app.learning import LearningRoad
    from edgedistill.app.plan import Plan, PlannedStep
    from edgedistill.app.resolve import Resolved
    from edgedistill.core.pruning import Prune

_CODE = (
    "data",
    "models",
    "tasks",
    "cost",
    "bench",
    "devices",
    "worker.py",
    "stages/prune",
    "stages/export",
    "stages/quantize",
    "app/forms.py",
    "app/pricing.py",
    "app/variants.py",
)
_NOT_READ = ("recover", *GOALS)
"""Keys of the recipe's pruning that the table does not depend on."""


@dataclass(frozen=True)
class WidthRoad:
    """Plans the search for widths of one target."""

    target: str
    resolved: Resolved
    learning: LearningRoad
    plan: Plan

    def searched(self, config: Prune, network: PlannedStep) -> PlannedStep | None:
        """The step that finds the widths; None where the goal is a mere count.

        Latencies measured in it are not taken again when a run is asked to measure again: its
        network would be another one, and its recovery would begin anew.

        Args:
            config: How the network is pruned.
            network: The network to prune.
        """
        goal = next((one for one in get_args(PricedGoal) if one == config.goal), None)
        if goal is None:
            return None
        data = self.learning.data(self.target)
        pruning = {key: value for key, value in plain(config).items() if key not in _NOT_READ}
        facts = {"prune": pruning, "goal": goal, **self._facts(goal)}
        table = self.plan.add(
            "lever-prices",
            f"prices: {self.learning.called}what narrowing each part alone saves on {self.target}",
            config=facts,
            inputs={"data": data, "network": network},
            code=_CODE,
            make=lambda folders: LeverPricing(
                network=self.learning.compressed(folders["network"]),
                dataset=open_dataset(folders["data"]),
                config=config,
                pricing=self._pricing(goal, folders),
            ),
            target=self.target,
        )
        return self.plan.add(
            "widths",
            f"widths: {self.learning.called}the widest network within {config.asked:g} "
            f"{UNITS[goal]} on {self.target}",
            config={**facts, "asked": config.asked},
            inputs={"data": data, "network": network, "table": table},
            code=_CODE,
            make=lambda folders: WidthSearch(
                network=self.learning.compressed(folders["network"]),
                dataset=open_dataset(folders["data"]),
                config=config,
                pricing=self._pricing(goal, folders),
                table=folders["table"],
            ),
            target=self.target,
        )

    def _pricing(self, goal: PricedGoal, folders: Mapping[str, Path]) -> ShippedPricing:
        stages = self.resolved.recipe.stages_for(self.target)
        profile = self.resolved.profiles[self.target]
        name, runtime = self.resolved.runtime(self.target)
        opset, ir_version = self._file_limits()
        forms = Forms(
            dataset=open_dataset(folders["data"]),
            export=stages.export,
            quantize=stages.quantize,
            runtime=runtime,
            runs_here=runs_here(profile, runtime),
            opset=opset,
            max_ir_version=ir_version,
        )
        return ShippedPricing(goal=goal, forms=forms, profile=profile, runtime=name)

    def _file_limits(self) -> tuple[int, int]:
        config = self.resolved.recipe.stages_for(self.target).export
        runtime = self.resolved.runtime(self.target)[1]
        return file_limits(
            config.opset, max_opset=runtime.max_opset, max_ir_version=runtime.max_ir_version
        )

    def _facts(self, goal: PricedGoal) -> dict[str, Any]:
        """What of the recipe and the target a price depends on."""
        stages = self.resolved.recipe.stages_for(self.target)
        profile = self.resolved.profiles[self.target]
        name, runtime = self.resolved.runtime(self.target)
        facts: dict[str, Any] = {
            "export": plain(stages.export),
            "quantize": None if stages.quantize is None else plain(stages.quantize),
            "schemes": [plain(one) for one in (runtime.int8, *runtime.other_int8) if one],
            "runs_here": runs_here(profile, runtime),
            "file_limits": list(self._file_limits()),
            "runtime": {
                "provider": runtime.provider,
                "openings": plain(runtime)["openings"],
                "shapes": runtime.shapes,
                "threads": runtime.threads,
                "precisions": list(runtime.precisions),
                "default_precision": runtime.default_precision,
            },
            "machine": profile.machine,
        }
        if goal != "target_latency_ms":
            return facts
        if profile.transport != "none":
            return {**facts, "device": profile.name, "processor": plain(profile)["clusters"]}
        estimated = {"name": name, "profile": plain(profile)}
        return {**facts, **estimated, "shapes": [plain(shape) for shape in shape_documents()]}
