from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB

from edgedistill.core.damage import Damage, Text
from edgedistill.core.evidence import Evidence
from edgedistill.tasks import (
    Answered,
    Evaluation,
    agresti_min_interval,
    bonferroni,
    damage_between,
    estimate_calibration_error,
    evaluate,
    wilson_interval,
    worst_class,
    worst_group,
)

DEVICE, STAND_IN = Evidence.MEASURED_ON_DEVICE, Evidence.MEASURED_ON_STAND_IN
NAMES = ("cat", "dog", "owl")


def sure_of(answers: list[int], probabilities: list[float]) -> np.ndarray:
    """Logits of three classes whose softmax gives the answers these probabilities."""
    rows = []
    for answer, probability in zip(answers, probabilities, strict=True):
        row = np.full(3, np.log((1 - probability) / 2))
        row[answer] = np.log(probability)
        rows.append(row)
    return np.array(rows)


LABELS = np.array([0, 0, 0, 1, 1, 1, 1, 0])
GROUPS = np.array(["north", "south"] * 4)
BEFORE = evaluate(sure_of([0, 0, 0, 1, 1, 0, 1, 1], [0.9] * 8), LABELS, GROUPS, NAMES)
AFTER = evaluate(
    sure_of([1, 2, 0, 1, 0, 1, 1, 2], [0.7, 0.95, 0.8, 0.6, 0.95, 0.5, 0.9, 0.99]),
    LABELS,
    GROUPS,
    NAMES,
)


def between(before: Evaluation, after: Evaluation, examples: int = 24) -> Damage:
    return damage_between(
        Answered("teacher", before, STAND_IN),
        Answered("int8", after, DEVICE),
        split="validation",
        show=lambda sample: Text(text=f"sample {sample}", cut=False),
        examples=examples,
    )


def test_flips_are_counted_with_wilson_intervals() -> None:
    flipped = between(BEFORE, AFTER).flipped
    # right, then wrong: 0, 1, 4; wrong, then right: 5; 7 is wrong twice with another answer
    for share, count in ((flipped.lost, 3), (flipped.gained, 1), (flipped.changed, 5)):
        assert share.value == count / 8
        assert (share.low, share.high) == wilson_interval(count, 8, 0.95)
        assert share.evidence is DEVICE
    assert "Yan et al. 2021" in flipped.lost.method


def test_each_class_and_group_has_its_accuracies_and_a_drop_that_holds_for_all_at_once() -> None:
    found = between(BEFORE, AFTER)
    assert [(part.name, part.samples) for part in found.classes] == [("cat", 4), ("dog", 4)]
    assert [(part.name, part.samples) for part in found.groups] == [("north", 4), ("south", 4)]
    cat, dog = found.classes
    assert (cat.before.value, cat.after.value) == (0.75, 0.25)
    assert (cat.before.low, cat.before.high) == wilson_interval(3, 4, 0.95)
    assert (cat.before.evidence, cat.after.evidence) == (STAND_IN, DEVICE)
    assert (cat.drop.low, cat.drop.high) == agresti_min_interval(2, 0, 4, bonferroni(0.95, 2))
    assert (dog.drop.value, dog.drop.confidence) == (0.0, 0.95)
    assert (dog.drop.low, dog.drop.high) == agresti_min_interval(1, 1, 4, bonferroni(0.95, 2))


def test_the_worst_of_the_parts_is_what_worst_class_and_worst_group_say() -> None:
    found = between(BEFORE, AFTER)
    for parts, worst in (
        (found.classes, worst_class(BEFORE, AFTER, evidence=DEVICE)),
        (found.groups, worst_group(BEFORE, AFTER, evidence=DEVICE)),
    ):
        assert worst is not None
        named = max(parts, key=lambda part: part.drop.value)
        assert (named.name, named.drop.value) == (worst.name, worst.drop.value)
        assert max(part.drop.low for part in parts) == worst.drop.low
        assert max(part.drop.high for part in parts) == worst.drop.high
        assert named.drop.method == worst.drop.method


