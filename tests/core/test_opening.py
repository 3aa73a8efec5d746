from __future__ import annotations

from typing import Any

import pytest

from edgedistill.core.opening import OpenedWith, Opening
from edgedistill.core.profile import Runtime
from edgedistill.errors import InputError

TENSORRT: dict[str, Any] = {
    "provider": "TensorrtExecutionProvider",
    "max_opset": 17,
    "max_ir_version": 8,
    "precisions": ["fp32", "fp16"],
    "default_precision": "fp32",
    "openings": {
        "int8": {
            "provider_options": {"trt_int8_enable": "True"},
            "graph_optimization": "none",
            "source": "a test",
        }
    },
    "source": "a test",
}


def test_a_file_is_opened_by_what_it_holds() -> None:
    runtime = Runtime.read(TENSORRT, file="p")
    assert runtime.opened_with("int8") == OpenedWith(
        provider="TensorrtExecutionProvider",
        threads=1,
        provider_options={"trt_int8_enable": "True"},
        graph_optimization="none",
    )
    assert runtime.opened_with("fp32") == OpenedWith(
        provider="TensorrtExecutionProvider", threads=1
    )


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"backend_path": "./evil.so"}, "backend_path"),
        ({"backend_path": "/tmp/evil.so"}, "backend_path"),
        ({"backend_path": ""}, "backend_path"),
        ({"no option": "1"}, "no option"),
        ({"trt_int8_enable": True}, "trt_int8_enable"),
    ],
    ids=["relative", "absolute", "empty", "name", "not text"],
)
def test_an_option_is_a_word_so_that_a_profile_names_no_library_of_its_own(
    options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InputError) as caught:
        Opening.read({"provider_options": options, "source": "a test"}, file="p.yaml")
    (fault,) = caught.value.faults
    assert fault.file == "p.yaml"
    assert str(fault.field).startswith(f"provider_options.{field}")
