from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedistill.core.evidence import Evidence
from edgedistill.core.operator_times import OperatorTime, OperatorTimes
from edgedistill.render.operators import operator_sections
from tests.render.conftest import quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgedistill.core.report import Report


def times(network: str, convolution_ms: float, **slowest: Any) -> OperatorTimes:
    return OperatorTimes(
        network=network,
        classes=(
            OperatorTime(
                operators="convolution",
                count=9,
                int8=8,
                time_ms=quantity(0.9 * convolution_ms, convolution_ms, 2 * convolution_ms),
            ),
            OperatorTime(
                operators="data movement",
                count=2,
                int8=0,
                time_ms=quantity(0.0, 0.0, 0.001, Evidence.ESTIMATED),
            ),
        ),
        **slowest,
    )


def test_each_network_shows_its_classes_with_share_interval_and_evidence(
    make_report: Callable[..., Report],
) -> None:
    slowest = (("<script>", "QLinearConv", 0.25),)
    made = make_report().model_copy(
        update={"operator_times": (times("teacher", 3.0), times("int8", 1.5, slowest=slowest))}
    )
    text = "\n".join(operator_sections(made))
    assert text.index("### teacher") < text.index("### int8")
    assert "| convolution | 9 | 8 | 1.5 ms (1.35 to 3) | 100% | measured-on-device |" in text
    assert "| data movement | 2 | 0 | 0 ms (0 to 0.001) | 0% | estimated |" in text
    assert "The slowest: &lt;script&gt; (QLinearConv, 0.25 ms)." in text
    assert text.count("Of teacher and int8: Wilson 1927.") == 1


def test_networks_that_take_no_time_have_no_share(make_report: Callable[..., Report]) -> None:
    made = make_report().model_copy(update={"operator_times": (times("int8", 0.0),)})
    assert "| 0 ms | - |" in "\n".join(operator_sections(made))


def test_where_nothing_is_known_nothing_is_said(make_report: Callable[..., Report]) -> None:
    assert operator_sections(make_report()) == []
