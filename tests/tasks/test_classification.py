from __future__ import annotations

import numpy as np
import pytest
import torch

from edgedistill.core.evidence import Evidence
from edgedistill.core.figure import LADDER
from edgedistill.errors import PromiseError
from edgedistill.tasks import (
    UNLABELLED,
    Evaluation,
    accuracy,
    accuracy_drop,
    agreement,
    agresti_min_interval,
    bonferroni,
    evaluate,
    label_loss,
    wilson_interval,
    worst_class,
    worst_group,
)

EVIDENCE = Evidence.MEASURED_ON_DEVICE


def answers(labels: list[int], predictions: list[int], groups: list[str] | None) -> Evaluation:
    logits = np.eye(3, dtype=np.float32)[predictions]
    return evaluate(
        logits,
        np.array(labels),
        None if groups is None else np.array(groups),
        ("cat", "dog", "owl"),
    )


LABELS = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
GROUPS = ["north", "south"] * 5


def before() -> Evaluation:
    return answers(LABELS, [0, 0, 0, 0, 1, 1, 1, 0, 2, 1], GROUPS)


def after() -> Evaluation:
    return answers(LABELS, [0, 0, 1, 1, 1, 1, 1, 1, 2, 0], GROUPS)


def test_label_loss_is_the_mean_of_minus_log_softmax() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], dtype=torch.float64)
    labels = torch.tensor([1, 0])
    by_hand = [
        -np.log(np.exp(row[label]) / np.exp(row).sum())
        for row, label in zip(logits.numpy(), labels.numpy(), strict=True)
    ]
    assert label_loss(logits, labels).item() == pytest.approx(np.mean(by_hand), rel=1e-12)


def test_label_smoothing_spreads_the_target() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5]], dtype=torch.float64)
    minus_log = -np.log(np.exp(logits.numpy()) / np.exp(logits.numpy()).sum())[0]
    expected = 0.7 * minus_log[1] + 0.3 * minus_log.mean()
    loss = label_loss(logits, torch.tensor([1]), label_smoothing=0.3)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_unlabelled_samples_count_for_nothing() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, UNLABELLED, 2, UNLABELLED, 1, UNLABELLED])
    assert label_loss(logits, labels).item() == pytest.approx(
        label_loss(logits[::2], labels[::2]).item(), rel=1e-6
    )


def test_a_batch_without_labels_costs_nothing_and_still_has_a_gradient() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    loss = label_loss(logits, torch.full((4,), UNLABELLED))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros(4, 3))


def test_answers_are_told_apart_by_class_and_by_group() -> None:
    evaluation = before()
    assert evaluation.accuracy == pytest.approx(0.8)
    classes = {
        name: evaluation.correct[of].tolist() for name, of in evaluation.members_of_classes()
    }
    assert classes == {"cat": [True] * 4, "dog": [True, True, True, False], "owl": [True, False]}
    groups = {name: evaluation.correct[of].mean() for name, of in evaluation.members_of_groups()}
    assert groups == pytest.approx({"north": 1.0, "south": 0.6})


def test_a_class_without_samples_and_absent_groups_are_left_out() -> None:
    evaluation = answers([0, 0, 2], [0, 1, 2], None)
    assert [name for name, _ in evaluation.members_of_classes()] == ["cat", "owl"]
    assert list(evaluation.members_of_groups()) == []
    assert worst_group(evaluation, evaluation, evidence=EVIDENCE) is None


def test_accuracy_and_agreement_carry_wilson_intervals() -> None:
    figure = accuracy(before(), evidence=EVIDENCE)
    assert (figure.value, figure.samples, figure.evidence) == (0.8, 10, EVIDENCE)
    assert (figure.low, figure.high) == wilson_interval(8, 10, 0.95)
    same = agreement(before(), after(), confidence=0.9, evidence=EVIDENCE)
    assert same.value == pytest.approx(0.6)
    assert (same.low, same.high) == wilson_interval(6, 10, 0.9)


def test_accuracy_drop_is_paired() -> None:
    drop = accuracy_drop(before(), after(), evidence=EVIDENCE)
    assert drop.value == pytest.approx(before().accuracy - after().accuracy)
    assert (drop.low, drop.high) == agresti_min_interval(2, 1, 10, 0.95)
    assert "Agresti & Min 2005" in drop.method


