"""Ways of keeping accuracy, tried in order of cost until every limit is kept.

The first rung is plain int8. Each further rung changes what was kept before it: it is kept itself
if with it the limits hold, or the figure (accuracy or agreement) is higher, or the figure is the
same, or as high as it must be, and the outputs are nearer the float model's. Operators return to
float only where that makes the limits hold: it costs latency, and a model that breaks its limits
does not ship.

A rung costs a pass over the samples that decide, and what it does itself: a calibration, for
rounding the learning of every layer, for fall-back what `sensitivity` and `fall_back` say.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgedistill.core.attempts import TECHNIQUES, Attempt, Attempts
from edgedistill.stages.quantize.drafts import Draft, Workshop
from edgedistill.stages.quantize.fall_back import fall_back
from edgedistill.stages.quantize.techniques import CORRECTIONS, PREPARATIONS

if TYPE_CHECKING:
    from edgedistill.core.attempts import FallenBack, Technique, Way
    from edgedistill.core.judging import Judge, Judged
    from edgedistill.core.quantizing import CalibrationMethodName, Quantize

CALIBRATIONS: tuple[CalibrationMethodName, ...] = (
    "min-max",
    "percentile",
    "mean-squared-error",
    "entropy",
)
"""What is tried beside the recipe's own method, in order of cost."""

FREE = frozenset({"bias-correction"})
"""Tried also where the limits hold: it costs the device nothing, and here one pass of samples."""


@dataclass(frozen=True)
class Climbed:
    """Where the ladder ended.

    Attributes:
        draft: What was kept.
        attempts: What was tried.
    """

    draft: Draft
    attempts: Attempts


def climb(workshop: Workshop, judge: Judge, config: Quantize) -> Climbed:
    """Tries ways of keeping accuracy until the limits hold or all were tried.

    Args:
        workshop: Builds the drafts.
        judge: Holds a model file against the limits.
        config: The first method of calibration, and what may be tried after it.

    Raises:
        InputError: If a draft cannot be run.
        PromiseError: If a draft's outputs are not finite.
    """
    climber = _Climber(workshop, judge)
    climber.start(Draft(config.calibration))
    for technique in (one for one in TECHNIQUES if one in config.methods):
        if climber.holds and technique not in FREE:
            break
        if technique == "calibration":
            climber.calibrations()
        elif technique == "fall-back":
            climber.fall_back(config.max_float_share)
        elif technique in PREPARATIONS or technique in CORRECTIONS:
            climber.technique(technique)
    return climber.climbed()


@dataclass
class _Climber:
    """What is kept so far, and what was tried."""

    workshop: Workshop
    judge: Judge
    draft: Draft = field(init=False)
    best: Judged = field(init=False)
    tried: list[Attempt] = field(default_factory=list)
    fallen_back: tuple[FallenBack, ...] = ()
    judged: int = 0

    def start(self, draft: Draft) -> None:
        self.draft, self.best = draft, self._judge(draft)
        self._note("plain", f"{draft.calibration} calibration", self.best, kept=True, first=True)

    @property
    def holds(self) -> bool:
        return self.best.holds

    def calibrations(self) -> None:
        own = self.draft.calibration
        for method in CALIBRATIONS:
            if method != own and not self.holds:
                self._try("calibration", method, replace(self.draft, calibration=method))

    def technique(self, name: Technique) -> None:
        if name in PREPARATIONS and not self.workshop.changes(name, self.draft):
            self._note(name, "changes nothing in this network", None, kept=False)
            return
        self._try(name, "", replace(self.draft, techniques=self.draft.techniques | {name}))

    def fall_back(self, max_share: float) -> None:
        found = fall_back(self.workshop, self.draft, self._judge, max_share=max_share)
        to_float = self.workshop.scheme.fall_back == "float"
        way: Way = "fall-back" if to_float else "sixteen-bit-activations"
        if found.judged is None:
            self._note(way, "no operator may fall back", None, kept=False)
            return
        detail = f"{len(found.operators)} operator(s)"
        self._note(way, detail, found.judged, kept=found.judged.holds)
        if found.judged.holds:
            self.draft, self.best, self.fallen_back = found.draft, found.judged, found.operators

    def climbed(self) -> Climbed:
        return Climbed(
            self.draft,
            Attempts(
                figure_is=self.judge.called,
                tried=tuple(self.tried),
                broken=self.best.broken,
                fallen_back=self.fallen_back,
                judged=self.judged,
            ),
        )

    def _try(self, way: Way, detail: str, draft: Draft) -> None:
        judged = self._judge(draft)
        kept = _worth(judged) > _worth(self.best)
        self._note(way, detail, judged, kept=kept)
        if kept:
            self.draft, self.best = draft, judged

    def _judge(self, draft: Draft) -> Judged:
        self.judged += 1
        return self.judge.judge(self.workshop.write(draft))

    def _note(
        self, way: Way, detail: str, judged: Judged | None, *, kept: bool, first: bool = False
    ) -> None:
        attempt = Attempt(
            way=way,
            detail=detail,
            figure=None if judged is None else judged.figure,
            distance=None if judged is None else judged.distance,
            gain=None if judged is None or first else judged.figure - self.best.figure,
            holds=judged is not None and judged.holds,
            kept=kept,
        )
        self.tried.append(attempt)
        self.workshop.context.progress.say(_said(attempt, self.judge.called))


def _worth(judged: Judged) -> tuple[bool, bool, float, float]:
    """What is kept rather than another."""
    figure = 0.0 if judged.enough else judged.figure
    return judged.holds, judged.enough, figure, -judged.distance


def _said(attempt: Attempt, called: str) -> str:
    lead = f"{attempt.way}, {attempt.detail}" if attempt.detail else attempt.way
    if attempt.figure is None:
        return lead
    verdict = "holds" if attempt.holds else "kept" if attempt.kept else "not kept"
    return f"{lead}: {called} {100 * attempt.figure:.2f} %, {verdict}"
