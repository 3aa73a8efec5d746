from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from edgedistill.core.evidence import Evidence
from edgedistill.core.verdict import Verdict
from edgedistill.render.candidates import candidate_sections
from edgedistill.render.document import read_report, report_text
from edgedistill.render.markdown import report_markdown
from edgedistill.render.table import show_reports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgedistill.core.report import Report


def _verdict(report: Report) -> Verdict:
    return Verdict(run=report.run, target=report.target, checks=())


def test_markdown_lists_every_candidate_with_its_reason(
    make_candidates: Callable[..., Report],
) -> None:
    text = report_markdown(make_candidates(), _verdict(make_candidates()))
    section = text[text.index("## Is a smaller number worth it") :]
    section = section[: section.index("\n## ")]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    names = ["**fp32, ships**", "int8-U8S8", "int8-U8U8", "int8-S8S8"]
    found = [line.split(" | ")[0].removeprefix("| ") for line in lines]
    assert [name for name in found if not name.startswith("-")] == names
    assert "0.76x (0.74 to 0.78)" in section
    assert "**no**" in section
    assert "Not made:" in section
    assert "4 of 7 stay in float" in section
    assert "only 0.76x \\[0.74, 0.78\\] as fast as fp32 here" in text
    assert "int8-U8U8: 9 of 10 heavy operators" in text


def test_estimated_and_unknown_ratios_are_called_so(
    make_candidates: Callable[..., Report],
) -> None:
    estimated = "\n".join(candidate_sections(make_candidates(evidence=Evidence.ESTIMATED)))
    assert "which know precisions but no schemes" in estimated
    report = make_candidates()
    silent = tuple(one.model_copy(update={"speedup": None}) for one in report.candidates)
    unknown = "\n".join(candidate_sections(report.model_copy(update={"candidates": silent})))
    assert "Nothing tells here how fast" in unknown


def test_fp32_alone_has_no_table(make_report: Callable[..., Report]) -> None:
    assert candidate_sections(make_report()) == []


@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_terminal_lists_the_candidates(
    make_candidates: Callable[..., Report], width: int
) -> None:
    stream, report = io.StringIO(), make_candidates()
    show_reports([(report, _verdict(report))], stream, width=width)
    text = stream.getvalue()
    assert "ways to ship the last network" in text
    assert "→ fp32" in text
    assert "0.76x" in text
    assert "not made: int8-S8S8" in text
    table = text[text.index("ways to ship") : text.index("not made")]
    assert max(map(len, table.splitlines())) <= width


def test_a_report_with_candidates_is_read_as_it_was_written(
    make_candidates: Callable[..., Report], tmp_path: Path
) -> None:
    report = make_candidates()
    path = tmp_path / "report.json"
    path.write_text(report_text(report), encoding="utf-8")
    assert read_report(path) == report


def test_an_older_report_without_candidates_is_read(
    make_report: Callable[..., Report], tmp_path: Path
) -> None:
    import json

    document = json.loads(report_text(make_report()))
    del document["candidates"], document["choice"]["variant"]
    for row in document["rows"]:
        del row["variant"]
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert read_report(path) == make_report()


def test_a_report_whose_candidate_is_not_the_shipped_one_is_refused(
    make_candidates: Callable[..., Report],
) -> None:
    report = make_candidates()
    wrong = report.choice.model_copy(update={"variant": "int8-U8S8"})
    with pytest.raises(ValidationError, match="is not the candidate that ships"):
        make_candidates(choice=wrong)
    both = tuple(one.model_copy(update={"ships": True}) for one in report.candidates[:2])
    with pytest.raises(ValidationError, match="is not the candidate that ships"):
        make_candidates(candidates=both)