def test_worst_class_holds_for_all_classes_at_once() -> None:
    worst = worst_class(before(), after(), evidence=EVIDENCE)
    assert worst is not None
    each = bonferroni(0.95, 3)
    intervals = [
        agresti_min_interval(2, 0, 4, each),
        agresti_min_interval(0, 1, 4, each),
        agresti_min_interval(0, 0, 2, each),
    ]
    assert worst.name == "cat"
    assert worst.drop.value == pytest.approx(0.5)
    assert worst.drop.low == max(low for low, _ in intervals)
    assert worst.drop.high == max(high for _, high in intervals)
    assert worst.drop.confidence == 0.95


def test_the_worst_class_interval_covers_the_largest_drop() -> None:
    generator = np.random.default_rng(7)
    trials, inside = 300, 0
    labels = np.repeat([0, 1, 2], 80)
    lost = np.array([0.15, 0.12, 0.02])[labels]
    for _ in range(trials):
        gone = generator.random(240) < lost
        perfect = evaluate(np.eye(3)[labels], labels, None, ("a", "b", "c"))
        worse = evaluate(np.eye(3)[np.where(gone, (labels + 1) % 3, labels)], labels, None, "abc")
        worst = worst_class(perfect, worse, confidence=0.9, evidence=EVIDENCE)
        assert worst is not None
        inside += worst.drop.low <= 0.15 <= worst.drop.high
    assert inside / trials >= 0.9


def test_worst_group_names_the_group() -> None:
    worst = worst_group(before(), after(), evidence=EVIDENCE)
    assert worst is not None
    assert worst.name == "north"
    assert worst.drop.value == pytest.approx(0.2)


def test_nan_answers_break_the_promise() -> None:
    logits = np.zeros((2, 3))
    logits[1, 2] = np.nan
    with pytest.raises(PromiseError, match="NaN or infinity in the answers to 1 of 2 samples"):
        evaluate(logits, np.array([0, 1]), None, ("a", "b", "c"))


def test_answers_of_another_shape_break_the_promise() -> None:
    with pytest.raises(PromiseError, match=r"answers of shape \(2, 3\), found shape \(2, 4\)"):
        evaluate(np.zeros((2, 4)), np.array([0, 1]), None, ("a", "b", "c"))


def test_other_samples_are_not_compared() -> None:
    with pytest.raises(ValueError, match="not on the same samples"):
        accuracy_drop(before(), answers([0], [0], None), evidence=EVIDENCE)


def test_a_sample_without_a_label_is_not_evaluated() -> None:
    with pytest.raises(ValueError, match="needs a label"):
        evaluate(np.zeros((1, 3)), np.array([UNLABELLED]), None, ("a", "b", "c"))


def test_a_sample_without_an_answer_is_wrong_and_agrees_with_no_class() -> None:
    labels, logits = np.array([0, 0, 1, 1]), np.zeros((4, 2))
    answered = np.array([True, False, True, False])
    logits[2, 1] = 1.0
    some = evaluate(logits, labels, None, ("a", "b"), answered=answered)
    every = evaluate(logits, labels, None, ("a", "b"))
    assert every.accuracy == 0.75
    assert some.accuracy == 0.5
    assert agreement(some, every, evidence=EVIDENCE).value == 0.5
    assert accuracy_drop(some, every, evidence=EVIDENCE).value == -0.25


def test_higher_confidences_come_from_the_same_formulas() -> None:
    share = accuracy(after(), evidence=EVIDENCE)
    drop = accuracy_drop(before(), after(), evidence=EVIDENCE)
    worst = worst_class(before(), after(), evidence=EVIDENCE)
    assert worst is not None
    assert [one.confidence for one in share.wider] == list(LADDER)
    for number, confidence in enumerate(LADDER):
        at = {"confidence": confidence, "evidence": EVIDENCE}
        for figure, alone in (
            (share, accuracy(after(), **at)),
            (drop, accuracy_drop(before(), after(), **at)),
            (worst.drop, worst_class(before(), after(), **at).drop),
        ):
            rung = figure.wider[number]
            assert (rung.low, rung.high) == (alone.low, alone.high)
