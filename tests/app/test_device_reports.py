from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from judged_reports import (
    SHIPPED,
    TEACHER,
    conditions,
    device_report,
    quantity,
    report,
    with_students_and_candidates,
)

from edgedistill.app.device_reports import (
    GivenDeviceReport,
    Subject,
    match,
    read_device_reports,
    subject_of,
    with_device_report,
)
from edgedistill.core.budget import Budget
from edgedistill.core.evidence import Evidence
from edgedistill.core.report import Latency
from edgedistill.core.verdict import Outcome
from edgedistill.errors import InputError
from edgedistill.gate.judge import judge
from edgedistill.render.document import report_text

if TYPE_CHECKING:
    from edgedistill.core.device_report import DeviceReport


def given(one: DeviceReport, name: str = "device.json") -> GivenDeviceReport:
    return GivenDeviceReport(Path(name), one)


def test_a_measurement_elsewhere_lets_a_server_without_devices_judge() -> None:
    estimated = report()
    assert judge(estimated).outcome is Outcome.UNJUDGED
    assert judge(with_device_report(estimated, device_report())).outcome is Outcome.PASS
    slow = device_report(latency=Latency(p50_ms=quantity(5.0), stable=True))
    assert judge(with_device_report(estimated, slow)).outcome is Outcome.FAIL


def test_a_disturbed_measurement_elsewhere_fails_nothing() -> None:
    slow = device_report(latency=Latency(p50_ms=quantity(5.0), stable=False))
    assert judge(with_device_report(report(), slow)).outcome is Outcome.UNJUDGED


def test_the_figures_come_with_their_evidence_and_conditions() -> None:
    found = with_device_report(report(), device_report(instructions=quantity(1e6)))
    shipped = found.shipped()
    assert shipped.latency == device_report().latency
    assert shipped.latency is not None
    assert shipped.latency.p50_ms.evidence is Evidence.MEASURED_ON_DEVICE
    assert shipped.instructions == quantity(1e6)
    assert found.conditions == conditions()
    assert shipped.energy_mj == report().shipped().energy_mj, "what it does not hold stays"
    assert found.row("teacher") == report().row("teacher")


def test_a_device_report_without_latency_leaves_latency_and_conditions() -> None:
    metered = device_report(latency=None, energy_mj=quantity(3.0))
    found = with_device_report(report(), metered)
    assert found.shipped().energy_mj == quantity(3.0)
    assert found.shipped().latency == report().shipped().latency
    assert found.conditions is None


def test_no_percentile_of_the_run_stands_beside_the_devices_median() -> None:
    own = Latency(p50_ms=quantity(4.0), p95_ms=quantity(4.4), stable=True)
    found = with_device_report(
        report(shipped={"latency": own}, conditions=conditions()), device_report()
    )
    assert found.shipped().latency is not None
    assert found.shipped().latency.p95_ms is None
    limits = Budget(latency_p95_ms=100.0)
    assert judge(found, limits).outcome is Outcome.UNJUDGED


def test_students_and_candidates_tell_the_same_figures() -> None:
    found = with_device_report(with_students_and_candidates(), device_report())
    ships = [one.row for one in found.candidates if one.ships]
    assert ships == [found.shipped()]
    assert found.students[0].rows == found.rows[1:]
    assert found.students[1] == with_students_and_candidates().students[1]
    assert found.shipped().latency == device_report().latency


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_sha256": TEACHER}, "another model"),
        (
            {"target": "other", "conditions": conditions("other")},
            "of target other, and the models under test are of board",
        ),
    ],
)
def test_another_model_or_target_is_a_doubt_and_changes_nothing(
    changes: dict[str, Any], words: str
) -> None:
    wrong = device_report(**changes)
    with pytest.raises(InputError, match=r"another model|of target other"):
        with_device_report(report(), wrong)
    matched = match([subject_of(report())], [given(wrong)])
    assert matched.found == (None,)
    assert len(matched.doubts) == 1
    assert matched.doubts[0].startswith("device.json: the device report is of")
    assert words in matched.doubts[0]


def test_of_several_models_each_gets_its_own() -> None:
    subjects = [Subject("other", SHIPPED), Subject("board", TEACHER), Subject("board", SHIPPED)]
    matched = match(subjects, [given(device_report())])
    assert matched.doubts == ()
    assert matched.found == (None, None, device_report())


def test_two_device_reports_of_one_model_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, median_ms in zip(files, (2.0, 5.0), strict=True):
        one = device_report(latency=Latency(p50_ms=quantity(median_ms), stable=True))
        file.write_text(report_text(one), encoding="utf-8")
    assert [one.report.model_sha256 for one in read_device_reports(files[:1])] == [SHIPPED]
    with pytest.raises(InputError, match="speaks of the same model on the same target as"):
        read_device_reports(files)
