"""From what a teacher answered to how probable each class is. Pure.

A class is named by its name (`class_names`). Where the endpoint told log-probabilities, the answer
is walked along its tokens, from where the name begins. At each place the tokens that the teacher
thought of share out the probability of having come so far:

- an alternative to the chosen token gives its probability evenly to the classes that an answer
  which goes on with it may still name;
- one that fits none of them ends the answer where the name of a class is already whole, and so is
  given to that class;
- what is left, of other tokens that fit no class and of those beyond the top k, is given evenly to
  the classes that were still possible at that place: nothing is known of it but that;
- the chosen token carries its probability on to the next place, until one class alone is possible.

What is shared out at a place and what is carried on add up to what came there, so the shares of
all classes add up to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgedistill.stages.respond.class_names import beginning_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgedistill.stages.respond.class_names import ClassNames
    from edgedistill.stages.respond.log_probabilities import TokenTable

Basis = Literal["tokens", "text", "nothing"]


@dataclass(frozen=True, eq=False)
class Verdict:
    """How probable each class is by one answer."""

    probabilities: np.ndarray
    """float64 `[classes]`, their sum 1; even where the answer was not understood."""
    basis: Basis
    """tokens: walked along the log-probabilities; text: the class that is named; nothing: the
    answer was not understood."""


def verdict(text: str, table: TokenTable | None, names: ClassNames, *, sure: float) -> Verdict:
    """What an answer says of the classes.

    Whether it is understood is for its text alone to say: it names one class. The class of the
    highest probability may be another, where many ways of naming that one share its probability.

    Args:
        text: The answer.
        table: Its tokens with their log-probabilities; None where the endpoint told none.
        names: The classes.
        sure: Probability of the class that is named, where there are no log-probabilities; the
            others share the rest evenly.
    """
    named = names.named(text)
    if named is None:
        return not_understood(len(names.plain))
    start = None if table is None else _start(table.tokens, names.plain[named])
    if table is not None and start is not None:
        return Verdict(_walked(table, start, named, names), "tokens")
    others = max(1, len(names.plain) - 1)
    probabilities = np.full(len(names.plain), (1 - sure) / others)
    probabilities[named] = sure
    return Verdict(probabilities / probabilities.sum(), "text")


def not_understood(classes: int) -> Verdict:
    """All classes alike."""
    return Verdict(np.full(classes, 1 / classes), "nothing")


def joined(verdicts: Sequence[Verdict]) -> Verdict:
    """The mean over several answers to one question, of those that were understood."""
    understood = [one for one in verdicts if one.basis != "nothing"]
    if not understood:
        return verdicts[0]
    mean = np.mean([one.probabilities for one in understood], axis=0)
    told = all(one.basis == "tokens" for one in understood)
    return Verdict(mean, "tokens" if told else "text")


def _start(tokens: Sequence[bytes], name: str) -> int | None:
    """The token with which the name begins; None where the tokens do not hold it so.

    Space and ornament at the start of an answer belong to it: the teacher could have gone on with
    a name there. After a lead ("Class:") they belong to the lead.
    """
    for place in range(len(tokens)):
        if beginning_of(b"".join(tokens[place:])).startswith(name):
            if place == 0:
                return 0
            return next(at for at in range(place, len(tokens)) if beginning_of(tokens[at]))
    return None


def _walked(table: TokenTable, start: int, named: int, names: ClassNames) -> np.ndarray:
    """The shares of the classes, float64 `[classes]`, their sum 1."""
    shares = np.zeros(len(names.plain))
    possible = list(range(len(names.plain)))
    mass, said = 1.0, b""
    for place in range(start, len(table.tokens)):
        if len(possible) == 1:
            break
        chosen, alternatives, left = _thought_of(table, place)
        whole = _whole(said, possible, names)
        for token, probability in alternatives:
            fitting = _fitting(said + token, possible, names) or whole
            if fitting:
                shares[fitting] += mass * probability / len(fitting)
            else:
                left += probability
        shares[possible] += mass * left / len(possible)
        mass *= chosen
        said += table.tokens[place]
        possible = [one for one in possible if one in (named, *_fitting(said, possible, names))]
    shares[named] += mass
    return np.asarray(shares / shares.sum())


def _fitting(tokens: bytes, possible: list[int], names: ClassNames) -> list[int]:
    beginning = beginning_of(tokens)
    return [place for place in possible if names.allows(place, beginning)]


def _whole(tokens: bytes, possible: list[int], names: ClassNames) -> list[int]:
    """The class whose whole name has been said, if one has."""
    said = beginning_of(tokens)
    return [place for place in possible if names.plain[place] == said]


def _thought_of(table: TokenTable, place: int) -> tuple[float, list[tuple[bytes, float]], float]:
    """Probability of the chosen token, of each alternative, and of all that is not listed."""
    token = table.tokens[place]
    listed = [(other, math.exp(min(value, 0.0))) for other, value in table.alternatives[place]]
    at = next((index for index, (other, _) in enumerate(listed) if other == token), None)
    if at is None:
        chosen = math.exp(min(float(table.log_probabilities[place]), 0.0))
    else:
        chosen = listed.pop(at)[1]
    total = chosen + math.fsum(probability for _, probability in listed)
    if total > 1:  # by rounding, or where an endpoint's figures are not what they should be
        chosen /= total
        listed = [(other, probability / total) for other, probability in listed]
    return chosen, listed, max(0.0, 1 - total)
