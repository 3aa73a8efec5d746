from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedistill.cost.liveness import Layout, Moment, Peak, Sharing, peak, plan

TEN, TWENTY, FORTY = (Layout((size,), 1) for size in (10, 20, 40))


def step(name: str, reads: str, writes: str, sharing: Sharing = "none", scratch: int = 0) -> Moment:
    return Moment(
        name=name,
        reads=tuple(reads.split()),
        writes=tuple(writes.split()),
        sharing=sharing,
        scratch_bytes=scratch,
    )


def worst(steps: list[Moment], **layouts: Layout) -> Peak:
    return peak(steps, layouts, inputs=["x"], outputs=["y"])


def test_a_chain_holds_the_input_and_two_neighbours() -> None:
    steps = [step("one", "x", "a"), step("two", "a", "b"), step("three", "b", "y")]
    # two: input 10 (the caller's), a 20, b 40; three: input 10, b 40, y 10
    assert worst(steps, x=TEN, a=TWENTY, b=FORTY, y=TEN) == Peak(70, "two")


def test_a_branch_keeps_what_a_later_operator_still_reads() -> None:
    steps = [step("one", "x", "a"), step("two", "a", "b"), step("sum", "a b", "y")]
    assert worst(steps, x=TEN, a=TWENTY, b=TWENTY, y=TWENTY) == Peak(70, "sum")


def test_a_concatenation_holds_its_parts_and_the_whole() -> None:
    steps = [step("l", "x", "a"), step("r", "x", "b"), step("join", "a b", "y")]
    assert worst(steps, x=TEN, a=TWENTY, b=TWENTY, y=FORTY) == Peak(90, "join")


def test_in_place_takes_no_memory_and_copies_where_the_input_is_still_read() -> None:
    relu = step("relu", "a", "b", "in-place")
    alone = [step("one", "x", "a"), relu, step("end", "b", "y")]
    layouts = {"x": TEN, "a": FORTY, "b": FORTY, "y": TEN}
    assert worst(alone, **layouts) == Peak(60, "end")
    branch = [step("one", "x", "a"), relu, step("end", "a b", "y")]
    assert worst(branch, **layouts) == Peak(100, "end")


def test_in_place_leaves_the_callers_input_alone() -> None:
    steps = [step("relu", "x", "a", "in-place"), step("end", "a", "y")]
    assert worst(steps, x=FORTY, a=FORTY, y=TEN) == Peak(90, "end")


def test_in_place_wants_the_same_shape() -> None:
    turned = Layout((1, 40), 1)
    steps = [step("one", "x", "a"), step("relu", "a", "b", "in-place"), step("end", "b", "y")]
    assert worst(steps, x=TEN, a=FORTY, b=turned, y=TEN) == Peak(90, "relu")


def test_a_view_is_free_and_keeps_what_it_looks_at() -> None:
    turned = Layout((1, 40), 1)
    steps = [
        step("one", "x", "a"),
        step("view", "a", "b", "view"),
        step("two", "x", "c"),
        step("end", "b c", "y"),
    ]
    assert worst(steps, x=TEN, a=FORTY, b=turned, c=TWENTY, y=TEN) == Peak(80, "end")


def test_a_view_that_is_an_output_is_a_copy() -> None:
    steps = [step("one", "x", "a"), step("view", "a", "y", "view")]
    assert worst(steps, x=TEN, a=FORTY, y=Layout((1, 40), 1)) == Peak(90, "view")


def test_scratch_memory_counts_while_the_operator_runs() -> None:
    steps = [step("one", "x", "a"), step("two", "a", "b", scratch=7), step("end", "b", "y")]
    assert worst(steps, x=TEN, a=TWENTY, b=TWENTY, y=TEN) == Peak(57, "two")


def test_a_dead_buffer_waits_for_a_later_tensor_of_its_shape() -> None:
    # a dies at two, d takes its buffer at four: in between it is not given back
    steps = [
        step("one", "x", "a"),
        step("two", "a", "b"),
        step("three", "b", "c"),
        step("four", "c", "d"),
        step("end", "d", "y"),
    ]
    layouts = {"x": TEN, "a": TWENTY, "b": TEN, "c": FORTY, "d": TWENTY, "y": TEN}
    assert plan(steps, layouts, inputs=["x"], outputs=["y"])["d"] == "a"
    assert worst(steps, **layouts) == Peak(10 + 20 + 10 + 40, "three")
    # of another shape it is given back
    layouts["d"] = Layout((4, 5), 1)
    assert worst(steps, **layouts) == Peak(10 + 40 + 20, "four")


