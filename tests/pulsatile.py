"""PPG with exact truth: two Gaussians a beat, and where they peak and rise."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Tang, Chen, Ward, Elgendi 2020, table 1: (a, theta, b) of the two waves
SHAPES = {
    "excellent": ((1.0, -1.5161, 0.6303), (0.1999, 0.8186, 1.0225)),
    "acceptable": ((0.7303, -1.5510, 0.7283), (0.5291, -0.2553, 1.2271)),
}


@dataclass(frozen=True)
class Truth:
    """Hold a signal and when its pulses peak, begin and how large they are; times in s."""

    x: NDArray[np.float64]
    peak_s: NDArray[np.float64]
    foot_s: NDArray[np.float64]
    height: float
    mean: float


def shape(theta: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Give the wave at phases."""
    y = np.zeros_like(theta)
    for a, centre, b in SHAPES[kind]:
        away = (theta - centre + math.pi) % (2 * math.pi) - math.pi
        y += a * np.exp(-(away**2) / (2 * b**2))
    return y


def ppg(
    fs_hz: float, intervals_s: NDArray[np.float64], kind: str = "excellent", level: float = 0.0, size: float = 1.0
) -> Truth:
    """Make a signal of beats with given intervals; the foot is where the steepest tangent meets the minimum's level."""
    ends = np.cumsum(intervals_s)
    t = np.arange(int(ends[-1] * fs_hz)) / fs_hz
    beat = np.searchsorted(ends, t, side="right")
    begin = ends - intervals_s
    theta = (t - begin[beat]) / intervals_s[beat] * 2 * math.pi - math.pi
    x = level + size * shape(theta, kind)

    fine = np.linspace(-math.pi, math.pi, 400_001)
    y = shape(fine, kind)
    top, low = int(y.argmax()), float(y.min())
    slope = np.gradient(y, fine)
    steep = int(slope.argmax())
    foot = fine[steep] - (y[steep] - low) / slope[steep]
    # the minimum lies at the end of the beat before, a foot may lie there too: it is told in the beat of its peak
    whole = 2 * math.pi
    return Truth(
        x,
        begin + (fine[top] + math.pi) / whole * intervals_s,
        begin + (foot + math.pi) / whole * intervals_s,
        size * float(y[top] - low),
        level + size * float(y.mean()),
    )
