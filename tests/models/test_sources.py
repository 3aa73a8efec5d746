from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from edgedistill.core.teacher import Model
from edgedistill.errors import InputError
from edgedistill.models import has_weights, runs_code, sources

HERE = Path()


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("builtn:mlp", "Did you mean 'builtin:mlp'?"),
        ("builtin:", "Write builtin:NAME"),
        ("resnet18", "Write builtin:NAME"),
        ("onx:a.onnx", "Did you mean 'onnx:a.onnx'?"),
        ("onnx:", "Write builtin:NAME"),
        ("ensembel", "Did you mean 'ensemble'?"),
    ],
)
def test_unknown_sources_are_refused_with_a_remedy(source: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        sources.split(Model(source=source), field="teacher")
    fault = caught.value.faults[0]
    assert (fault.field, fault.given) == ("teacher.source", source)
    assert remedy in fault.remedy


@pytest.mark.parametrize(
    ("source", "portable"),
    [
        ("builtin:mlp", "builtin:mlp"),
        ("python:/home/me/nets.py:net", "python:nets.py:net"),
        ("hf:/home/me/vit", "hf:vit"),
        ("hf:./vit", "hf:vit"),
        ("hf:owner/vit", "hf:owner/vit"),
        ("onnx:/home/me/vit.onnx", "onnx:vit.onnx"),
        ("live:teacher", "live:teacher"),
    ],
)
def test_a_portable_source_names_no_folder(source: str, portable: str) -> None:
    assert sources.portable(Model(source=source)) == portable


def test_only_python_sources_run_code() -> None:
    assert runs_code(Model(source="python:nets.py:net"))
    assert not runs_code(Model(source="hf:owner/vit"))


def test_who_has_weights() -> None:
    live = {"teacher": nn.Linear(1, 1)}
    assert not has_weights(Model(source="builtin:mlp"), base=HERE)
    assert has_weights(Model(source="builtin:mlp", weights="w.safetensors"), base=HERE)
    assert has_weights(Model(source="live:teacher"), base=HERE, live=live)


def test_a_live_module_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"student\.source.*live:student.*Hand it in again"):
        has_weights(Model(source="live:student"), base=HERE)
