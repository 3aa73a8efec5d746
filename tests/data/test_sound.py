"""Waveforms as WAV files, read back by another reader."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.io import wavfile

from edgedistill.data.sound import sound_of

if TYPE_CHECKING:
    from edgedistill.core.damage import Sound

TONE = np.sin(2 * np.pi * 440 * np.arange(4000) / 8000).astype(np.float32)


def heard(sound: Sound | None) -> tuple[int, np.ndarray]:
    assert sound is not None
    rate, values = wavfile.read(io.BytesIO(base64.b64decode(sound.wav_base64)))
    return rate, values


@pytest.mark.parametrize("shape", [(4000,), (1, 4000), (4000, 1)])
def test_a_waveform_is_heard_as_it_is(shape: tuple[int, ...]) -> None:
    sound = sound_of(0.5 * TONE.reshape(shape), 8000)
    rate, values = heard(sound)
    assert rate == 8000
    assert sound is not None
    assert sound.seconds == 0.5
    assert np.abs(values / 32767 - 0.5 * TONE).max() < 1 / 32767


def test_integers_of_sixteen_bits_are_kept_and_louder_values_are_scaled() -> None:
    whole = (TONE * 1000).astype(np.int16)
    assert np.array_equal(heard(sound_of(whole, 8000))[1], whole)
    assert np.abs(heard(sound_of(40 * TONE, 8000))[1]).max() == 32767


def test_a_long_sound_is_cut() -> None:
    assert len(heard(sound_of(np.tile(TONE, 20), 8000))[1]) == 3 * 8000


@pytest.mark.parametrize("values", [np.zeros((2, 5)), np.array([0.0, np.nan]), np.zeros(1)])
def test_what_is_no_waveform_is_no_sound(values: np.ndarray) -> None:
    assert sound_of(values, 8000) is None
