from __future__ import annotations

import pytest

from edgedistill.app.variants import variants
from edgedistill.catalog.profiles import load, names
from edgedistill.core.profile import QuantizationScheme, Runtime
from edgedistill.core.quantizing import Quantize

U8S8 = QuantizationScheme(activation="uint8", reason="test")


def _names(
    target: str, runtime: str, candidates: str = "all", *, learned: bool = False
) -> list[str]:
    config = Quantize.model_validate({"candidates": candidates})
    return [one.name for one in variants(load(target).runtimes[runtime], config, learned=learned)]


@pytest.mark.parametrize(
    ("target", "runtime", "expected"),
    [
        (
            "host",
            "cpu",
            ["int8-U8S8", "int8-U8S8-per-tensor", "int8-U8U8", "int8-S8S8", "int8-dynamic"],
        ),
        ("raspberry-pi-5", "cpu", ["int8-U8S8", "int8-S8S8", "int8-dynamic"]),
        ("raspberry-pi-5", "xnnpack", ["int8-S8S8", "int8-U8U8"]),
        ("jetson-orin-nano", "tensorrt", ["int8-S8S8", "fp16"]),
        ("jetson-nano", "tensorrt", ["fp16"]),
        ("jetson-nano", "cuda", []),
        ("snapdragon-8-gen-2", "nnapi", ["int8-U8S8", "int8-U8U8"]),
    ],
)
def test_a_runtime_gets_the_candidates_that_it_runs(
    target: str, runtime: str, expected: list[str]
) -> None:
    assert _names(target, runtime) == expected


def test_the_first_scheme_alone_may_be_asked_for() -> None:
    assert _names("host", "cpu", "first") == ["int8-U8S8"]
    assert _names("jetson-nano", "tensorrt", "first") == []


def test_a_network_that_learned_may_learn_again_for_the_first_scheme() -> None:
    tuned = [
        "int8-U8S8",
        "int8-U8S8-tuned",
        "int8-U8S8-per-tensor",
        "int8-U8U8",
        "int8-S8S8",
        "int8-dynamic",
    ]
    assert _names("host", "cpu", learned=True) == tuned
    assert _names("host", "cpu", "first", learned=True) == tuned[:2]
    assert _names("jetson-nano", "tensorrt", learned=True) == ["fp16"]


def test_only_the_first_scheme_of_a_profile_must_be_made() -> None:
    for target in names():
        for runtime in load(target).runtimes.values():
            found = variants(runtime, Quantize(), learned=True)
            required = [one.scheme for one in found if one.required]
            assert required == ([runtime.int8] if runtime.int8 else [])
            assert len({one.name for one in found}) == len(found)


def test_schemes_of_one_label_get_names_of_their_own() -> None:
    runtime = Runtime(
        provider="CPUExecutionProvider",
        max_opset=20,
        max_ir_version=10,
        precisions=("fp32", "int8"),
        default_precision="int8",
        int8=U8S8,
        other_int8=(U8S8.model_copy(update={"per_channel": False}),),
        source="test",
    )
    found = variants(runtime, Quantize(), learned=False)
    assert [one.name for one in found] == ["int8-U8S8", "int8-U8S8-per-tensor", "int8-dynamic"]
