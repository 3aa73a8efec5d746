from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from gate_documents import HOSTILE, check, document, documents, texts
from hypothesis import given, settings

from edgedistill.core.verdict import Outcome
from edgedistill.render.github import command, commands, inert, summary

if TYPE_CHECKING:
    from edgedistill.core.gate_document import GateDocument

KNOWN = {"error", "warning", "notice"}


def read_command(line: str) -> tuple[str, dict[str, str], str] | None:
    """Reads a line as the runner does: the documented form, `::name key=value,...::data`."""
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    name, _, rest = line[2:end].partition(" ")
    pairs = (pair.partition("=") for pair in rest.split(",") if pair)
    properties = {key: _unescape(value, {":": "%3A", ",": "%2C"}) for key, _, value in pairs}
    return name, properties, _unescape(line[end + 2 :], {})


def _unescape(text: str, more: dict[str, str]) -> str:
    for character, written in ({"\r": "%0D", "\n": "%0A"} | more | {"%": "%25"}).items():
        text = text.replace(written, character)
    return text


@given(texts, texts)
def test_the_runner_reads_back_what_was_said(title: str, message: str) -> None:
    line = command("warning", title, message)
    assert "\n" not in line
    assert "\r" not in line
    assert read_command(line) == ("warning", {"title": title}, message)


@pytest.mark.parametrize(
    ("outcome", "warned", "level"),
    [
        (Outcome.PASS, False, "notice"),
        (Outcome.FAIL, False, "error"),
        (Outcome.UNJUDGED, False, "error"),
        (Outcome.UNJUDGED, True, "warning"),
    ],
)
def test_the_level_follows_the_outcome(outcome: Outcome, warned: bool, level: str) -> None:
    found = document(check(Outcome.PASS, budget="max_size_mb"), check(outcome, warned=warned))
    (line,) = commands(found)
    read = read_command(line)
    assert read is not None
    assert read[0] == level


def test_failures_come_first_and_a_pass_beside_them_is_not_told() -> None:
    found = document(
        check(Outcome.PASS, budget="size"),
        check(Outcome.UNJUDGED, budget="energy", warned=True),
        check(Outcome.UNJUDGED, budget="memory"),
        check(Outcome.FAIL, budget="latency"),
    )
    titles = [line.partition("::The")[0] for line in commands(found)]
    assert titles == [
        "::error title=FAIL host%3A latency",
        "::error title=UNJUDGED host%3A memory",
        "::warning title=WARNING host%3A energy",
    ]


def test_what_github_would_drop_is_counted() -> None:
    found = document(*(check(Outcome.FAIL, budget=f"b{place}") for place in range(25)))
    lines = commands(found)
    assert len(lines) == 10
    assert "16 more" in lines[-1]


@given(documents)
@settings(max_examples=30, deadline=None)
def test_only_meant_commands_reach_the_runner(found: GateDocument) -> None:
    for line in commands(found):
        read = read_command(line)
        assert read is not None
        assert read[0] in KNOWN
        assert set(read[1]) == {"title"}
    if found.exit_code:
        assert commands(found)[0].startswith("::error ")


@given(texts, texts)
def test_the_log_holds_no_command(first: str, second: str) -> None:
    for line in inert(f"{first}\n{second}").splitlines():
        assert not line.lstrip().startswith("::")
        assert "##[" not in line


def cells(row: str) -> list[str]:
    return re.split(r"(?<!\\)\|", row.strip().strip("|"))


@given(documents)
@settings(max_examples=30, deadline=None)
def test_the_summary_is_one_table_whatever_the_names(found: GateDocument) -> None:
    title, empty, told, gap, *rows = summary(found).rstrip("\n").split("\n")
    assert title == f"## edgedistill gate: {found.headline}"
    assert (empty, gap) == ("", "")
    assert told
    assert {len(cells(row)) for row in rows} == {4}
    assert len(rows) - 2 >= max(1, sum(len(record.checks) for record in found.targets))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_no_markup_in_the_summary(name: str) -> None:
    text = summary(document(check(Outcome.FAIL, budget=name, reason=name), target=name))
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\]\(", text)
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("::")]


def test_a_summary_too_long_for_github_counts_what_it_leaves_out() -> None:
    long = "a" * 1900
    found = document(*(check(Outcome.FAIL, budget=f"b{n}", reason=long) for n in range(600)))
    text = summary(found)
    assert len(text.encode()) < 1024 * 1024
    shown = text.count("❌ FAIL")
    assert f"{600 - shown} more stand in the log." in text
