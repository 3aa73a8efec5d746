from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from edgedistill.render.labels import Box, place_labels

PLOT = Box(70, 60, 740, 400)
POINT = st.tuples(st.floats(70, 740), st.floats(60, 400))


@given(st.lists(st.tuples(POINT, st.text(min_size=1, max_size=32)), max_size=15))
def test_labels_cover_neither_each_other_nor_a_point_nor_the_edge(
    drawn: list[tuple[tuple[float, float], str]],
) -> None:
    points, texts = [point for point, _ in drawn], [text for _, text in drawn]
    line = Box(300, 60, 302, 400)
    labels = place_labels(points, texts, inside=PLOT, lines=[line])
    assert len(labels) == len(points)
    placed = [label.box for label in labels if label is not None]
    assert not any(one.meets(other) for one, other in combinations(placed, 2))
    assert all(PLOT.holds(box) and not box.meets(line) for box in placed)
    for x, y in points:
        assert not any(box.meets(Box(x - 1, y - 1, x + 1, y + 1)) for box in placed)


def test_a_lone_point_gets_its_label_and_a_crowd_only_what_fits() -> None:
    (label,) = place_labels([(400, 200)], ["alone"], inside=PLOT)
    assert label is not None
    crowd = place_labels([(400, 200)] * 30, ["a longer label"] * 30, inside=PLOT)
    assert crowd[0] is not None
    assert crowd[-1] is None
