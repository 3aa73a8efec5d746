"""The parts of a report that only a long run fills, made by formula: for the tests of its page."""

from __future__ import annotations

import base64
import io
import math
import struct
import wave
from typing import TYPE_CHECKING, Any

from PIL import Image

from edgedistill.core.attempts import Attempt, Attempts, FallenBack
from edgedistill.core.damage import (
    CalibrationError,
    Damage,
    Example,
    Flipped,
    PartDamage,
    Picture,
    Signal,
    Sound,
    Text,
)
from edgedistill.core.evidence import Evidence, Quantity
from edgedistill.core.learned import LearningStep
from edgedistill.core.operator_times import OperatorTime, OperatorTimes
from edgedistill.core.pruned import Candidate, Pruned
from edgedistill.core.report import Report

if TYPE_CHECKING:
    from edgedistill.core.damage import Content
    from edgedistill.core.report import Row


def figure(
    value: float, spread: float, evidence: Evidence = Evidence.MEASURED_ON_DEVICE
) -> Quantity:
    return Quantity(
        value=value,
        low=value - spread,
        high=value + spread,
        confidence=0.95,
        evidence=evidence,
        samples=300,
        method="paired differences (Newcombe 1998)",
    )


def damage(names: tuple[str, ...] = tuple("0123456789"), **changes: Any) -> Damage:
    """Classes that lose the more the later they stand, and one example of each kind."""
    classes = tuple(_part(name, 0.97 - 0.01 * at, 0.004 * at) for at, name in enumerate(names))
    fields: dict[str, Any] = {
        "split": "validation",
        "samples": 3000,
        "before": "teacher",
        "after": "int8",
        "flipped": Flipped(
            changed=figure(0.031, 0.004), lost=figure(0.018, 0.003), gained=figure(0.013, 0.003)
        ),
        "classes": classes,
        "groups": (_part("pen", 0.96, 0.03), _part("pencil", 0.91, 0.005)),
        "calibration_error": CalibrationError(
            before=figure(0.021, 0.004), after=figure(0.034, 0.005)
        ),
        "examples": tuple(_example(at, content) for at, content in enumerate(_contents())),
        "examples_in_all": 54,
    }
    return Damage(**(fields | changes))


def _part(name: str, before: float, lost: float) -> PartDamage:
    return PartDamage(
        name=name,
        samples=300,
        before=figure(before, 0.01),
        after=figure(before - lost, 0.012),
        drop=figure(lost, 0.009),
    )


def _example(at: int, content: Content | None) -> Example:
    return Example(
        sample=17 * at,
        label="4",
        group="pen" if at % 2 else None,
        before="4",
        before_probability=0.81,
        after="9",
        after_probability=0.97 - 0.05 * at,
        content=content,
    )


def _contents() -> tuple[Content | None, ...]:
    wave_of = [math.sin(place / 4) for place in range(60)]
    return (
        Picture(width=28, height=28, png_base64=_png()),
        Text(text="Where can I change my train ticket today", cut=True),
        Sound(seconds=0.5, wav_base64=_wav()),
        Signal(channels=(tuple(wave_of), tuple(0.5 * value for value in wave_of)), thinned=True),
        None,
    )


