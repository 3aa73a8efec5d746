from __future__ import annotations

from collections.abc import Callable

import pytest
from gated_reports import build_report, quantity

from edgedistill.core.evidence import Quantity
from edgedistill.core.report import Report

MakeQuantity = Callable[..., Quantity]
MakeReport = Callable[..., Report]


@pytest.fixture(scope="session")
def make_quantity() -> MakeQuantity:
    return quantity


@pytest.fixture(scope="session")
def make_report() -> MakeReport:
    return build_report
