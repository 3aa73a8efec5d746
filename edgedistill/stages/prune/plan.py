"""What to cut so that a network keeps a share of its multiply-accumulates, or why it cannot."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from edgedistill.errors import Fault, InputError
from edgedistill.models.building import FORWARD_ERRORS, first_line
from edgedistill.models.signature import logits
from edgedistill.stages.prune.cuts import Cuts, cut, cuts_for, dependency_graph
from edgedistill.stages.prune.importance import importance
from edgedistill.stages.prune.levers import Lever, Limits, Untouched, find_levers
from edgedistill.stages.prune.macs import count_macs
from edgedistill.stages.prune.search import BISECTIONS, largest_within, narrowest

if TYPE_CHECKING:
    from torch import nn

    from edgedistill.core.recipe import Prune
    from edgedistill.core.stage import Progress
    from edgedistill.models.signature import Signature
    from edgedistill.stages.prune.search import Widths


@dataclass(frozen=True)
class Plan:
    """What to cut, and the layers that keep their width with the reason."""

    cuts: Cuts
    untouched: tuple[Untouched, ...]


def plan(module: nn.Module, signature: Signature, config: Prune, progress: Progress) -> Plan:
    """The cuts that leave the largest network within the ratio.

    Args:
        module: The network, in eval mode; every parameter wants a gradient. It stays as it is.
        signature: What it takes.
        config: The ratio and the limits.
        progress: Shows the search.

    Raises:
        InputError: If a layer to keep does not exist, or the ratio cannot be reached.
    """
    levers, untouched = _survey(module, signature, config)
    _require_cuttable(module, signature, levers, _limits(config))
    limit = config.macs_ratio * count_macs(module, signature.zeros())
    with progress.track("Searching widths", BISECTIONS + len(levers)) as advance:
        widths = largest_within(
            levers,
            _limits(config),
            cost=lambda widths: _macs(module, signature, levers, widths),
            limit=limit,
            advance=advance,
        )
    if widths is None:
        raise _unreachable(module, signature, config)
    return Plan(cuts_for(levers, widths), untouched)


def kept_layers(module: nn.Module, names: tuple[str, ...]) -> frozenset[nn.Module]:
    """The layers of these names, with all layers inside them.

    Raises:
        InputError: With one fault for each name that no layer has.
    """
    known = {name: layer for name, layer in module.named_modules() if name}
    faults = [_no_such_layer(name, known) for name in names if name not in known]
    if faults:
        raise InputError(*faults)
    return frozenset(inner for name in names for inner in known[name].modules())


def _no_such_layer(name: str, known: dict[str, nn.Module]) -> Fault:
    close = difflib.get_close_matches(name, known, n=1)
    some = ", ".join(list(known)[:8])
    return Fault(
        field="stages.prune.keep",
        given=name,
        problem="the network has no layer of this name",
        remedy=f"Did you mean '{close[0]}'?" if close else f"Its layers: {some}, ...",
    )


def _survey(
    module: nn.Module, signature: Signature, config: Prune
) -> tuple[tuple[Lever, ...], tuple[Untouched, ...]]:
    keep = kept_layers(module, config.keep)
    levers, untouched = find_levers(
        dependency_graph(module, signature),
        keep=keep,
        round_to=config.round_to,
        score=importance(config.importance),
    )
    fixed = _fixed_heads(module, signature, levers, _limits(config))
    free = tuple(lever for lever in levers if lever.layer not in fixed)
    return free, (*untouched, *(Untouched(layer, reason) for layer, reason in fixed.items()))


def _fixed_heads(
    module: nn.Module, signature: Signature, levers: tuple[Lever, ...], limits: Limits
) -> dict[str, str]:
    """Layers of attention modules that hold a width of their own, and why their heads must stay."""
    heads = tuple(lever for lever in levers if lever.attention)
    if not _failure(module, signature, heads, limits):
        return {}
    failures = {lever.layer: _failure(module, signature, (lever,), limits) for lever in heads}
    return {
        layer: f"the network no longer runs when its heads go: {failure}"
        for layer, failure in failures.items()
        if failure
    }


def _require_cuttable(
    module: nn.Module, signature: Signature, levers: tuple[Lever, ...], limits: Limits
) -> None:
    """Refuses a network that no longer runs when channels go, naming the layers.

    Raises:
        InputError: With one fault for each layer whose channels cannot go.
    """
    if not _failure(module, signature, levers, limits):
        return
    failures = {lever.layer: _failure(module, signature, (lever,), limits) for lever in levers}
    alone = {layer: failure for layer, failure in failures.items() if failure}
    together = ", ".join(failures)
    raise InputError(
        *(
            Fault(
                field="stages.prune.keep",
                problem=f"the network no longer runs when channels of '{layer}' go: {failure}",
                remedy=f"Add '{layer}' to keep, or let forward() take sizes from its tensors",
            )
            for layer, failure in (
                alone or {together: _failure(module, signature, levers, limits)}
            ).items()
        )
    )


def _failure(
    module: nn.Module, signature: Signature, levers: tuple[Lever, ...], limits: Limits
) -> str:
    """Why the network does not run with these levers at their narrowest; empty if it does."""
    try:
        smaller = cut(module, signature, cuts_for(levers, narrowest(levers, limits)))
        with torch.no_grad():
            logits(smaller, signature.zeros())
    except InputError as error:
        return error.faults[0].problem
    except FORWARD_ERRORS as error:
        return first_line(error)
    return ""


def _limits(config: Prune) -> Limits:
    return Limits(config.max_channel_ratio)


def _macs(
    module: nn.Module, signature: Signature, levers: tuple[Lever, ...], widths: Widths
) -> int:
    return count_macs(cut(module, signature, cuts_for(levers, widths)), signature.zeros())


def _smallest_macs(module: nn.Module, signature: Signature, config: Prune) -> int:
    """MACs of the narrowest network that the limits allow."""
    levers, _ = _survey(module, signature, config)
    return _macs(module, signature, levers, narrowest(levers, _limits(config)))


def _unreachable(module: nn.Module, signature: Signature, config: Prune) -> InputError:
    """Says how far pruning reaches, and which of the limits holds it there."""
    whole = count_macs(module, signature.zeros())
    reached = _smallest_macs(module, signature, config) / whole
    relaxed = {
        f"round_to {config.round_to}": config.model_copy(update={"round_to": 1}),
        f"max_channel_ratio {config.max_channel_ratio:g}": config.model_copy(
            update={"max_channel_ratio": 1 - 1e-6}
        ),
        f"keep {', '.join(config.keep)}": config.model_copy(update={"keep": ()}),
    }
    reaches = {
        name: _smallest_macs(module, signature, other) / whole for name, other in relaxed.items()
    }
    holding = [
        f"{name} (without it {share:.4f})" for name, share in reaches.items() if share < reached
    ]
    limits = ", ".join(holding) or "the network's own structure"
    return InputError(
        Fault(
            field="stages.prune.macs_ratio",
            given=f"{config.macs_ratio:g}",
            problem=f"the nearest reachable ratio is {reached:.4f}; what limits it: {limits}",
            remedy="Ask for that ratio or more, or loosen what limits it in stages.prune",
        )
    )
