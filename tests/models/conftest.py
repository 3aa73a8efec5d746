from __future__ import annotations

import pytest
import torch

from edgedistill.models import Signature


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def picture() -> Signature:
    return Signature({"input": (1, 8, 8)}, classes=4)
