from __future__ import annotations

import subprocess
import sys

import pytest

import edgedistill


def test_every_public_name_is_there() -> None:
    for name in edgedistill.__all__:
        assert getattr(edgedistill, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'compres'"):
        edgedistill.compres  # noqa: B018  # the access is what is tested


def test_importing_does_nothing_and_first_use_switches_telemetry_off() -> None:
    program = (
        "import os, sys\n"
        "os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
        "before = set(sys.modules), dict(os.environ)\n"
        "import edgedistill\n"
        "assert not {'torch', 'numpy', 'onnxruntime', 'pydantic'} & set(sys.modules)\n"
        "assert dict(os.environ) == before[1]\n"
        "edgedistill.Budget\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_no_public_name_is_hidden_by_a_room() -> None:
    program = (
        "import edgedistill, pkgutil\n"
        "rooms = {module.name for module in pkgutil.iter_modules(edgedistill.__path__)}\n"
        "assert not rooms & set(edgedistill.__all__), rooms & set(edgedistill.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
