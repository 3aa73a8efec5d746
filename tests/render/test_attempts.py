from __future__ import annotations

from typing import TYPE_CHECKING

from edgedistill.core.attempts import Attempt, Attempts, FallenBack
from edgedistill.render.attempts import attempt_sections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgedistill.core.report import Int8Check, Report


def _attempts(*, broken: str | None = None, name: str = "Conv stem") -> Attempts:
    return Attempts(
        figure_is="accuracy",
        tried=(
            Attempt(
                way="plain",
                detail="min-max calibration",
                figure=0.61,
                distance=0.5,
                gain=None,
                holds=False,
                kept=True,
            ),
            Attempt(
                way="smoothing",
                detail="changes nothing in this network",
                figure=None,
                distance=None,
                gain=None,
                holds=False,
                kept=False,
            ),
            Attempt(
                way="fall-back",
                detail="1 operator(s)",
                figure=0.92,
                distance=0.03125,
                gain=0.31,
                holds=True,
                kept=True,
            ),
        ),
        broken=broken,
        fallen_back=(FallenBack(name=name, to="float", reason="it loses most", mac_share=0.125),),
        judged=5,
    )


def _checks(report: Report, attempts: Attempts) -> Iterator[tuple[str, Int8Check | None]]:
    for row in report.rows:
        with_them = {"attempts": attempts}
        yield row.step, row.int8 and row.int8.model_copy(update=with_them)


def test_every_way_has_its_line_with_figure_gain_and_fate(
    make_report: Callable[..., Report],
) -> None:
    page = "\n\n".join(attempt_sections(_checks(make_report(), _attempts())))
    lines = [line for line in page.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["Tried", "Accuracy", "Gain", "Distance", "Limits", "Kept"]
    assert cells[2] == [
        *("plain: min-max calibration", "61.00 %", "-", "0.5000", "broken", "yes"),
    ]
    assert cells[3][1:] == ["-", "-", "-", "-", "no"]
    assert cells[4][1:] == ["92.00 %", "+31.00 points", "0.0312", "kept", "yes"]
    assert cells[-1] == ["Conv stem", "float", "12 %", "it loses most"]
    assert "in the end every limit is kept" in page
    assert "5 model file(s) were judged" in page


def test_a_limit_that_is_broken_in_the_end_is_named(make_report: Callable[..., Report]) -> None:
    attempts = _attempts(broken="loses 4.00 % against the teacher")
    page = "\n\n".join(attempt_sections(_checks(make_report(), attempts)))
    assert "in the end it loses 4.00 % against the teacher" in page


def test_names_from_a_model_stay_text(make_report: Callable[..., Report]) -> None:
    page = "\n\n".join(attempt_sections(_checks(make_report(), _attempts(name="<b>|x"))))
    assert "<b>" not in page
    assert "|x" not in page.replace("\\|x", "")


def test_plain_int8_that_holds_at_once_has_no_section(make_report: Callable[..., Report]) -> None:
    attempts = _attempts()
    plain = attempts.model_copy(update={"tried": attempts.tried[:1]})
    assert attempt_sections(_checks(make_report(), plain)) == []


def test_where_nothing_was_judged_there_is_no_section(make_report: Callable[..., Report]) -> None:
    assert attempt_sections((row.step, row.int8) for row in make_report().rows) == []
