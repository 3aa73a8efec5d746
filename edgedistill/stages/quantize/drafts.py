"""Drafts of an int8 model: which ways are taken together, and the workshop that builds them.

What a draft shares with another is made once: the prepared float graph for the same preparations,
and the ranges for the same graph and method of calibration. Corrections are made anew for each:
they make up for what the operators before lose, and those that fell back lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import onnx

from edgedistill.stages.quantize.calibration import calibrate
from edgedistill.stages.quantize.clips import Levels
from edgedistill.stages.quantize.placement import place
from edgedistill.stages.quantize.ranges import Settings
from edgedistill.stages.quantize.techniques import CORRECTIONS, PREPARATIONS
from edgedistill.stages.quantize.transform import quantize, tidy

if TYPE_CHECKING:
    from pathlib import Path

    from edgedistill.core.attempts import Technique
    from edgedistill.core.profile import QuantizationScheme
    from edgedistill.core.recipe import CalibrationMethodName
    from edgedistill.core.stage import StageContext
    from edgedistill.stages.quantize.calibration import CalibrationSet

DRAFT = "draft.onnx"


@dataclass(frozen=True)
class Draft:
    """A way to quantize a model.

    Attributes:
        calibration: How ranges follow from the samples.
        techniques: Preparations and corrections taken, in any order; they are always applied in
            that of `techniques.PREPARATIONS`, calibration, `techniques.CORRECTIONS`.
        floating: Names of heavy operators that stay in float.
        wide: Names of heavy operators whose activations take sixteen bits.
    """

    calibration: CalibrationMethodName
    techniques: frozenset[Technique] = frozenset()
    floating: frozenset[str] = frozenset()
    wide: frozenset[str] = frozenset()

    @property
    def preparations(self) -> tuple[Technique, ...]:
        """Those that change the float graph, in the order in which they are applied."""
        return tuple(name for name in PREPARATIONS if name in self.techniques)


@dataclass
class Workshop:
    """Builds drafts of one model in one scheme.

    Attributes:
        source: The float model, whose contract the drafts keep.
        prepared: What `transform.prepare` made of it.
        samples: To calibrate with.
        scheme: How int8 stands for real numbers.
        folder: For work; what lies there is gone with it.
        context: Threads and progress.
    """

    source: onnx.ModelProto
    prepared: Path
    samples: CalibrationSet
    scheme: QuantizationScheme
    folder: Path
    context: StageContext
    _prepared: dict[tuple[Technique, ...], Path] = field(default_factory=dict)
    _ranges: dict[tuple[tuple[Technique, ...], CalibrationMethodName], Any] = field(
        default_factory=dict
    )

    def build(self, draft: Draft) -> onnx.ModelProto:
        """The QDQ model, tidy."""
        model = self._quantized(draft)
        prepared = onnx.load_model(self.float_graph(draft))
        for name in (one for one in CORRECTIONS if one in draft.techniques):
            model = CORRECTIONS[name](prepared, model, self.samples, self.context)
        return tidy(model, self.source)

    def write(self, draft: Draft) -> Path:
        """Builds a draft into the folder of work; the next one takes its place."""
        path = self.folder / DRAFT
        onnx.save_model(self.build(draft), path)
        return path

    def float_graph(self, draft: Draft) -> Path:
        """The float model that a draft is quantized from: the source with its preparations."""
        done: tuple[Technique, ...] = ()
        self._prepared.setdefault(done, self.prepared)
        for name in draft.preparations:
            before, done = self._prepared[done], (*done, name)
            if done not in self._prepared:
                self._prepared[done] = self._prepare(name, before, done)
        return self._prepared[done]

    def changes(self, name: Technique, draft: Draft) -> bool:
        """Whether a preparation does anything to a model; it is on others' shoulders already."""
        before = Draft(draft.calibration, draft.techniques - {name})
        after = Draft(draft.calibration, draft.techniques | {name})
        return self.float_graph(before).read_bytes() != self.float_graph(after).read_bytes()

    def ranges(self, draft: Draft) -> Any:
        """The ranges of all activations."""
        key = (draft.preparations, draft.calibration)
        if key not in self._ranges:
            prepared = self.float_graph(draft)
            self._ranges[key] = calibrate(
                prepared,
                self.samples,
                place(onnx.load_model(prepared).graph).operators,
                self.context,
                method=draft.calibration,
                settings=Settings(levels=Levels.of(self.scheme)),
            )
        return self._ranges[key]

    def _prepare(self, name: Technique, before: Path, done: tuple[Technique, ...]) -> Path:
        model = PREPARATIONS[name](onnx.load_model(before), self.samples, self.context)
        folder = self.folder / "-".join(done)
        folder.mkdir()
        path = folder / self.prepared.name
        onnx.save_model(model, path)
        return path

    def _quantized(self, draft: Draft) -> onnx.ModelProto:
        prepared = self.float_graph(draft)
        graph = onnx.load_model(prepared).graph
        placement = place(graph, floating=draft.floating, wide=draft.wide)
        return quantize(prepared, self.ranges(draft), placement, self.scheme)
