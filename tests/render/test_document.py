from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.core.evidence import Wider, counted
from edgedistill.core.strict import plain
from edgedistill.errors import InputError, PromiseError
from edgedistill.render.document import (
    read_baseline,
    read_device_report,
    read_report,
    report_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.report import Report


def test_what_is_written_reads_back(make_report: Callable[..., Report], tmp_path: Path) -> None:
    report = make_report(target_title="Größe <b>|</b>")
    path = tmp_path / "report.json"
    path.write_text(report_text(report), encoding="utf-8")
    assert read_report(path) == report


def test_the_text_is_canonical(make_report: Callable[..., Report]) -> None:
    text = report_text(make_report())
    assert text.endswith("}\n")
    keys = list(json.loads(text))
    assert keys == sorted(keys)
    assert "  " in text.splitlines()[1]


def test_a_number_that_is_not_finite_is_not_written(make_report: Callable[..., Report]) -> None:
    with pytest.raises(PromiseError, match="finite numbers"):
        report_text(make_report(preprocessing={"scale": float("nan")}))


def changed(report: Report, **changes: Any) -> str:
    return json.dumps(plain(report) | changes)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[: len(text) // 2], "is cut off"),
        (lambda text: text.rstrip()[:-1], "is cut off"),
        (lambda text: "", "is cut off"),
        (lambda text: text.replace(":", "=", 1), "is not JSON"),
        (lambda text: text.replace("0.123456", "NaN", 1), "holds NaN"),
        (lambda text: text.replace("0.123456", "-Infinity", 1), "holds -Infinity"),
        (lambda text: text.replace("0.123456", "1e999", 1), "holds 1e999"),
        (lambda text: text.replace("0.0625", "1e999", 1), "holds 1e999"),
        (lambda text: text.replace("0.123456", '"0.123456"', 1), "is not a number"),
        (lambda text: text.replace("{", '{"run": "x",', 1), "holds the key 'run' twice"),
        (lambda text: text.replace('"target":', '"targett":', 1), "Did you mean 'target'"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 3'), "newer"),
        (lambda text: text.replace("edgedistill-report", "other"), "is not an edgedistill report"),
        (lambda text: "[]", "is not an edgedistill report"),
        (lambda text: "{}", "is not an edgedistill report"),
        (lambda text: "[" * 100_000, "is nested too deeply"),
        (lambda text: text.replace("measured-on-device", "measured", 1), "evidence"),
    ],
)
def test_a_damaged_report_is_refused(
    make_report: Callable[..., Report],
    tmp_path: Path,
    edit: Callable[[str], str],
    message: str,
) -> None:
    path = tmp_path / "report.json"
    text = report_text(make_report())
    damaged = edit(text)
    assert damaged != text
    path.write_text(damaged, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_report(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_newer_report_says_how_to_upgrade(
    make_report: Callable[..., Report], tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    path.write_text(changed(make_report(), schema_version=3, new_key=1), encoding="utf-8")
    with pytest.raises(InputError, match="pip install --upgrade edgedistill") as caught:
        read_report(path)
    assert len(caught.value.faults) == 1


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "model.onnx"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_report(binary)
    with pytest.raises(InputError, match="does not exist"):
        read_report(tmp_path / "report.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path)


def test_a_report_that_ships_a_step_without_a_row_is_refused(
    make_report: Callable[..., Report], tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    document = plain(make_report())
    document["rows"] = [row for row in document["rows"] if row["step"] != "int8"]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match=r"choice\.step 'int8' has no row"):
        read_report(path)


@pytest.mark.parametrize(
    ("read", "kind", "title"),
    [
        (read_baseline, "edgedistill-baseline", "an edgedistill baseline"),
        (read_device_report, "edgedistill-device-report", "an edgedistill device report"),
    ],
)
def test_other_documents_are_read_as_strictly(
    read: Callable[[Path], object], kind: str, title: str, tmp_path: Path
) -> None:
    path = tmp_path / "document.json"
    cases = {
        '{"kind": "edgedistill-report"}': f"is not {title}",
        f'{{"kind": "{kind}", "schema_version": 2}}': "newer edgedistill",
        f'{{"kind": "{kind}", "schema_version": NaN}}': "holds NaN",
        f'{{"kind": "{kind}", "schema_version": 1': "is cut off",
        f'{{"kind": "{kind}", "kind": "{kind}"}}': "holds the key 'kind' twice",
        f'{{"kind": "{kind}", "schema_version": 1}}': "target: is missing",
    }
    for text, message in cases.items():
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError) as caught:
            read(path)
        assert message in str(caught.value)
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "absent.json")


def test_an_interval_at_a_higher_confidence_takes_one_line() -> None:
    whole = counted(1.0, 'a "method":\n{ "confidence": 1,\n "high": 2,\n "low": 1 }')
    figure = whole.model_copy(
        update={"confidence": 0.95, "wider": (Wider(confidence=0.99, low=-1e-05, high=2.5),)}
    )
    text = report_text(figure)
    assert '    {"confidence": 0.99, "high": 2.5, "low": -1e-05}\n' in text
    assert json.loads(text) == figure.model_dump(mode="json")
