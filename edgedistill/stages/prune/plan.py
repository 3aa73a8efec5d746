"""What to cut so that a network keeps a share of its MACs or parameters, or why it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.stages.prune.account import Tried, account, counted_cost
from edgedistill.stages.prune.macs import count_macs, count_parameters
from edgedistill.stages.prune.search import BISECTIONS, largest_within
from edgedistill.stages.prune.survey import require_cuttable, survey
from edgedistill.stages.prune.unreachable import unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from edgedistill.core.pruned import Pruned
    from edgedistill.core.pruning import Prune
    from edgedistill.core.stage import Progress
    from edgedistill.models.signature import Signature
    from edgedistill.stages.prune.cuts import Cuts
    from edgedistill.stages.prune.levers import Limits, Untouched
    from edgedistill.stages.prune.samples import Samples
    from edgedistill.stages.prune.search import Widths
    from edgedistill.stages.prune.survey import Survey


@dataclass(frozen=True)
class Plan:
    """What to cut.

    Attributes:
        cuts: The channels and heads.
        untouched: The layers that keep their width, with the reason.
        account: How that was found.
    """

    cuts: Cuts
    untouched: tuple[Untouched, ...]
    account: Pruned


def plan(
    module: nn.Module,
    signature: Signature,
    config: Prune,
    progress: Progress,
    *,
    samples: Samples,
) -> Plan:
    """The cuts that leave the largest network within a share of MACs or parameters.

    Args:
        module: The network, in eval mode; every parameter wants a gradient. It stays as it is.
        signature: What it takes.
        config: The goal, `macs_ratio` or `parameters_ratio`, and the limits.
        progress: Shows the search.
        samples: What the network is shown, where importance asks for it.

    Raises:
        InputError: If a layer to keep does not exist, or the goal cannot be reached.
    """
    found = survey(module, signature, config, samples)
    require_cuttable(found)
    unpruned = counted(module, signature, config)
    tried: dict[Widths, Tried] = {}

    def cost(widths: Widths) -> int:
        network = found.network(widths)
        price = counted(network, signature, config)
        macs, parameters = count_macs(network, signature.zeros()), count_parameters(network)
        tried[widths] = Tried(counted_cost(price, config), "fp32", macs, parameters)
        return price

    def search(limits: Limits) -> Widths | None:
        with progress.track("Searching widths", BISECTIONS + len(found.levers)) as advance:
            return largest_within(
                found.levers, limits, cost=cost, limit=config.asked * unpruned, advance=advance
            )

    widths = search(found.limits)
    if widths is None and config.round_to is None:
        found = found.below_step()
        widths = search(found.limits)

    def reach(surveys: Sequence[Survey]) -> list[float]:
        narrow = [one.network(one.narrowest) for one in surveys]
        return [counted(network, signature, config) / unpruned for network in narrow]

    if widths is None:
        raise unreachable(found, config, reach, unpruned=unpruned)
    whole = counted_cost(unpruned, config)
    said = account(found, config, tried, chosen=widths, unpruned=whole)
    return Plan(found.cuts(widths), found.untouched, said)


def counted(module: nn.Module, signature: Signature, config: Prune) -> int:
    """What the goal counts in a network: its MACs or its parameters."""
    if config.goal == "parameters_ratio":
        return count_parameters(module)
    return count_macs(module, signature.zeros())
