"""A waveform as a sound that a page can play."""

from __future__ import annotations

import base64
import io
import wave

import numpy as np

from edgedistill.core.damage import Sound

LONGEST_S = 3.0
"""What is longer is cut."""
_LOUDEST = 32767


def sound_of(values: np.ndarray, sample_rate_hz: int) -> Sound | None:
    """One channel of sixteen-bit sound; the same bytes each time.

    Values between -1 and 1 and sixteen-bit integers keep their loudness; others are made as loud as
    can be.

    Args:
        values: One waveform, `[samples]`, `[1, samples]` or `[samples, 1]`.
        sample_rate_hz: Samples in a second.

    Returns:
        None where the values are no waveform of one channel, or not finite.
    """
    line = values.squeeze()
    if line.ndim != 1 or len(line) < 2 or not np.isfinite(line).all():
        return None
    line = line[: int(LONGEST_S * sample_rate_hz)]
    if line.dtype != np.int16:
        peak = float(np.abs(line).max())
        loud = line.astype(np.float64) / (peak if peak > 1 else 1.0)
        line = np.rint(loud * _LOUDEST).astype(np.int16)
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(line.astype("<i2").tobytes())
    return Sound(
        seconds=len(line) / sample_rate_hz,
        wav_base64=base64.b64encode(stream.getvalue()).decode("ascii"),
    )