def test_an_output_that_nobody_reads_dies_at_once() -> None:
    steps = [step("split", "x", "a b"), step("two", "a", "c"), step("end", "c", "y")]
    assert worst(steps, x=TEN, a=TEN, b=FORTY, c=TWENTY, y=TEN) == Peak(60, "split")


def test_without_operators_the_input_is_all() -> None:
    assert peak([], {"x": TEN}, inputs=["x"], outputs=["x"]) == Peak(10, "")


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Moment], dict[str, Layout]]:
    """Small graphs: each operator reads earlier tensors and writes one or two."""
    layouts = {"x": Layout((draw(st.integers(1, 3)),), 1)}
    known, steps = ["x"], []
    for place in range(draw(st.integers(1, 7))):
        reads = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
        writes = [f"{place}.{one}" for one in range(draw(st.integers(1, 2)))]
        sharing = draw(st.sampled_from(("none", "in-place", "view")))
        for one in writes:
            layouts[one] = Layout((draw(st.integers(1, 3)),), 1)
        if sharing == "view":
            layouts[writes[0]] = layouts[reads[0]]
        scratch = draw(st.integers(0, 2))
        steps.append(step(str(place), " ".join(reads), " ".join(writes), sharing, scratch))
        known += writes
    return steps, layouts


@given(graphs(), st.data())
def test_the_peak_is_that_of_asking_at_every_moment_which_buffer_is_needed(
    graph: tuple[list[Moment], dict[str, Layout]], data: st.DataObject
) -> None:
    steps, layouts = graph
    written = [name for one in steps for name in one.writes]
    outputs = data.draw(st.lists(st.sampled_from(written), min_size=1, unique=True))
    buffers = plan(steps, layouts, inputs=["x"], outputs=outputs)
    most = layouts["x"].size_bytes
    for now, one in enumerate(steps):
        held = layouts["x"].size_bytes + one.scratch_bytes
        for buffer in set(buffers.values()) - {"x"}:
            members = [name for name, place in buffers.items() if place == buffer]
            touched = [
                place
                for place, other in enumerate(steps)
                if set(members) & {*other.reads, *other.writes}
            ]
            until = len(steps) if set(members) & set(outputs) else max(touched)
            held += layouts[buffer].size_bytes if min(touched) <= now <= until else 0
        most = max(most, held)
    assert peak(steps, layouts, inputs=["x"], outputs=outputs).size_bytes == most


@given(graphs(), st.data())
def test_no_two_tensors_are_needed_in_one_buffer_at_once(
    graph: tuple[list[Moment], dict[str, Layout]], data: st.DataObject
) -> None:
    steps, layouts = graph
    written = [name for one in steps for name in one.writes]
    outputs = data.draw(st.lists(st.sampled_from(written), min_size=1, unique=True))
    buffers = plan(steps, layouts, inputs=["x"], outputs=outputs)
    views: dict[str, str] = {}  # tensor to the one whose values it shows
    for one in steps:
        for name in one.writes:
            is_view = one.sharing == "view" and name == one.writes[0] and name not in outputs
            source = one.reads[0] if is_view else name
            views[name] = views.get(source, source)
    needed: dict[str, set[int]] = {}
    for name in written:
        made = next(place for place, one in enumerate(steps) if name in one.writes)
        read = [place for place, one in enumerate(steps) if name in one.reads]
        last = len(steps) if name in outputs else max([made, *read])
        # its values are there from after the operator that makes it to the last that reads it
        needed.setdefault(views[name], set()).update(range(made + 1, last + 1))
    for one, other in combinations([name for name in needed if name in buffers], 2):
        if buffers[one] == buffers[other]:
            assert not needed[one] & needed[other]


@pytest.mark.parametrize("element_bytes", [1, 4])
def test_a_layouts_size_is_its_elements_times_their_bytes(element_bytes: int) -> None:
    assert Layout((2, 3, 5), element_bytes).size_bytes == 30 * element_bytes
    assert Layout((), element_bytes).size_bytes == element_bytes
