from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedistill.errors import InputError
from edgedistill.stages.respond import Message, prompts_sha256, read_prompts

if TYPE_CHECKING:
    from pathlib import Path


def test_a_text_file_holds_one_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeffWhat is 2?\r\n\n  Straße\u2028zwei \nWhat is 2?".encode())
    assert read_prompts(path) == ("What is 2?", "Straße\u2028zwei", "What is 2?")


def test_a_jsonl_file_holds_texts_and_conversations(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    turns = [{"role": "system", "content": "Rhyme."}, {"role": "user", "content": "hello"}]
    lines = [{"prompt": "a\nb", "id": 7}, {"messages": turns}, {"prompt": "a\nb"}]
    path.write_text("\n\n".join(json.dumps(line) for line in lines))
    conversation = (Message("system", "Rhyme."), Message("user", "hello"))
    assert read_prompts(path) == ("a\nb", conversation, "a\nb")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is not an object with either prompt or messages"),
        ('{"text": "a"}', "is not an object with either prompt or messages"),
        ('{"prompt": "a", "messages": []}', "is not an object with either prompt or messages"),
        ('{"prompt": 3}', "has no text as prompt"),
        ('{"prompt": null}', "has no text as prompt"),
        ('{"prompt": ""}', "is empty"),
        ('{"prompt": " "}', "has a turn of the user without text"),
        ('{"prompt": "\\ud83d"}', "holds half a character"),
        ('{"messages": []}', "is empty"),
        ('{"messages": "a"}', "messages without role and content"),
        ('{"messages": ["a"]}', "messages without role and content"),
        ('{"messages": [{"role": "user"}]}', "messages without role and content"),
        ('{"messages": [{"role": "tool", "content": "a"}]}', "the unknown role 'tool'"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "ends with the assistant"),
    ],
)
def test_a_line_that_is_no_prompt_is_told_with_its_number(
    tmp_path: Path, line: str, words: str
) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "good"}\n\n' + line + "\n")
    with pytest.raises(InputError) as caught:
        read_prompts(path)
    (fault,) = caught.value.faults
    assert (fault.file, fault.field) == (path, "line 3")
    assert words in fault.problem


def test_all_bad_lines_are_told_at_once_up_to_a_bearable_number(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text("{\n" * 50)
    with pytest.raises(InputError, match="30 more lines are no prompts") as caught:
        read_prompts(path)
    assert len(caught.value.faults) == 21


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("prompts.txt", b"", "holds no prompt"),
        ("prompts.jsonl", b" \n\n", "holds no prompt"),
        ("prompts.csv", b"a", "is neither .txt nor .jsonl"),
        ("prompts.txt", b"one\ntwo\n\xff", r"is not UTF-8 text \(line 3\)"),
        ("prompts.txt", None, "cannot be read: No such file"),
    ],
)
def test_a_file_without_prompts_is_refused(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_prompts(tmp_path / name)


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
@settings(max_examples=50)
def test_the_hash_of_prompts_tells_lists_apart(one: list[str], other: list[str]) -> None:
    assert (prompts_sha256(one) == prompts_sha256(other)) == (one == other)
