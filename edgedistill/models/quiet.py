"""Keeping the exporters' chatter from the user; their errors still come through."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def quiet() -> Iterator[None]:
    """Silences prints, Python warnings, and log records up to a warning, while it lasts.

    Torch, transformers and optimum warn on import and during an export about their own
    insides, and print the whole graph where they fail. Nothing of it is for the user: the model
    is proven afterwards, and an exception carries its own message.
    """
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
