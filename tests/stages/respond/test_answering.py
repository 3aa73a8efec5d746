from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgedistill.core.stage import StageContext
from edgedistill.errors import InputError, PromiseError
from edgedistill.stages.respond import Answering, open_verdicts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from teacher_server import TeacherServer

    from edgedistill.core.endpoint import Endpoint

    Ask = Callable[..., tuple[dict[str, Any], Path]]

NAMES = ("food", "travel")
SPLITS = {"train": 3, "validation": 1}
SAID = ["say food", "say Travel.", "say food or travel", "say travel"]


@pytest.fixture
def understand(
    ask: Ask, endpoint: Callable[..., Endpoint], tmp_path: Path
) -> Callable[..., tuple[dict[str, Any], Path]]:
    """Asks and understands; gives the facts and the folder of the verdicts."""

    def run(
        prompts: list[str], *, splits: dict[str, int] = SPLITS, **changes: Any
    ) -> tuple[dict[str, Any], Path]:
        _, responses = ask(prompts, **changes)
        folder = tmp_path / "verdicts"
        folder.mkdir()
        stage = Answering(responses, splits, NAMES, endpoint(**changes), sure=0.9)
        return dict(stage.run(StageContext(folder)).facts), folder

    return run


def test_verdicts_are_kept_split_by_split_with_what_was_understood(understand: Ask) -> None:
    facts, folder = understand(SAID)
    train, validation = (open_verdicts(folder / split) for split in SPLITS)
    expected = [[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]]
    assert np.exp(train.log_probabilities) == pytest.approx(np.array(expected), rel=1e-6)
    assert train.log_probabilities.dtype == np.float32
    assert train.understood.tolist() == [True, True, False]
    assert np.exp(validation.log_probabilities) == pytest.approx(np.array([[0.1, 0.9]]), rel=1e-6)
    assert facts["distillation"] == "sequence-level"
    assert (facts["samples"], facts["understood"], facts["not_understood"]) == (4, 3, 1)
    assert facts["splits"]["train"] == {
        "samples": 3,
        "understood": 2,
        "not_understood": 1,
        "from_tokens": 0,
        "classes": {"food": 1, "travel": 1},
    }
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_with_log_probabilities_the_tokens_say_how_sure_the_teacher_is(
    understand: Ask, server: TeacherServer
) -> None:
    server.opinion = lambda prompt: {"food": 0.75, "travel": 0.25}
    facts, folder = understand(SAID, top_k_log_probabilities=5)
    found = np.exp(open_verdicts(folder / "train").log_probabilities)
    assert found == pytest.approx(np.tile([0.75, 0.25], (3, 1)), rel=1e-6)
    assert facts["distillation"] == "token-level top-k"


def test_a_class_beyond_the_top_k_stays_finite(understand: Ask, server: TeacherServer) -> None:
    server.opinion = lambda prompt: {"food": 1.0}
    _, folder = understand(SAID, top_k_log_probabilities=1)
    assert np.isfinite(open_verdicts(folder / "train").log_probabilities).all()


@pytest.mark.parametrize(("handling", "understood"), [("drop", 2), ("keep", 3)])
def test_a_truncated_answer_is_understood_only_where_the_recipe_keeps_it(
    understand: Ask, server: TeacherServer, handling: str, understood: int
) -> None:
    server.does("length")
    prompts = ["say food", "say travel", "say food."]
    facts, _ = understand(prompts, truncated=handling, concurrency=1, splits={"train": 3})
    assert facts["understood"] == understood


def test_several_samples_of_an_answer_become_one_verdict(understand: Ask) -> None:
    facts, folder = understand(SAID, samples_per_prompt=3, temperature=1.0)
    assert facts["samples"] == 4
    assert len(open_verdicts(folder / "train").understood) == 3


def test_a_teacher_whose_every_answer_is_not_understood_ends_the_run_with_what_it_said(
    understand: Ask,
) -> None:
    with pytest.raises(InputError, match=r"no answer to it names a class .*'I would rather not'"):
        understand(["say I would rather not"] * 3 + ["say food"])


def test_responses_to_other_questions_are_not_taken(understand: Ask) -> None:
    with pytest.raises(PromiseError, match="a response to each of 4 questions"):
        understand(SAID[:3])


def test_damaged_verdicts_are_told(understand: Ask) -> None:
    _, folder = understand(SAID)
    path = folder / "train" / "verdicts.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="what the teacher said cannot be read"):
        open_verdicts(folder / "train")
