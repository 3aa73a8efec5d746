"""Verdicts against shares counted by hand, and against a teacher whose distribution is known."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from teacher_server import named, opinion_tokens

from edgedistill.stages.respond.class_names import ClassNames
from edgedistill.stages.respond.log_probabilities import TokenTable
from edgedistill.stages.respond.verdicts import joined, verdict

Place = tuple[bytes, dict[bytes, float]]

MOODS = ClassNames.of(["positive", "negative", "neutral"])


def table(*places: Place) -> TokenTable:
    """Chosen tokens and the probabilities of what could stand in their places."""
    return TokenTable(
        tokens=tuple(token for token, _ in places),
        log_probabilities=np.array([_log(listed.get(token, 1.0)) for token, listed in places]),
        alternatives=tuple(
            tuple((other, _log(probability)) for other, probability in listed.items())
            for _, listed in places
        ),
    )


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else -9999.0


def shares(answer: str, *places: Place, names: ClassNames = MOODS) -> list[float]:
    said = verdict(answer, table(*places), names, sure=0.9)
    assert said.basis == "tokens"
    return [float(share) for share in said.probabilities]


def test_a_first_token_that_decides_gives_its_probability_to_its_class() -> None:
    found = shares("positive", (b"pos", {b"pos": 0.7, b"neg": 0.2, b" neu": 0.1}), (b"itive", {}))
    assert found == pytest.approx([0.7, 0.2, 0.1])


def test_a_shared_beginning_is_split_evenly_or_followed_to_where_it_parts() -> None:
    alternative = shares("positive", (b"pos", {b"pos": 0.6, b"ne": 0.4}), (b"itive", {}))
    assert alternative == pytest.approx([0.6, 0.2, 0.2])
    followed = shares(
        "negative",
        (b"ne", {b"ne": 0.6, b"pos": 0.4}),
        (b"gative", {b"gative": 0.75, b"utral": 0.25}),
    )
    assert followed == pytest.approx([0.4, 0.45, 0.15])


def test_what_the_top_k_leaves_out_goes_to_the_classes_still_possible() -> None:
    first = shares("positive", (b"pos", {b"pos": 0.7}), (b"itive", {}))
    assert first == pytest.approx([0.8, 0.1, 0.1])
    second = shares(
        "neutral", (b"ne", {b"ne": 0.8, b"pos": 0.2}), (b"utral", {b"utral": 0.5, b"ver": 0.25})
    )
    assert second == pytest.approx([0.2, 0.8 * 0.25, 0.8 * 0.75])


def test_a_token_after_a_whole_name_ends_it_where_a_longer_name_could_follow() -> None:
    names = ClassNames.of(["class 1", "class 10"])
    ten = shares(
        "class 10",
        (b"class", {b"class": 1.0}),
        (b" 1", {b" 1": 1.0}),
        (b"0", {b"0": 0.6, b"<|end|>": 0.3, b".": 0.1}),
        names=names,
    )
    assert ten == pytest.approx([0.4, 0.6])
    one = shares("class 1", (b"class 1", {b"class 1": 0.9}), names=names)
    assert one == pytest.approx([0.95, 0.05])


def test_a_lead_is_passed_over_and_space_and_ornament_before_a_name_are_no_answer() -> None:
    lead = [(b"Class", {b"Class": 0.5}), (b":", {b":": 0.9})]
    name = [(b" **pos", {b" **pos": 0.8, b" neg": 0.2}), (b"itive**", {b"itive**": 1.0})]
    assert shares("Class: **positive**", *lead, *name) == pytest.approx([0.8, 0.2, 0.0])
    space = shares(
        "\npositive",
        (b"\n", {b"\n": 0.5, b"pos": 0.5}),
        (b"pos", {b"pos": 0.6, b"neg": 0.4}),
        (b"itive", {}),
    )
    assert space == pytest.approx([0.8, 0.2, 0.0])


def test_a_letter_cut_into_its_bytes_is_followed() -> None:
    names = ClassNames.of(["\u00e9t\u00e9", "\u00e8re"])
    found = shares(
        "\u00e9t\u00e9",
        (b"\xc3", {b"\xc3": 1.0}),
        (b"\xa9", {b"\xa9": 0.7, b"\xa8": 0.3}),
        (b"t\xc3\xa9", {}),
        names=names,
    )
    assert found == pytest.approx([0.7, 0.3])


def test_without_log_probabilities_the_named_class_is_as_sure_as_the_recipe_says() -> None:
    said = verdict("Negative.", None, MOODS, sure=0.9)
    assert said.basis == "text"
    assert said.probabilities == pytest.approx([0.05, 0.9, 0.05])


def test_an_answer_that_names_no_class_leaves_all_alike_whatever_its_tokens_say() -> None:
    tokens = table((b"pos", {b"pos": 0.9, b"neg": 0.1}), (b"sibly", {b"sibly": 1.0}))
    said = verdict("possibly", tokens, MOODS, sure=0.9)
    assert said.basis == "nothing"
    assert said.probabilities == pytest.approx([1 / 3] * 3)


def test_tokens_that_do_not_hold_the_name_leave_the_text() -> None:
    said = verdict("positive", table((b"<hidden>", {b"<hidden>": 1.0})), MOODS, sure=0.9)
    assert said.basis == "text"


def test_several_answers_are_the_mean_of_those_that_were_understood() -> None:
    answers = ["positive", "negative", "positive", "who knows"]
    said = joined([verdict(each, None, MOODS, sure=0.9) for each in answers])
    assert said.probabilities == pytest.approx([1.85 / 3, 1 / 3, 0.15 / 3])
    assert said.basis == "text"
    nothing = joined([verdict("who knows", None, MOODS, sure=0.9)] * 2)
    assert nothing.basis == "nothing"


LETTERS = st.text("abc", min_size=1, max_size=6)
CLASSES = st.lists(LETTERS, min_size=2, max_size=6, unique=True)
WEIGHTS = st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6)


@given(CLASSES, WEIGHTS)
def test_the_distribution_of_a_language_model_comes_back_where_no_name_begins_another(
    names: list[str], weights: list[float]
) -> None:
    """Along the answer exactly; where others share a beginning, their sum, shared evenly."""
    names = [f"{name}." for name in names]  # a last letter of its own, so that none begins another
    spoken = [f"{name[:-1]}z{place}" for place, name in enumerate(names)]
    total = sum(weights[: len(spoken)])
    opinion = {name: weight / total for name, weight in zip(spoken, weights, strict=False)}
    answer = named(opinion)
    places = opinion_tokens(opinion, 20)
    tokens = TokenTable(
        tokens=tuple(token for token, _ in places),
        log_probabilities=np.zeros(len(places)),
        alternatives=tuple(tuple(ranked) for _, ranked in places),
    )
    found = verdict(answer, tokens, ClassNames.of(spoken), sure=0.9).probabilities
    assert found.sum() == pytest.approx(1.0)
    assert found[spoken.index(answer)] == pytest.approx(opinion[answer])


TOKENS = st.sampled_from([b"a", b"b", b"ab", b"ba", b" ", b".", b"\xc3", b"", b"zz"])
LISTED = st.dictionaries(TOKENS, st.floats(0.0, 1.0), max_size=5)


@given(CLASSES, st.data())
def test_the_shares_add_up_to_one_whatever_the_endpoint_tells(
    names: list[str], data: st.DataObject
) -> None:
    answer = data.draw(st.sampled_from(names))
    cuts = data.draw(st.lists(st.integers(0, len(answer)), max_size=3).map(sorted))
    ends = [0, *cuts, len(answer)]
    pieces = [answer[start:end].encode() for start, end in pairwise(ends)]
    places = [(piece, data.draw(LISTED)) for piece in pieces]
    said = verdict(answer, table(*places), ClassNames.of(names), sure=0.9)
    assert said.probabilities.sum() == pytest.approx(1.0)
    assert (said.probabilities >= 0).all()
    assert np.isfinite(said.probabilities).all()
