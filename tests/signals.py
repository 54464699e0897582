"""Signals that look enough like the real ones to make every operator speak."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.face import frames
from vitalcore.simulate import simulate_face

Array = NDArray[np.float64]


def wave(rng: np.random.Generator, n: int) -> Array:
    """Two channels that wander, far from zero."""
    return 1000.0 * rng.normal(size=2) + rng.normal(size=(n, 2)).cumsum(axis=0) + rng.normal(size=(n, 2))


def beat_times(rng: np.random.Generator, until_s: float) -> Array:
    """Draw beats at a rate between 50 and 150 a minute, some of them early."""
    intervals = rng.uniform(0.4, 1.2) * (1 + 0.05 * rng.normal(size=int(until_s / 0.2) + 2))
    intervals[rng.random(len(intervals)) < 0.08] *= 0.65
    times: Array = rng.uniform(0, 1) + intervals.cumsum()
    return times[times < until_s]


def bumps(t: Array, centres: Array, height: float, width_s: float) -> Array:
    """Add up Gaussian bumps."""
    y = np.zeros_like(t)
    for centre in centres:
        near = slice(*np.searchsorted(t, [centre - 5 * width_s, centre + 5 * width_s]))
        y[near] += height * np.exp(-0.5 * ((t[near] - centre) / width_s) ** 2)
    return y


def ppg(rng: np.random.Generator, n: int, fs_hz: float, wavelengths: int = 1) -> Array:
    """A pulse and its reflection as Gaussians on a large mean level."""
    t = np.arange(n) / fs_hz
    peaks = beat_times(rng, n / fs_hz)
    clean = bumps(t, peaks, 1.0, 0.07) + bumps(t, peaks + 0.22, 0.4, 0.09)
    level = 100 + 0.5 * np.sin(2 * np.pi * 0.25 * t)
    return level[:, None] + clean[:, None] * rng.uniform(0.5, 2, wavelengths) + rng.normal(0, 0.01, (n, wavelengths))


def ear(rng: np.random.Generator, n: int, fs_hz: float) -> Array:
    """Times in ns, irregular, and the eye aspect ratio of both sides with blinks."""
    t = (np.arange(n) + rng.uniform(0, 0.5, n)) / fs_hz
    blinks = rng.uniform(1, 3, int(n / fs_hz)).cumsum()
    closed = bumps(t, blinks, 1.0, 0.04)
    return np.column_stack(
        [np.rint(t * 1e9), *(0.3 - 0.25 * closed * rng.uniform(0.4, 1) + rng.normal(0, 0.005, n) for _ in range(2))]
    )


def face(rng: np.random.Generator, n: int) -> Array:
    """Frames of 68 points at about 30 Hz, with blinks, smiles and a gap."""
    made = simulate_face(n / 30, 30, "ibug68", int(rng.integers(1 << 31)))
    x = frames(made.t_ns, made.points)[:n]
    x[int(rng.integers(n)) :, 0] += int(rng.integers(1, 3_000_000_000))
    return x
