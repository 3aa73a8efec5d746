from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from diagnosed_graphs import CHANNELS, Net, saved

import edgedistill
from edgedistill.diagnosis.saturation import saturating_fraction

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import onnx

    from edgedistill.core.profile import TargetProfile


def _saturates_by_trying(pair: np.ndarray) -> bool:
    """Whether any two unsigned bytes make the 16-bit sum of products overflow."""
    bytes_ = np.arange(256)
    sums = bytes_[:, None] * int(pair[0]) + bytes_[None, :] * int(pair[1])
    return bool((sums > 32767).any() or (sums < -32768).any())


def test_the_bound_is_that_of_trying_every_pair_of_activations() -> None:
    generator = np.random.default_rng(0)
    edge = [(64, 64), (64, 65), (-64, -64), (-64, -65), (127, 1), (127, 2), (127, -128)]
    pairs = np.array([*edge, *generator.integers(-128, 128, (200, 2))], np.int8)
    for pair in pairs:
        assert saturating_fraction(pair[None]) == _saturates_by_trying(pair)


def model(largest: int, kind: type = np.uint8, groups: int = 1) -> onnx.ModelProto:
    net = Net()
    zero = 128 if kind is np.uint8 else 0
    values = net.weight((CHANNELS, CHANNELS // groups, 3, 3), largest=largest)
    weight = net.quantized(values, np.full(CHANNELS, 0.01))
    convolution = net.add("Conv", net.pair("x", zero=zero, kind=kind), weight, group=groups)
    return net.model(net.pair(convolution, zero=zero, kind=kind))


@pytest.mark.parametrize(
    ("largest", "kind", "groups", "flags", "expected"),
    [
        (127, np.uint8, 1, ("avx2",), True),
        (64, np.uint8, 1, ("avx2",), False),  # reduce_range
        (127, np.int8, 1, ("avx2",), False),
        (127, np.uint8, CHANNELS, ("avx2",), False),  # depthwise kernels add in 32 bits
        (127, np.uint8, 1, ("avx2", "avx_vnni"), False),
    ],
    ids=["U8S8", "reduce-range", "S8S8", "depthwise", "VNNI"],
)
def test_what_can_saturate(
    largest: int,
    kind: type,
    groups: int,
    flags: tuple[str, ...],
    expected: bool,
    board: Callable[..., TargetProfile],
    tmp_path: Path,
) -> None:
    path = saved(model(largest, kind, groups), tmp_path)
    found = edgedistill.doctor(path, target=board(isa_flags=flags))
    assert ("saturation" in [one.code for one in found.findings]) == expected


def test_other_processors_do_not_saturate(
    board: Callable[..., TargetProfile], tmp_path: Path
) -> None:
    path = saved(model(127), tmp_path)
    found = edgedistill.doctor(path, target=board(isa_flags=("neon",), machine="aarch64"))
    assert "saturation" not in [one.code for one in found.findings]
