"""Recordings with known content, for the tests of files, tables and reports."""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.recording import Track
from vitalcore.simulate import SimulatedFace, simulate_face

FS = Fraction(125)


def pulses(seconds: float = 60, bpm: float = 75) -> NDArray[np.float64]:
    """Make a pulse wave of 125 Hz with a pulse every 60 / bpm s."""
    phase = np.arange(int(seconds * FS)) / float(FS) * bpm / 60 % 1
    wave = np.exp(-(((phase - 0.3) / 0.1) ** 2)) + 0.35 * np.exp(-(((phase - 0.6) / 0.12) ** 2))
    return np.asarray(1 + 0.02 * wave)


def ppg(x: NDArray[np.float64]) -> Track:
    """Make a track of a pulse wave."""
    return Track("ppg", "ppg", FS, ("PLETH",), x[:, None], "NU")


def face(seconds: float = 20, schema: str = "mp478", **options: Any) -> tuple[Track, SimulatedFace]:
    """Make a track of a simulated face, and its truth."""
    made = simulate_face(seconds, schema=schema, **options)
    n, k, _ = made.points.shape
    labels = tuple(f"{axis}{point}" for point in range(k) for axis in "xyz")
    return Track("face", "face", None, labels, made.points.reshape(n, 3 * k), "", made.t_ns), made


def ear(seconds: float = 60, fs_hz: float = 30) -> tuple[Track, NDArray[np.float64]]:
    """Make an eye aspect ratio of both eyes with a blink every 4 s, and the times of the blinks in s."""
    t = np.arange(round(seconds * fs_hz)) / fs_hz
    apex = np.arange(3.0, seconds - 2, 4.0)
    shut = sum(np.exp(-0.5 * ((t - at) / 0.06) ** 2) for at in apex)
    x = 0.3 - 0.27 * shut + 0.003 * np.random.default_rng(0).normal(size=len(t))
    times = np.rint(t * 1e9).astype(np.int64)
    return Track("ear", "ear", None, ("left", "right"), np.stack([x, x], axis=1), "", times), apex


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
