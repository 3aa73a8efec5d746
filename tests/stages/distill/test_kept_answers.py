from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgedistill.core.learning import Answers
from edgedistill.errors import InputError
from edgedistill.stages.distill.answer_rows import RowForm
from edgedistill.stages.distill.kept_answers import (
    FACTS_FILE,
    FILE,
    file_bytes,
    header,
    open_answers,
)
from edgedistill.units import bytes_to_mb

if TYPE_CHECKING:
    from collections.abc import Callable

VIEWS, SAMPLES, CLASSES = 3, 40, 12


def write(folder: Path, form: RowForm, content: bytes, **changes: Any) -> None:
    samples = changes.get("samples", SAMPLES)
    size = file_bytes(form, views=VIEWS, samples=samples)
    facts = {
        "views": VIEWS,
        "samples": samples,
        "classes": form.classes,
        "precision": form.precision,
        "top_k": form.top_k,
        "size_mb": bytes_to_mb(size),
        "labelled": 0,
        "agreement_with_labels": None,
        **changes,
    }
    (folder / FACTS_FILE).write_text(json.dumps(facts))
    (folder / FILE).write_bytes(header(form, views=VIEWS, samples=samples) + content)


def resident_pages() -> int:
    """Of this process: 4 kB each on most machines, files mapped into memory included."""
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.fixture
def logits() -> np.ndarray:
    drawn = np.random.default_rng(0).standard_normal((VIEWS * SAMPLES, CLASSES))
    return drawn.astype(np.float32)


@pytest.mark.parametrize("config", [Answers(), Answers(precision="float32"), Answers(top_k=3)])
def test_a_look_up_gives_the_rows_asked_for_as_a_copy(
    config: Answers, logits: np.ndarray, tmp_path: Path
) -> None:
    form = RowForm.of(config, classes=CLASSES)
    write(tmp_path, form, form.pack(logits).tobytes())
    answers = open_answers(tmp_path)
    assert (answers.views, answers.samples, answers.classes) == (VIEWS, SAMPLES, CLASSES)
    views, indices = np.array([2, 0, 2, 1]), np.array([39, 0, 39, 17])
    found = answers.logits(views, indices)
    expected = form.unpack(form.pack(logits))[views * SAMPLES + indices]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    found[:] = 7.0
    np.testing.assert_array_equal(answers.logits(views, indices), expected)
    for beyond in ((np.array([3]), np.array([0])), (np.array([0]), np.array([40]))):
        with pytest.raises(IndexError):
            answers.logits(*beyond)


def test_numpy_reads_the_file_without_this_package(logits: np.ndarray, tmp_path: Path) -> None:
    form = RowForm(CLASSES, "float16", 3)
    write(tmp_path, form, form.pack(logits).tobytes())
    loaded = np.load(tmp_path / FILE, allow_pickle=False)
    assert loaded.shape == (VIEWS, SAMPLES)
    np.testing.assert_array_equal(loaded["classes"][0, 0], np.argsort(-logits[0])[:3])


def test_opening_and_looking_up_read_no_more_than_is_asked_for(tmp_path: Path) -> None:
    form, samples = RowForm(1000, "float16", None), 1_000_000
    write(tmp_path, form, b"", samples=samples)
    with (tmp_path / FILE).open("r+b") as file:
        file.truncate(file_bytes(form, views=VIEWS, samples=samples))  # 6 GB of holes
    before = resident_pages()
    answers = open_answers(tmp_path)
    indices = np.random.default_rng(0).integers(samples, size=128)
    assert not answers.logits(indices % VIEWS, indices).any()
    assert resident_pages() - before < 1000


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda stored: stored[:-1], "bytes instead of"),
        (lambda stored: stored + b"x", "bytes instead of"),
        (lambda stored: stored[:60], "another kind of file"),
        (lambda stored: b"", "another kind of file"),
        (lambda stored: b"PK\x03\x04" + stored[4:], "another kind of file"),
        (lambda stored: stored.replace(b"<f2", b"<f4"), "another kind of file"),
        (lambda stored: stored.replace(b"(3, ", b"(9, "), "another kind of file"),
        (lambda stored: stored.replace(b"(3, ", b"nan,"), "another kind of file"),
    ],
)
def test_a_file_of_another_kind_or_size_is_refused(
    damage: Callable[[bytes], bytes], message: str, logits: np.ndarray, tmp_path: Path
) -> None:
    form = RowForm(CLASSES, "float16", None)
    write(tmp_path, form, form.pack(logits).tobytes())
    path = tmp_path / FILE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=rf"answers\.npy.*cannot be read.*{message}.*run again"):
        open_answers(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": float("nan")}, "views: is not a whole number"),
        ({"size_mb": float("nan")}, "size_mb: is not a finite number"),
        ({"samples": -1}, "samples: should be greater than"),
        ({"top_k": 12}, "top_k 12 of 12 classes"),
        ({"precision": "int8"}, "precision: should be 'float16' or 'float32'"),
        ({"more": 1}, "more: is not a known key"),
        ({"classes": 13}, "another kind of file"),
    ],
)
def test_facts_that_cannot_be_are_refused(
    changes: dict[str, Any], message: str, logits: np.ndarray, tmp_path: Path
) -> None:
    form = RowForm(CLASSES, "float16", None)
    write(tmp_path, form, form.pack(logits).tobytes())
    document = json.loads((tmp_path / FACTS_FILE).read_text())
    (tmp_path / FACTS_FILE).write_text(json.dumps({**document, **changes}))
    with pytest.raises(InputError, match=message):
        open_answers(tmp_path)


def test_absent_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"answers\.json.*cannot be read"):
        open_answers(tmp_path)
    form = RowForm(CLASSES, "float16", None)
    write(tmp_path, form, b"")
    (tmp_path / FILE).unlink()
    with pytest.raises(InputError, match=r"answers\.npy.*cannot be read.*No such file"):
        open_answers(tmp_path)
