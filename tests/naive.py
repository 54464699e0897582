"""Slow and obvious twins of kernels."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float64]


def moving(statistic: Callable[[Wave], float], x: Wave, n: int) -> Wave:
    """Apply a statistic to the samples that are there among the last n, for every sample of one channel."""
    out = np.full(len(x), np.nan)
    for i in range(len(x)):
        window = x[max(0, i - n + 1) : i + 1]
        window = window[np.isfinite(window)]
        if len(window):
            out[i] = statistic(window)
    return out


def baseline(x: Wave, first: int, second: int) -> Wave:
    """Subtract the median of medians from the sample in the middle of both windows."""
    level = moving(lambda w: float(np.median(w)), moving(lambda w: float(np.median(w)), x, first), second)
    delay = (first - 1) // 2 + (second - 1) // 2
    return np.concatenate([np.full(min(delay, len(x)), np.nan), x[: max(0, len(x) - delay)]]) - level


def resample(x: Wave, taps: Wave, up: int, down: int) -> Wave:
    """Put up - 1 zeros between samples, filter, keep every down-th; the past is the first sample."""
    half = len(taps) // up + 1
    stretched = np.zeros((len(x) + half) * up)
    stretched[::up] = np.concatenate([np.full(half, x[0]), x])
    return np.convolve(stretched, taps)[half * up : (half + len(x)) * up : down]
