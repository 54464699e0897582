"""Where exactly the R peak is: the dominant extremum of the signal itself near a QRS complex, between its samples."""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

REACH_S = 0.08  # searched on each side of the middle of the complex
SMOOTH_S = 0.008  # on each side: shorter than a QRS' flanks, longer than a quantisation step
NEGATIVE = 0.7  # a negative extremum leads only where the positive one is below this part of it

N_FEATURES = 32

# What is known of a peak of QRS energy.
PEAK = np.dtype(
    [
        ("w", "i8"),  # when: work sample
        ("energy", "f8"),
        ("t", "f8"),  # R time, samples
        ("amplitude", "f8"),  # signed, from the line that joins what lies before and after the complex; NaN: not found
        ("width_s", "f8"),  # at half amplitude
        ("slope", "f8"),  # steepest change within 2 SMOOTH_S
        ("swing", "f8"),  # from the lowest to the highest
        ("score", "f8"),  # log-odds that it is a beat
        ("x", "f8", (N_FEATURES,)),  # of qrs_score
    ],
    align=True,
)


@kernel
def wrap(at: int, n: int) -> int:
    """Bring a position at most one round away back into a ring of n."""
    if at < 0:
        return at + n
    return at - n if at >= n else at


@kernel
def locate(
    ring: NDArray[np.float64], ring_at: int, newest: int, n_back: int, fs_hz: float, middle: float, peak: np.void
) -> None:
    """Find R time, amplitude, width and slope of the complex around `middle`; the middle itself where there is no peak.

    ring    : samples without gaps, [n_ring]
    ring_at : place behind the newest sample
    newest  : index of the newest sample to be looked at
    n_back  : how many samples back from it the ring reaches
    middle  : sample index, sub-sample
    peak    : gets t, amplitude, width_s and slope

    Of the extrema of a short moving mean the positive one is taken unless the negative one is much larger; a parabola
    through three points places it.
    """
    peak["t"] = middle
    peak["amplitude"] = np.nan
    peak["width_s"] = np.nan
    peak["slope"] = 0.0
    peak["swing"] = 0.0
    n = ring.shape[0]
    reach = int(REACH_S * fs_hz)
    half = max(1, int(SMOOTH_S * fs_hz + 0.5))
    width = 2 * half + 1
    edge = max(2, reach // 3)
    first = int(middle + 0.5) - reach  # the search covers 2 reach + 1 samples from here
    margin = max(edge, half + width)
    if first < margin or first - margin <= newest - n_back or first + 2 * reach + max(edge, half) > newest:
        return
    at = wrap(ring_at - 1 - (newest - first), n)
    before = after = 0.0
    for k in range(edge):
        before += ring[wrap(at - 1 - k, n)]
        after += ring[wrap(at + 2 * reach + 1 + k, n)]
    before /= edge
    rise = (after / edge - before) / (2 * reach + 1 + edge)  # a sample
    one, end = np.uint64(1), np.uint64(n)
    lead, tail = np.uint64(wrap(at + half, n)), np.uint64(wrap(at - half, n))
    lag, behind = np.uint64(wrap(at - half - width, n)), np.uint64(wrap(at + half - width, n))
    s = z = 0.0  # sums of `width` samples around k and around k - width
    for k in range(2 * half):
        s += ring[np.uint64(wrap(at - half + k, n))]
        z += ring[np.uint64(wrap(at - half - width + k, n))]
    y1 = y2 = steep = high = low = 0.0
    high_k = low_k = -1.0
    for k in range(2 * reach + 1):
        s += ring[lead]
        z += ring[behind]
        steep = max(steep, abs(s - z))
        y = s / width - before - rise * (k + 0.5 * (edge + 1))
        if k >= 2:
            bend = y2 - 2.0 * y1 + y
            if y1 > high and y1 >= y2 and y1 > y:
                high = y1
                high_k = k - 1 + 0.5 * (y2 - y) / bend
            if y1 < low and y1 <= y2 and y1 < y:
                low = y1
                low_k = k - 1 + 0.5 * (y2 - y) / bend
        s -= ring[tail]
        z -= ring[lag]
        lead = lead + one if lead + one < end else np.uint64(0)
        tail = tail + one if tail + one < end else np.uint64(0)
        lag = lag + one if lag + one < end else np.uint64(0)
        behind = behind + one if behind + one < end else np.uint64(0)
        y2 = y1
        y1 = y
    peak["slope"] = steep / width
    peak["swing"] = high - low
    if high_k >= 0.0 and high >= -NEGATIVE * low:
        k_r, amplitude = high_k, high
    elif low_k >= 0.0:
        k_r, amplitude = low_k, low
    else:
        return
    peak["t"] = first + k_r
    peak["amplitude"] = amplitude
    peak["width_s"] = half_width(ring, at, n, before, rise, 0.5 * (edge + 1), k_r, amplitude, 2 * reach) / fs_hz


@kernel
def half_width(
    ring: NDArray[np.float64],
    at: int,
    n: int,
    before: float,
    rise: float,
    shift: float,
    k_r: float,
    amplitude: float,
    most: int,
) -> float:
    """Measure how many samples around the R peak lie beyond half its amplitude; NaN where that has no end in reach."""
    middle = math.floor(k_r + 0.5)
    total = 0.0
    for direction in (-1, 1):
        k = middle
        inside = 1.0
        while True:
            k += direction
            if k < 0 or k > most:
                return np.nan
            part = (ring[wrap(at + k, n)] - before - rise * (k + shift)) / amplitude
            if part < 0.5:
                break
            inside = part
        # between the last sample inside and the first outside
        fraction = (inside - 0.5) / (inside - part) if inside > part else 0.5
        total += abs(k - direction * (1.0 - fraction) - k_r)
    return total
