from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.bench.instructions import instructions
from edgedistill.bench.samples import Samples
from edgedistill.core.evidence import Evidence
from edgedistill.core.strict import plain
from edgedistill.errors import InputError

if TYPE_CHECKING:
    from tests.bench.conftest import MakeSamples

DEVICE = Evidence.MEASURED_ON_DEVICE


@pytest.fixture
def counted(make_samples: MakeSamples) -> Any:
    """Samples of a model `a` with counted instructions."""

    def make(**told: Any) -> Samples:
        document = plain(make_samples({"a": [[1000]] * 10}))
        return Samples.read({**document, "instructions": told}, file="a test")

    return make


def test_the_median_run_is_told_with_its_order_statistics(counted: Any) -> None:
    runs = [1_000_000 + 10 * place for place in (5, 6, 0, 11, 3, 8, 1, 10, 4, 7, 2, 9)]
    found = instructions(counted(runs={"a": runs}, reason=None), "a", evidence=DEVICE)
    assert found is not None
    assert found.value == 1_000_055
    # twelve runs worth eleven: the second and the eleventh bound the median (binomial, 95 %)
    assert (found.low, found.high, found.samples) == (1_000_010, 1_000_100, 12)
    assert found.evidence == DEVICE


def test_where_nobody_counted_there_are_none(counted: Any, make_samples: MakeSamples) -> None:
    nobody = counted(runs={}, reason="this machine shows no counter for them")
    assert instructions(nobody, "a", evidence=DEVICE) is None
    assert instructions(make_samples({"a": [[1000]] * 10}), "a", evidence=DEVICE) is None
    few = counted(runs={"a": [5] * 9}, reason=None)
    assert instructions(few, "a", evidence=DEVICE) is None


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"runs": {}, "reason": None}, "or a reason why there are none"),
        ({"runs": {"a": [5]}, "reason": "none"}, "or a reason why there are none"),
        ({"runs": {"b": [5]}, "reason": None}, "holds other models than sha256"),
        ({"runs": {"a": [0]}, "reason": None}, "greater than 0"),
        ({"runs": {"a": []}, "reason": None}, "at least 1 item"),
    ],
)
def test_counts_that_are_not_whole_are_refused(
    counted: Any, told: dict[str, Any], word: str
) -> None:
    with pytest.raises(InputError, match=word):
        counted(**told)
