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


def pair(theirs: list[float], ours: list[float], window_s: float) -> list[tuple[float, float]]:
    """Pair beats by the words of EC57 and its amendment, one beat of either list at a time."""
    theirs, ours, pairs = list(theirs), list(ours), []
    while theirs and ours:
        first, other = (ours, theirs) if ours[0] < theirs[0] else (theirs, ours)
        beat, partner = first[0], other[0]
        rivals = first[1:2]
        better_elsewhere = [r for r in rivals for next_other in other[1:2] if abs(r - next_other) < abs(r - partner)]
        stays = all(partner - beat < abs(partner - r) for r in rivals)
        if partner - beat <= window_s + 1e-9 and (stays or better_elsewhere):
            pairs.append((theirs.pop(0), ours.pop(0)))
        else:
            first.pop(0)
    return pairs
