"""What is made of the last network of one student for one target: the candidates beside itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from edgedistill.app.device_steps import DeviceSteps
from edgedistill.app.glance import GLANCE, GLANCED, is_worth_a_glance
from edgedistill.core.quantized import FLOAT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.app.plan import PlannedStep
    from edgedistill.app.shipping import ShippingRoad
    from edgedistill.app.variants import Variant
    from edgedistill.core.quantizing import Quantize


@dataclass(frozen=True)
class CandidateRoad:
    """Plans the candidates.

    Attributes:
        shipping: Of the target and student.
        config: How they are made.
        variants: All of them; those beside the first scheme may turn out not to be made.
        network: The step that has the last network.
        export: Writes its ONNX file.
        known: `teacher` holds the teacher's outputs and `fp32` those of the last network.
    """

    shipping: ShippingRoad
    config: Quantize
    variants: tuple[Variant, ...]
    network: PlannedStep
    export: PlannedStep
    known: Mapping[str, PlannedStep]

    def made(self) -> dict[str, PlannedStep]:
        """The name of each candidate to the step that writes its ONNX file."""
        made: dict[str, PlannedStep] = {}
        for one in self.variants:
            network, export, seen = self.network, self.export, {}
            if one.tuned:
                network = self._tuned(one, made[self.variants[0].name])
                export = self.shipping.export(one.name, network)
            if one.is_further and self._glance is not None:
                seen = {GLANCED: self._glance}
            known = {**self.known, **seen, "network": network}
            made[one.name] = self.shipping.compressed(self.config, export, one, known)
        return made

    @cached_property
    def _glance(self) -> PlannedStep | None:
        """How fast plain int8 is in each further scheme; None where nobody looks.

        It says which candidates are made, so it is not taken again when a run is asked to measure
        again: the candidates, which stay, would no longer follow from it.
        """
        if not self._looks:
            return None
        shipping = self.shipping
        plain_ones = {
            one.name: shipping.plain(self.config, self.export, one.scheme, one.name)
            for one in self.variants
            if one.is_further and one.scheme is not None
        }
        device = DeviceSteps(
            target=shipping.target,
            resolved=shipping.resolved,
            plan=shipping.plan,
            data=shipping.learning.data(shipping.target),
            exports={FLOAT: self.export, **plain_ones},
            config=GLANCE,
        )
        return device.latencies(GLANCED, shipping.learning.called)

    @property
    def _looks(self) -> bool:
        """Whether latencies are measured at all, and a look could spare something."""
        shipping = self.shipping
        measured = shipping.resolved.recipe.stages_for(shipping.target).benchmark is not None
        away = shipping.resolved.profiles[shipping.target].transport == "none"
        return measured and not away and is_worth_a_glance(self.config)

    def _tuned(self, variant: Variant, quantized: PlannedStep) -> PlannedStep:
        """The network after it learned in rounded numbers, where a candidate is to be made of it.

        Args:
            variant: The candidate.
            quantized: Its int8 twin in the first scheme, which may do without.
        """
        assert self.config.fine_tune is not None
        assert variant.scheme is not None
        return self.shipping.learning.fine_tuned(
            self.shipping.target,
            self.config.fine_tune,
            self.network,
            scheme=variant.scheme,
            quantized=quantized,
        )
