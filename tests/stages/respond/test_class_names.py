from __future__ import annotations

import pytest

from edgedistill.errors import InputError
from edgedistill.stages.respond.class_names import ClassNames, beginning_of

NAMES = ("spam", "not spam", "C++", "Straße", "1", "1.5")


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ("spam", 0),
        ("  SPAM.\n", 0),
        ("**Spam**", 0),
        ("'spam'", 0),
        ("Not  spam", 1),
        ("Spam. It sells something.", 0),
        ("spam\n\nIt sells something", 0),
        ("Spam (it sells something)", 0),
        ("Class: spam", 0),
        ("Class: **not spam**", 1),
        ("Let me think about it.\nspam", 0),
        ("c++", 2),
        ("STRASSE", 3),
        ("\uff33\uff30\uff21\uff2d", 0),  # full-width letters
        ("1", 4),
        ("1.5", 5),
        ("1. It is the first.", 4),
    ],
)
def test_a_class_that_stands_alone_is_understood(answer: str, place: int) -> None:
    assert ClassNames.of(NAMES).named(answer) == place


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   ",
        "I cannot tell",
        "spam or 1",
        "Spam, surely not 1",
        "This is spam",
        "It is surely no spam",
        "spam free",
        "spammer",
        "spam-free",
        "1.7",
        "Spa",
        "spam: not spam",
    ],
)
def test_no_class_several_and_a_class_in_a_sentence_are_not_understood(answer: str) -> None:
    assert ClassNames.of(NAMES).named(answer) is None


@pytest.mark.parametrize(
    ("beginning", "places"),
    [
        (b"", [0, 1, 2, 3, 4, 5]),
        (b" \n", [0, 1, 2, 3, 4, 5]),
        (b" **S", [0, 3]),
        (b"sp", [0]),
        (b"not ", [1]),
        (b"nothing", []),
        (b"spam.", [0]),
        (b"spam\nIt", [0]),
        (b"spammer", []),
        (b"1", [4, 5]),
        (b"1.", [4, 5]),
        (b"1.5", [5]),
        (b"Stra" + "ß".encode()[:1], [3]),
        ("Straß".encode(), [3]),
    ],
)
def test_a_beginning_allows_the_names_that_may_follow(beginning: bytes, places: list[int]) -> None:
    names = ClassNames.of(NAMES)
    said = beginning_of(beginning)
    assert [place for place in range(len(NAMES)) if names.allows(place, said)] == places


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("Spam", "spam"), r"reads like the class 'Spam' in an answer \(given: 'spam'\)"),
        (("spam", '"Spam".'), "reads like the class 'spam'"),
        (("spam", "..."), r"cannot name in words \(given: '\.\.\.'\)"),
    ],
)
def test_names_that_no_answer_could_tell_apart_are_refused(
    names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        ClassNames.of(names)
