"""Drafts of an int8 model: which ways are taken together, and the workshop that builds them.

What a draft shares with another is made once: the prepared float graph for the same preparations,
and the ranges for the same graph and method of calibration. Corrections are made anew for each:
they make up for what the operators before lose, and those that fell back lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import onnx

from edgedistill.stages.quantize.arranging import arrange
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
    from edgedistill.core.quantizing import CalibrationMethodName
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
        prepared: What `transform.prepare` made of it, not yet arranged for the scheme.
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
    _arranged: dict[tuple[Technique, ...], Path] = field(default_factory=dict)
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
        """The float model that a draft is quantized from: the source with its preparations.

        It is arranged for the runtime's kernels last, for preparations know the common forms.
        """
        done = draft.preparations
        if done not in self._arranged:
            model = onnx.load_model(self._float_graph(done))
            arrange(model.graph, self.scheme)
            self._arranged[done] = self._stored(model, "-".join(("arranged", *done)))
        return self._arranged[done]

    def changes(self, name: Technique, draft: Draft) -> bool:
        """Whether a preparation does anything to a model that has a draft's preparations."""
        before = Draft(draft.calibration, draft.techniques - {name})
        after = Draft(draft.calibration, draft.techniques | {name})
        old, new = (self._float_graph(one.preparations) for one in (before, after))
        return old.read_bytes() != new.read_bytes()

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

    def _float_graph(self, preparations: tuple[Technique, ...]) -> Path:
        """The source with some preparations, in its own form."""
        if not preparations:
            return self.prepared
        if preparations not in self._prepared:
            *earlier, name = preparations
            before = onnx.load_model(self._float_graph(tuple(earlier)))
            model = PREPARATIONS[name](before, self.samples, self.context)
            self._prepared[preparations] = self._stored(model, "-".join(preparations))
        return self._prepared[preparations]

    def _stored(self, model: onnx.ModelProto, name: str) -> Path:
        """A float model in a folder of its own, since others are written beside it."""
        folder = self.folder / name
        folder.mkdir()
        path = folder / self.prepared.name
        onnx.save_model(model, path)
        return path

    def _quantized(self, draft: Draft) -> onnx.ModelProto:
        prepared = self.float_graph(draft)
        graph = onnx.load_model(prepared).graph
        placement = place(graph, floating=draft.floating, wide=draft.wide)
        return quantize(prepared, self.ranges(draft), placement, self.scheme)
