from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedistill.errors import InputError
from edgedistill.stages.respond import open_responses
from edgedistill.stages.respond.log_probabilities import (
    DTYPES,
    open_log_probabilities,
    write_log_probabilities,
)
from edgedistill.stages.respond.reply import Candidate, Token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from teacher_server import TeacherServer

    Ask = Callable[..., tuple[dict[str, Any], Path]]

PROMPTS = ["one", "two", "three"]


@pytest.mark.parametrize("api", ["chat", "completion"])
def test_log_probabilities_are_those_that_the_endpoint_told(
    ask: Ask, server: TeacherServer, api: str
) -> None:
    facts, folder = ask(PROMPTS, api=api, top_k_log_probabilities=3)
    logs = open_responses(folder).log_probabilities
    assert logs is not None
    assert facts["distillation"] == "token-level top-k"
    assert facts["with_log_probabilities"] == len(logs) == 3
    for row, prompt in enumerate(PROMPTS):
        table = logs.table(row)
        tokens = server.tokens(server.text(prompt))
        if api == "completion":  # which tells tokens as text, never a part of a letter
            tokens = [*tokens[:3], "é".encode()]
        assert table.tokens == tuple(tokens)
        assert b"".join(table.tokens).decode() == server.text(prompt)
        expected = [server.likeliest(token, place, 3) for place, token in enumerate(tokens)]
        assert table.alternatives == tuple(tuple(each) for each in expected)
        np.testing.assert_allclose(table.log_probabilities, [each[0][1] for each in expected])
    assert len(set(logs.vocabulary)) == len(logs.vocabulary)


def test_the_official_client_reads_the_same_from_the_same_server(
    ask: Ask, server: TeacherServer
) -> None:
    openai = pytest.importorskip("openai")
    _, folder = ask(["one"], top_k_log_probabilities=3)
    responses = open_responses(folder)
    assert responses.log_probabilities is not None
    table = responses.log_probabilities.table(0)
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        reply = client.chat.completions.create(
            model=server.model,
            messages=[{"role": "user", "content": "one"}],
            logprobs=True,
            top_logprobs=3,
        )
    (choice,) = type(reply).model_validate(reply.model_dump(), strict=True).choices
    assert choice.message.content == responses.texts[0]
    theirs = choice.logprobs.content
    assert table.tokens == tuple(bytes(token.bytes) for token in theirs)
    assert table.alternatives == tuple(
        tuple((bytes(one.bytes), one.logprob) for one in token.top_logprobs) for token in theirs
    )


@pytest.mark.parametrize(
    ("kinds", "with_them", "distillation"),
    [
        (["no-log-probabilities"] * 3, 0, "sequence-level"),
        (["none", "no-log-probabilities", "none"], 2, "sequence-level"),
        (["none", "empty", "none"], 2, "token-level top-k"),
    ],
)
def test_log_probabilities_that_are_missing_are_told(
    ask: Ask, server: TeacherServer, kinds: list[str], with_them: int, distillation: str
) -> None:
    for kind in kinds:
        server.does(kind)
    facts, folder = ask(PROMPTS, top_k_log_probabilities=2, concurrency=1)
    logs = open_responses(folder).log_probabilities
    assert facts["with_log_probabilities"] == with_them
    assert facts["distillation"] == distillation
    assert (logs is None) == (with_them == 0)
    if logs is not None:
        assert [logs.given(row) for row in range(3)] == [True, False, True]
        assert logs.table(1).tokens == ()


candidates = st.builds(
    Candidate, st.binary(max_size=4), st.floats(-100, 0, width=32, allow_subnormal=False)
)
rows = st.lists(
    st.none()
    | st.lists(
        st.builds(Token, candidates, st.lists(candidates, max_size=3).map(tuple)), max_size=4
    ).map(tuple),
    max_size=4,
)


@given(rows)
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Token, ...] | None]
) -> None:
    folder = tmp_path_factory.mktemp("logs") / "arrays"
    write_log_probabilities(folder, lambda: iter(rows))
    logs = open_log_probabilities(folder)
    assert len(logs) == len(rows)
    for place, row in enumerate(rows):
        table = logs.table(place)
        assert logs.given(place) == bool(row)
        assert table.tokens == tuple(token.chosen.token for token in row or ())
        assert table.log_probabilities.tolist() == [t.chosen.log_probability for t in row or ()]
        assert table.alternatives == tuple(
            tuple((one.token, one.log_probability) for one in token.likeliest)
            for token in row or ()
        )


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("damage", ["gone", "short", "other", "wild"])
def test_a_damaged_array_is_refused_by_name(tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "arrays"
    token = Token(Candidate(b"a", -0.5), (Candidate(b"a", -0.5), Candidate(b"b", -1.5)))
    write_log_probabilities(folder, lambda: iter([(token, token), (token,)]))
    path = folder / f"{name}.npy"
    array = np.load(path, allow_pickle=False)
    if damage == "gone":
        path.unlink()
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "other":
        np.save(path, array.astype("<f8"), allow_pickle=False)
    elif name == "vocabulary":
        np.save(path, np.zeros(99, "u1"), allow_pickle=False)
    else:
        value = np.nan if array.dtype.kind == "f" else -7
        np.save(path, np.full_like(array, value), allow_pickle=False)
    with pytest.raises(InputError, match="responses cannot be read") as caught:
        open_log_probabilities(folder)
    blamed = "vocabulary_offsets" if (name, damage) == ("vocabulary", "wild") else name
    assert f"{blamed}.npy" in str(caught.value)
