"""Curation: the teacher scores each training sample, and only the heart of them is learned."""

from __future__ import annotations

from edgedistill.stages.curate.curated import Curated, open_curation
from edgedistill.stages.curate.scores import AnswerSource
from edgedistill.stages.curate.stage import Curation

__all__ = ["AnswerSource", "Curated", "Curation", "open_curation"]
