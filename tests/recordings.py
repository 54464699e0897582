"""Recordings with known content, for the tests of files, tables and reports."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vitalcore.recording import Track

FS = Fraction(125)


def pulses(seconds: float = 60, bpm: float = 75) -> NDArray[np.float64]:
    """Make a pulse wave of 125 Hz with a pulse every 60 / bpm s."""
    phase = np.arange(int(seconds * FS)) / float(FS) * bpm / 60 % 1
    wave = np.exp(-(((phase - 0.3) / 0.1) ** 2)) + 0.35 * np.exp(-(((phase - 0.6) / 0.12) ** 2))
    return np.asarray(1 + 0.02 * wave)


def ppg(x: NDArray[np.float64]) -> Track:
    """Make a track of a pulse wave."""
    return Track("ppg", "ppg", FS, ("PLETH",), x[:, None], "NU")


def heart(seconds: float = 60, bpm: float = 72, fs_hz: int = 250) -> NDArray[np.float64]:
    """Make an ECG in mV with an R peak every 60 / bpm s, the first after half of that."""
    t = np.arange(int(seconds * fs_hz)) / fs_hz
    at = (t % (60 / bpm)) - 30 / bpm
    waves = ((0.12, -0.17, 0.025), (-0.15, -0.03, 0.008), (1.2, 0.0, 0.010), (-0.25, 0.03, 0.009), (0.3, 0.24, 0.05))
    x = sum(a * np.exp(-(((at - m) / s) ** 2)) for a, m, s in waves)
    return np.asarray(x + 0.005 * np.random.default_rng(0).normal(size=len(t)))


def ecg(x: NDArray[np.float64], fs_hz: int = 250) -> Track:
    """Make a track of a one-lead ECG."""
    return Track("ecg", "ecg", Fraction(fs_hz), ("II",), x[:, None], "mV")
