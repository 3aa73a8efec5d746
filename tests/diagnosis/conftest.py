from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.core.profile import TargetProfile

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def board() -> Callable[..., TargetProfile]:
    """A board that nothing was measured on; changes are of the profile, or of its runtime."""

    def make(isa_flags: tuple[str, ...] = (), **changes: Any) -> TargetProfile:
        runtime: dict[str, Any] = {
            "provider": "CPUExecutionProvider",
            "max_opset": 21,
            "max_ir_version": 10,
            "precisions": ["fp32", "int8"],
            "default_precision": "int8",
            "int8": {"activation": "uint8", "reason": "a test"},
            "source": "a test",
        }
        runtime |= {key: changes.pop(key) for key in list(changes) if key in ("shapes", "int8")}
        cluster = {"core": "a", "count": 1, "isa_flags": list(isa_flags), "source": "a test"}
        document = {
            "schema_version": 1,
            "name": "board",
            "title": "A board",
            "machine": "x86_64",
            "clusters": [cluster],
            "runtimes": {"cpu": runtime},
            "default_runtime": "cpu",
        }
        return TargetProfile.read({**document, **changes}, file="board")

    return make
