"""Taking over a network that has its weights already, as a step like the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill import models
from edgedistill.core.stage import StageResult

if TYPE_CHECKING:
    from edgedistill.core.stage import StageContext
    from edgedistill.models import Network


@dataclass(frozen=True)
class Adoption:
    """Saves a network as its source gave it."""

    network: Network

    def run(self, context: StageContext) -> StageResult:
        """Writes the network into the step's folder."""
        models.save(self.network, context.folder)
        return StageResult(facts={"parameters": models.count_parameters(self.network)})
