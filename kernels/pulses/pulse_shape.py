"""Measures one pulse in the rings of its detector: sub-sample peak and foot, width, likeness to the pulses before."""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

N_TAPS = 21
TAP_S = 0.02  # spacing of the template's taps
BEFORE_S = 0.26  # the template begins so long before the peak


@kernel
def at(ring: NDArray[np.float64], t: float, first: int, last: int) -> float:
    """Give the value at a sub-sample place; what lies outside first to last has the value at the nearer end."""
    t = min(max(t, float(first)), float(last))
    j = math.floor(t)
    if j >= last:
        return ring[last % len(ring)]
    v = ring[j % len(ring)]
    return v + (t - j) * (ring[(j + 1) % len(ring)] - v)


@kernel
def mean_at(ring: NDArray[np.float64], j: int, m: int, first: int, last: int) -> float:
    """Average the samples j - m to j + m, as far as they are held (first to last)."""
    total, n = 0.0, 0
    for k in range(max(j - m, first), min(j + m, last) + 1):
        total += ring[k % len(ring)]
        n += 1
    return total / max(n, 1)


@kernel
def slope_at(ring: NDArray[np.float64], j: int, m: int) -> float:
    """Fit a line to the samples j - m to j + m and give its slope per sample."""
    total, s2 = 0.0, 0.0
    for k in range(-m, m + 1):
        total += k * ring[(j + k) % len(ring)]
        s2 += k * k
    return total / s2


@kernel
def vertex(ring: NDArray[np.float64], j: int, m: int) -> tuple[float, float]:
    """Fit a parabola to the samples j - m to j + m and give where it culminates, relative to j, and its value there.

    Where the fit has no top inside the window, (NaN, mean).
    """
    n = 2 * m + 1
    s0, s1, s2, k2, k4 = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(-m, m + 1):
        v = ring[(j + k) % len(ring)]
        s0 += v
        s1 += k * v
        s2 += k * k * v
        k2 += k * k
        k4 += k * k * k * k
    curve = (s2 - k2 * s0 / n) / (k4 - k2 * k2 / n)
    if not curve < 0.0:
        return np.nan, s0 / n
    slope = s1 / k2
    top = -slope / (2.0 * curve)
    if not -m <= top <= m:
        return np.nan, s0 / n
    return top, (s0 - curve * k2) / n + slope * top + curve * top * top


@kernel
def peak(raw: NDArray[np.float64], guess: int, reach: int, m: int, first: int, last: int) -> tuple[float, float]:
    """Find the top of a pulse near a guess: its time (sub-sample) and its value.

    raw         : ring of samples
    guess, reach : looked for within guess - reach to guess + reach
    m           : half window of the smoothing and of the parabola, in samples, at least 1
    first, last : samples held

    Source: least-squares parabola; a smoothing with zero delay, so that the filter of the detector moves no peak.
    """
    first_j, last_j = max(guess - reach, first + m), min(guess + reach, last - m)
    if last_j < first_j:
        j = min(max(guess, first), last)
        return float(j), raw[j % len(raw)]
    best_j, best = first_j, -np.inf
    for j in range(first_j, last_j + 1):
        v = mean_at(raw, j, m, first, last)
        if v > best:
            best_j, best = j, v
    shift, value = vertex(raw, best_j, m)
    if shift != shift:
        return float(best_j), raw[best_j % len(raw)]
    nearest = best_j + math.floor(shift + 0.5)
    if nearest != best_j and first + m <= nearest <= last - m:
        again, peak_value = vertex(raw, nearest, m)  # centred better
        if again == again:
            return nearest + again, peak_value
    return best_j + shift, value


@kernel
def foot(raw: NDArray[np.float64], guess: int, reach: int, m: int, floor: float, first: int, last: int) -> float:
    """Give the time of the foot: where the tangent at the steepest rise meets the level of the minimum before it.

    guess, reach : the steepest rise is looked for within guess - reach to guess + reach
    m            : half window of the line fits, in samples, at least 1
    floor        : level of the minimum

    NaN where nothing rises there.
    Source: intersecting tangents; unlike the minimum itself it is well defined where the diastole is flat.
    """
    best_j, best = -1, 0.0
    for j in range(max(guess - reach, first + m), min(guess + reach, last - m) + 1):
        slope = slope_at(raw, j, m)
        if slope > best:
            best_j, best = j, slope
    if best_j < 0:
        return np.nan
    return best_j - (mean_at(raw, best_j, m, first, last) - floor) / best


@kernel
def crossing(ring: NDArray[np.float64], level: float, start: int, stop: int) -> float:
    """Give the sub-sample place where the ring first rises through a level between start and stop; NaN where not."""
    for j in range(start + 1, stop + 1):
        v, w = ring[(j - 1) % len(ring)], ring[j % len(ring)]
        if v < level <= w:
            return j - 1 + (level - v) / (w - v)
    return np.nan


@kernel
def likeness(
    low: NDArray[np.float64],
    t: float,
    fs_hz: float,
    first: int,
    last: int,
    template: NDArray[np.float64],
    taken: int,
    alike: float,
    storm: bool,
) -> float:
    """Correlate a pulse with the template, then mix it into it.

    low      : ring of low-passed samples
    t        : place of the peak in that ring
    template : mean of the pulses so far, each without its mean and of unit length, [N_TAPS]
    taken    : pulses in it; 0 begins a new one
    alike    : least correlation with which a pulse is mixed in once there are 3
    storm    : nothing is mixed in

    Gives -1 to 1; NaN for the first pulse and for a pulse without any shape.
    """
    total = 0.0
    for k in range(N_TAPS):
        total += at(low, t + (k * TAP_S - BEFORE_S) * fs_hz, first, last)
    mean = total / N_TAPS
    length, dot, norm = 0.0, 0.0, 0.0
    for k in range(N_TAPS):
        v = at(low, t + (k * TAP_S - BEFORE_S) * fs_hz, first, last) - mean
        length += v * v
        dot += v * template[k]
        norm += template[k] * template[k]
    if not length > 0.0:
        return np.nan
    length = math.sqrt(length)
    same = dot / (length * math.sqrt(norm)) if taken > 0 and norm > 0.0 else np.nan
    if not storm and (taken < 3 or same >= alike):
        weight = 1.0 / min(taken + 1, 10)
        for k in range(N_TAPS):
            v = (at(low, t + (k * TAP_S - BEFORE_S) * fs_hz, first, last) - mean) / length
            template[k] = v if taken == 0 else template[k] + weight * (v - template[k])
    return same