def test_examples_are_right_before_and_wrong_after_with_the_surest_mistakes_first() -> None:
    found = between(BEFORE, AFTER)
    assert [one.sample for one in found.examples] == [1, 4, 0]  # equally sure: in their order
    assert found.examples_in_all == 3
    first = found.examples[0]
    assert (first.label, first.before, first.after, first.group) == ("cat", "cat", "owl", "south")
    assert first.before_probability == pytest.approx(0.9)
    assert first.after_probability == pytest.approx(0.95)
    assert first.content == Text(text="sample 1", cut=False)


def test_fewer_examples_or_none_are_shown_and_all_are_counted() -> None:
    two, none = between(BEFORE, AFTER, examples=2), between(BEFORE, AFTER, examples=0)
    assert [one.sample for one in two.examples] == [1, 4]
    assert none.examples == ()
    assert two.examples_in_all == none.examples_in_all == 3


def test_a_network_that_only_names_classes_has_no_calibration_error() -> None:
    found = damage_between(
        Answered("teacher", BEFORE, STAND_IN, probabilities=False),
        Answered("int8", AFTER, DEVICE),
        split="validation",
        show=lambda _: None,
        examples=1,
    )
    assert found.calibration_error is None
    assert found.examples[0].content is None


def test_a_sample_without_an_answer_is_shown_without_a_class_and_claims_nothing() -> None:
    answered = np.array([True, False] + [True] * 6)
    logits = sure_of([0] * 8, [0.9] * 8)
    silent = evaluate(logits, LABELS, GROUPS, NAMES, answered=answered)
    example = next(one for one in between(BEFORE, silent).examples if one.sample == 1)
    assert (example.after, example.after_probability) == ("", 0.0)


def test_real_networks_on_real_digits() -> None:
    pixels, labels = load_digits(return_X_y=True)
    train, rest = slice(0, 900), slice(900, None)
    strong = LogisticRegression(max_iter=200).fit(pixels[train] / 16, labels[train])
    weak = BernoulliNB(binarize=8).fit(pixels[train], labels[train])
    names = tuple("0123456789")
    before = evaluate(strong.decision_function(pixels[rest] / 16), labels[rest], None, names)
    after = evaluate(weak.predict_log_proba(pixels[rest]), labels[rest], None, names)
    # softmax of the one's decisions and of the other's log-probabilities: scikit-learn's own
    for network, own in (
        (before, strong.predict_proba(pixels[rest] / 16)),
        (after, weak.predict_proba(pixels[rest])),
    ):
        np.testing.assert_allclose(network.confidences, own.max(axis=1), rtol=1e-9)
    found = between(before, after)
    lost = found.flipped.lost.value - found.flipped.gained.value
    assert lost == pytest.approx(before.accuracy - after.accuracy, abs=1e-12)
    of_classes = sum(part.drop.value * part.samples for part in found.classes) / found.samples
    assert of_classes == pytest.approx(lost, abs=1e-12)
    assert len(found.examples) == 24 < found.examples_in_all
    sureness = [one.after_probability for one in found.examples]
    assert sureness == sorted(sureness, reverse=True)
    assert all(one.label == one.before != one.after for one in found.examples)
    error = found.calibration_error
    assert error is not None
    assert error.after == estimate_calibration_error(
        after.confidences, after.correct, evidence=DEVICE
    )
    assert error.after.value > error.before.value  # naive Bayes is known to be too sure
    assert Damage.model_validate_json(found.model_dump_json()) == found


def test_other_samples_are_not_compared() -> None:
    other = evaluate(sure_of([0] * 8, [0.9] * 8), np.zeros(8, int), None, NAMES)
    with pytest.raises(ValueError, match="not on the same samples"):
        between(BEFORE, other)
