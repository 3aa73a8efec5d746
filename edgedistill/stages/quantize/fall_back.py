"""The last rung: single operators go back to float until the limits hold, at the least cost.

Where the scheme says so they go to activations of sixteen bits instead, with weights of eight: a
unit that computes in both, but leaves float to a slower one, is spared the way there and back.

Operators are ranked by what their return is worth (the square of their distance, see
`sensitivity`) for what it costs (see `burden`). The shortest beginning of that ranking that makes
the limits hold is found by bisection, for more operators in float lose less. Then the dearest of
them that turn out not to be needed go back to int8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import onnx

from edgedistill.core.attempts import FallenBack
from edgedistill.stages.quantize.burden import Burden, burdens
from edgedistill.stages.quantize.sensitivity import sensitivities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgedistill.core.judging import Judged
    from edgedistill.stages.quantize.drafts import Draft, Workshop

GIVEN_BACK = 8
"""How many operators are tried in int8 again: each costs a pass over the samples that decide, and
the corrections that were kept, which are made anew."""


@dataclass(frozen=True)
class FallBack:
    """What came of it.

    Attributes:
        draft: With operators in float that make the limits hold, or with as many as may be.
        judged: What is known of it.
        operators: Those in float, the most worthwhile first; empty where none may be.
    """

    draft: Draft
    judged: Judged | None
    operators: tuple[FallenBack, ...]


def fall_back(
    workshop: Workshop, draft: Draft, judge: Callable[[Draft], Judged], *, max_share: float
) -> FallBack:
    """Leaves operators in float, or in sixteen bits, until the limits hold.

    Args:
        workshop: Builds drafts.
        draft: What does not hold yet.
        judge: Holds a draft against the limits.
        max_share: At most this share of the multiply-accumulates may be in float.
    """
    losses = sensitivities(workshop, draft)
    costs = _costs(workshop, draft, losses)
    order = allowed(worthwhile(losses, costs), costs, max_share)
    if not order:
        return FallBack(draft, None, ())

    def attempt(names: Sequence[str]) -> tuple[Draft, Judged]:
        chosen = frozenset(names)
        in_float = workshop.scheme.fall_back == "float"
        changed = replace(draft, floating=chosen) if in_float else replace(draft, wide=chosen)
        return changed, judge(changed)

    many, found = _shortest(order, attempt)
    kept = list(order[:many])
    if found[1].holds:
        for name in sorted(kept, key=lambda name: -costs[name].in_float)[:GIVEN_BACK]:
            fewer = [one for one in kept if one != name]
            if fewer and (other := attempt(fewer))[1].holds:
                kept, found = fewer, other
    return FallBack(*found, _described(workshop, draft, kept, losses, costs))


def worthwhile(losses: Mapping[str, float], costs: Mapping[str, Burden]) -> list[str]:
    """Operators by what their return to float is worth for its cost, the best first."""
    return sorted(
        (name for name, loss in losses.items() if loss > 0),
        key=lambda name: (-(losses[name] ** 2) / max(costs[name].in_float, 1), name),
    )


def allowed(order: Sequence[str], costs: Mapping[str, Burden], max_share: float) -> list[str]:
    """Those that fit, taken in order, into a share of all multiply-accumulates."""
    room = max_share * sum(burden.macs for burden in costs.values())
    taken = []
    for name in order:
        if costs[name].macs <= room:
            room -= costs[name].macs
            taken.append(name)
    return taken


def _shortest(
    order: Sequence[str], attempt: Callable[[Sequence[str]], tuple[Draft, Judged]]
) -> tuple[int, tuple[Draft, Judged]]:
    """How many of the first make the limits hold, and what came of it; all where none do."""
    low, high = 0, len(order)  # low does not hold, high does as soon as `found` does
    found = attempt(order)
    while found[1].holds and high - low > 1:
        middle = (low + high) // 2
        tried = attempt(order[:middle])
        if tried[1].holds:
            high, found = middle, tried
        else:
            low = middle
    return high, found


def _costs(workshop: Workshop, draft: Draft, losses: Mapping[str, float]) -> dict[str, Burden]:
    """Burdens; where a graph does not tell them, every operator weighs the same."""
    prepared = workshop.float_graph(draft)
    counted = burdens(onnx.load_model(prepared), prepared, next(iter(workshop.samples)))
    return {name: counted[name] if counted else Burden(macs=1, elements=0) for name in losses}


def _described(
    workshop: Workshop,
    draft: Draft,
    names: Sequence[str],
    losses: Mapping[str, float],
    costs: Mapping[str, Burden],
) -> tuple[FallenBack, ...]:
    graph = onnx.load_model(workshop.float_graph(draft)).graph
    types = {node.name: node.op_type for node in graph.node}
    total = sum(burden.macs for burden in costs.values())
    return tuple(
        FallenBack(
            name=f"{types[name]} {name}",
            to=workshop.scheme.fall_back,
            reason=f"quantized alone it moves the outputs by {100 * losses[name]:.2g} % of their "
            "spread",
            mac_share=costs[name].macs / total if total else 0.0,
        )
        for name in names
    )
