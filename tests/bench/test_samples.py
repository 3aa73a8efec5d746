from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.bench.samples import SAMPLES_FILE, Samples, read_samples, write_samples
from edgedistill.core.strict import plain
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.conftest import MakeSamples


@pytest.fixture
def samples(make_samples: MakeSamples) -> Samples:
    return make_samples({"a": [[10, 11]] * 12, "b": [[20, 21]] * 12})


def test_what_is_written_is_read(samples: Samples, folder: Path) -> None:
    write_samples(samples, folder)
    assert read_samples(folder) == samples


def damage(document: dict[str, Any], path: str, value: object) -> None:
    *parents, last = path.split(".")
    inner: Any = document
    for key in parents:
        inner = inner[int(key) if isinstance(inner, list) else key]
    inner[int(last) if isinstance(inner, list) else last] = value


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        ("wall_ns.a.0.0", 0, "wall_ns.a.0.0"),
        ("wall_ns.a.0.0", -5, "wall_ns.a.0.0"),
        ("wall_ns.a.0.0", float("nan"), "wall_ns.a.0.0"),
        ("wall_ns.a.0.0", 1.5, "not a whole number"),
        ("cpu_ns.b.3.1", 0, "cpu_ns.b.3.1"),
        ("wall_ns.a.3", [10], "wall_ns.a does not hold 12 rounds of 2 runs"),
        ("cpu_ns.b", [[1, 2]] * 11, "cpu_ns.b does not hold 12 rounds of 2 runs"),
        ("cpu_ns", {"a": [[1, 2]] * 12}, "cpu_ns holds other models"),
        ("plan.orders.0", ["a", "a"], "not an order of all models"),
        ("plan.orders", [["a", "b"]] * 11, "not an order of all models"),
        ("conditions.threads", 0, "conditions.threads"),
        ("surprise", 1, "not a known key"),
    ],
)
def test_what_is_not_whole_is_refused(
    samples: Samples, folder: Path, path: str, value: object, word: str
) -> None:
    document = plain(samples)
    damage(document, path, value)
    (folder / SAMPLES_FILE).write_text(json.dumps(document))
    with pytest.raises(InputError) as caught:
        read_samples(folder)
    assert word in str(caught.value)
    assert SAMPLES_FILE in str(caught.value)


def test_a_file_cut_short_or_absent_is_refused(samples: Samples, folder: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_samples(folder)
    write_samples(samples, folder)
    text = (folder / SAMPLES_FILE).read_text()
    (folder / SAMPLES_FILE).write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match="is not whole JSON"):
        read_samples(folder)