def _png() -> str:
    picture = Image.new("L", (28, 28))
    picture.putdata([(9 * (place % 28) + 3 * (place // 28)) % 256 for place in range(28 * 28)])
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()


def _wav() -> str:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        tone = [int(8000 * math.sin(0.345 * place)) for place in range(4000)]
        file.writeframes(struct.pack(f"<{len(tone)}h", *tone))
    return base64.b64encode(stream.getvalue()).decode()


def operator_times() -> tuple[OperatorTimes, ...]:
    slow = {"convolution": (9, 0, 6.1), "normalization": (8, 0, 0.9), "elementwise": (7, 0, 0.4)}
    quick = {"convolution": (8, 7, 1.1), "conversion": (4, 0, 0.5), "elementwise": (7, 6, 0.1)}
    return tuple(
        OperatorTimes(
            network=network,
            classes=tuple(
                OperatorTime(operators=kind, count=count, int8=int8, time_ms=figure(took, took / 9))
                for kind, (count, int8, took) in classes.items()
            ),
            slowest=(("/stage1/conv", "Conv", 1.2), ("/head/gemm", "Gemm", 0.3)),
        )
        for network, classes in (("teacher", slow), ("int8-U8S8", quick))
    )


def search() -> Pruned:
    """Sixteen networks, the dearer the more they keep, every third one beaten."""
    candidates = tuple(
        Candidate(
            widths={"conv1": at + 1, "conv2": 16},
            cost=figure(0.4 + 0.1 * at, 0.03, Evidence.ESTIMATED),
            form="int8",
            macs=100_000 * (at + 1),
            parameters=10_000 * (at + 1),
            kept_importance=(0.5 + 0.03 * at) * (0.9 if at % 3 == 2 else 1.0),
            accuracy=0.4 + 0.03 * at if at == 6 else None,
            on_front=at % 3 != 2,
        )
        for at in range(16)
    )
    return Pruned(
        student="student",
        goal="target_latency_ms",
        asked=1.0,
        limit=1.0,
        unit="ms",
        unpruned=figure(2.4, 0.1, Evidence.ESTIMATED),
        units={"conv1": 16, "conv2": 16},
        candidates=candidates,
        chosen=6,
        reached=True,
        reason="it keeps most of what costs no more than asked",
        wider=7,
        narrower=4,
    )


def attempts() -> Attempts:
    return Attempts(
        figure_is="accuracy",
        tried=(
            Attempt(way="plain", figure=0.9, distance=0.2, gain=None, holds=False, kept=True),
            Attempt(
                way="calibration",
                detail="percentile 99.9",
                figure=0.92,
                distance=0.1,
                gain=0.02,
                holds=True,
                kept=True,
            ),
            Attempt(
                way="equalization", figure=None, distance=None, gain=None, holds=False, kept=False
            ),
        ),
        broken=None,
        fallen_back=(
            FallenBack(name="Conv conv_head", to="float", reason="it loses most", mac_share=0.02),
        ),
        judged=4,
    )


def rich(report: Report, *, names: tuple[str, ...] = tuple("0123456789")) -> Report:
    """A report with candidates, and with all that a long run fills."""
    rows = tuple(_costs(at, row) for at, row in enumerate(report.rows))
    replaced = dict(zip(("fp32", "int8-U8S8"), rows[2:], strict=True))
    candidates = tuple(
        one.model_copy(update={"row": replaced.get(one.name, one.row)}) for one in report.candidates
    )
    learned = LearningStep(
        name="distill",
        title="the student learns from the teacher",
        samples=3000,
        labelled=3000,
        accuracy_before=0.1,
        accuracy_after=0.95,
        gain=None,
    )
    changes = {
        "schema_version": 2,
        "rows": rows,
        "candidates": candidates,
        "damage": damage(names),
        "operator_times": operator_times(),
        "pruning": (search(),),
        "learning": (learned,),
    }
    return Report(**{**dict(report), **changes})


def _costs(at: int, row: Row) -> Row:
    """A row that is less accurate and cheaper the later it stands."""
    assert row.latency is not None
    latency = row.latency.model_copy(update={"p50_ms": figure(8.0 / 1.9**at, 0.3 / 1.5**at)})
    int8 = row.int8 and row.int8.model_copy(
        update={
            "attempts": attempts(),
            "int8_mac_share": 0.93,
            "float_reasons": {"conv_head": "it loses most accuracy"},
        }
    )
    return row.model_copy(
        update={
            "accuracy": figure(0.962 - 0.008 * at, 0.006),
            "latency": latency,
            "peak_memory_mb": figure(9.1 - 2 * at, 0.5, Evidence.ESTIMATED),
            "energy_mj": figure(4.2 - at, 0.9, Evidence.ESTIMATED),
            "int8": int8,
        }
    )
