from __future__ import annotations

from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.learned import Curation, Feedback, LearningStep, Members, Taken
from edgedistill.render.learning import learning_sections

GAIN = Quantity(
    value=0.01,
    low=0.004,
    high=0.016,
    confidence=0.95,
    evidence=Evidence.MEASURED_ON_STAND_IN,
    samples=500,
    method="paired",
)


def told(step: LearningStep) -> str:
    return "\n".join(learning_sections([step]))


def test_nothing_learned_is_nothing_told() -> None:
    assert learning_sections([]) == []


def test_a_round_of_feedback_says_what_became_of_each_error() -> None:
    feedback = Feedback(errors=1200, corrected=900, labels_contradicted=40, dropped=300)
    text = told(
        LearningStep(
            name="feedback",
            title="feedback: round 1 of 1",
            accuracy_before=0.9,
            accuracy_after=0.91,
            gain=GAIN,
            feedback=feedback,
        )
    )
    assert "of 1,200 errors 900 were replayed" in text
    assert "(40 against their label) and 300 dropped" in text
    assert "90.00 % → 91.00 %" in text
    assert "+1.00 points (+0.40 to +1.60)" in text


def test_a_round_without_errors_says_so() -> None:
    feedback = Feedback(errors=0, corrected=0, labels_contradicted=0, dropped=0)
    text = told(LearningStep(name="feedback", title="feedback", feedback=feedback))
    assert "there was no error" in text


def test_curation_tells_what_each_cut_took_from_whom_and_hostile_names_stay_text() -> None:
    members = Members(before=100, removed=20, hidden=5, left=75, skew=1.25)
    gone = Members(before=3, removed=3, hidden=0, left=0, skew=None)
    curation = Curation(
        samples=103,
        kept=80,
        removed=23,
        hidden=5,
        cuts=(
            Taken(field="stages.curate.head[0]", taken=23, classes={"<b>cat</b>": 23}, groups=None),
        ),
        classes={"<b>cat</b>": members},
        groups={"a|b": gone},
    )
    text = told(LearningStep(name="curate", title="curate", curation=curation))
    assert "Curation kept 80 of 103 samples" in text
    assert "| &lt;b&gt;cat&lt;/b&gt; | 100 | 20 | 5 | 75 | 1.25x |" in text
    assert "| a\\|b | 3 | 3 | 0 | 0 | - |" in text
    assert "&lt;b&gt;cat&lt;/b&gt;: 23" in text
    assert "<b>" not in text
