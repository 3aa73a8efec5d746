from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.errors import InputError
from edgedistill.stages.respond import open_responses

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ask = Callable[..., tuple[dict[str, Any], Path]]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def _garble(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"stop", b"step").replace(b"sha256", b"sha512"))


@pytest.mark.parametrize("name", ["responses.jsonl", "responses.json"])
@pytest.mark.parametrize("damage", [_cut, _garble, lambda path: path.unlink()])
def test_damaged_responses_are_refused_with_what_to_do(
    ask: Ask, name: str, damage: Callable[[Path], None]
) -> None:
    _, folder = ask(["a", "b"])
    damage(folder / name)
    with pytest.raises(
        InputError, match=r"responses cannot be read.*they are asked anew"
    ) as caught:
        open_responses(folder)
    assert name in str(caught.value)


def test_text_outside_ascii_comes_back_as_it_was(ask: Ask) -> None:
    prompts = ["say grüße\u2028 😀\n\tzwei", "say  \x00 nul"]
    _, folder = ask(prompts)
    responses = open_responses(folder)
    assert responses.prompts == tuple(prompts)
    assert responses.texts == tuple(prompt.removeprefix("say ") for prompt in prompts)
