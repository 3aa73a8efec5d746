"""What a label may be."""

from __future__ import annotations

from typing import Final

UNLABELLED: Final = -1
"""Stands in place of a class where the label may not be used; only a teacher answers there."""
