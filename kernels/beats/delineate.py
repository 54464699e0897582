"""Waves of one heart beat in one lead: where P, QRS and T begin, peak and end.

A snip of the lead around the R peak lies on a grid of 4 ms. A first net looks at all of it and says roughly where the
waves are. Others look closer, at what surrounds a wave: they move the QRS complex' bounds, choose among the extrema of
the smoothed snip the peaks of T and P, and move these waves' bounds. All are trained on boundaries that cardiologists
set by hand (`training/delineation.py`).
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.models import perceptron

GRID_S = 0.004
R_AT = 130  # place of the R peak in a snip
N_SNIP = 341  # places of a snip; times here are counted in them
UNKNOWN_RR = 0.9 / GRID_S

P_ON, P_PEAK, P_OFF, QRS_ON, QRS_OFF, T_ON, T_PEAK, T_OFF = range(8)  # as in a row of findings
N_TIMES = 8

# The nets, in the order in which they speak.
WHOLE, QRS_WIDE, QRS_NEAR, T_CHOICE, P_CHOICE, T_WIDE, T_NEAR, P_WIDE, P_NEAR = range(9)
N_NETS = 9
HAS_P = 9  # judges what they said of P
OF_QRS, OF_T, OF_P = 1, 2, 3
# of each net: its wave, places looked at on each side, steps between them
LOOKS = np.array(
    [
        (0, 0, 0),
        (OF_QRS, 33, 1),
        (OF_QRS, 33, 1),
        (OF_T, 20, 4),
        (OF_P, 16, 3),
        (OF_T, 25, 3),
        (OF_T, 25, 3),
        (OF_P, 18, 2),
        (OF_P, 18, 2),
    ]
)
INPUTS = (116, 68, 68, 45, 37, 55, 55, 40, 40, 7)

COARSE = 3  # places averaged for the first look
N_COARSE = N_SNIP // COARSE
SMOOTH = 2  # places on each side that are averaged
MAX_PEAKS = 5  # among which a net chooses
BEND = 10  # places on each side over which a peak's sharpness is measured

SCRATCH = np.dtype(
    [
        ("x", "f8", (N_SNIP,)),
        ("y", "f8", (N_SNIP,)),  # smoothed
        ("look", "f4", (128,)),
        ("hidden", "f4", (64,)),
        ("answer", "f8", (10,)),
        ("times", "f8", (N_TIMES,)),
        ("peaks", "f8", (MAX_PEAKS,)),
        ("bends", "f8", (MAX_PEAKS,)),
        ("sure", "f8", (4,)),  # log-odds of P by the first, the choosing and the last net, and of T
        ("amplitude", "f8"),  # range of the QRS complex
        ("before", "f8"),  # places since the beat before
        ("after", "f8"),  # places until the beat after; 0 where that is not known
    ],
    align=True,
)


@kernel
def smooth(s: np.void) -> None:
    """Fill y with the moving mean of x, and amplitude with the range around R."""
    x, y = s["x"], s["y"]
    share = 1.0 / (2 * SMOOTH + 1)
    for k in range(SMOOTH):
        y[k] = x[k]
        y[N_SNIP - 1 - k] = x[N_SNIP - 1 - k]
    for k in range(SMOOTH, N_SNIP - SMOOTH):
        y[k] = (x[k - 2] + x[k - 1] + x[k] + x[k + 1] + x[k + 2]) * share
    high = low = x[R_AT]
    for k in range(R_AT - 40, R_AT + 41):
        high = max(high, x[k])
        low = min(low, x[k])
    s["amplitude"] = high - low + 1e-3


@kernel
def look_whole(s: np.void) -> None:
    """Look at the whole snip, coarsely; what is small is enlarged."""
    x, look = s["x"], s["look"]
    mean = 0.0
    for k in range(N_COARSE * COARSE):
        mean += x[k]
    mean /= N_COARSE
    gain = 5.0 / (COARSE * s["amplitude"])
    for k in range(N_COARSE):
        v = (x[COARSE * k] + x[COARSE * k + 1] + x[COARSE * k + 2] - mean) * gain
        look[k] = 2.0 * v / (1.0 + abs(v))
    look[N_COARSE] = 2.0 * (min(max(s["before"] * GRID_S, 0.3), 1.6) - 0.8)
    look[N_COARSE + 1] = 0.0
    look[N_COARSE + 2] = 0.0
    if s["after"] > 0.0:
        look[N_COARSE + 1] = 2.0 * (min(max(s["after"] * GRID_S, 0.3), 1.6) - 0.8)
        look[N_COARSE + 2] = 2.0


@kernel
def look_near(s: np.void, net: int, centre: float) -> None:
    """Look at what surrounds a centre: without its mean, over its spread; held where another wave begins.

    Behind it: the spread as a part of itself and of the QRS complex, and where the waves are.
    """
    wave, half, step = LOOKS[net, 0], LOOKS[net, 1], LOOKS[net, 2]
    t, look = s["times"], s["look"]
    x = s["x"] if wave == OF_QRS else s["y"]
    low, high = 0.0, N_SNIP - 1.001
    if wave == OF_P:
        high = t[QRS_ON]
    elif wave == OF_T:
        low = t[QRS_OFF]
        if s["after"] > 0.0:
            high = min(high, R_AT + s["after"] - 15.0)
    n = 2 * half + 1
    total = squares = 0.0
    for k in range(n):
        at = max(min(centre + (k - half) * step, high), low)
        i = int(at)
        left = np.uint64(i)
        v = x[left] + (at - i) * (x[left + np.uint64(1)] - x[left])
        look[k] = v
        total += v
        squares += v * v
    mean = total / n
    spread = math.sqrt(max(0.0, squares / n - mean * mean))
    gain = 1.0 / (spread + 0.01 * s["amplitude"])
    for k in range(n):
        look[k] = (look[k] - mean) * gain
    if wave == OF_QRS:
        look[n] = (t[QRS_OFF] - t[QRS_ON]) / 12.0 - 2.0
        return
    look[n] = 2.0 * spread / (spread + 0.05 * s["amplitude"])
    pace = min(max(s["before"] * GRID_S, 0.3), 1.6) - 0.8
    if wave == OF_P:
        look[n + 1] = (t[QRS_ON] - centre) / 25.0 - 1.5
        if net == P_CHOICE:
            look[n + 2] = pace
            look[n + 3] = (t[P_PEAK] - centre) / 25.0
        else:
            look[n + 2] = (t[P_OFF] - t[P_ON]) / 12.0 - 2.0
    else:
        look[n + 1] = (centre - t[QRS_OFF]) / 50.0 - 1.0
        look[n + 2] = pace
        look[n + 3] = (t[T_PEAK] - centre) / 25.0 if net == T_CHOICE else (t[T_OFF] - centre) / 25.0 - 0.7


@kernel
def list_peaks(s: np.void, net: int) -> int:
    """List where a net shall look, a choosing net at the peak said before and at the sharpest extrema.

    Returns how many.
    """
    t, y, peaks, bends = s["times"], s["y"], s["peaks"], s["bends"]
    wave = LOOKS[net, 0]
    peaks[0] = 0.5 * (t[QRS_ON] + t[QRS_OFF])
    if wave == OF_T:
        peaks[0] = t[T_PEAK]
    elif wave == OF_P:
        peaks[0] = t[P_PEAK]
    if net == T_CHOICE:
        low, high = t[QRS_OFF] + 15.0, t[QRS_OFF] + 137.0
        if s["after"] > 0.0:
            high = min(high, R_AT + s["after"] - 37.0)
    elif net == P_CHOICE:
        low, high = t[QRS_ON] - 85.0, t[QRS_ON] - 6.0
    else:
        return 1
    n = 1
    first = max(1, int(low))
    coming = y[first] - y[first - 1]
    for k in range(first, min(N_SNIP - 1, int(high) + 1)):
        going = coming
        coming = y[np.uint64(k + 1)] - y[np.uint64(k)]
        if going * coming <= 0.0:
            bend = abs(2.0 * y[k] - y[max(0, k - BEND)] - y[min(N_SNIP - 1, k + BEND)])
            i = n
            while i > 1 and bends[i - 1] < bend:
                if i < MAX_PEAKS:
                    peaks[i], bends[i] = peaks[i - 1], bends[i - 1]
                i -= 1
            if i < MAX_PEAKS:
                peaks[i], bends[i] = k, bend
                n = min(n + 1, MAX_PEAKS)
    return n


@kernel
def heed(s: np.void, net: int, centre: float, most: float) -> None:
    """Move the times as a net has said: about the centre, or there."""
    t, answer, sure = s["times"], s["answer"], s["sure"]
    wave = LOOKS[net, 0]
    last = N_SNIP - 2.0
    if net == WHOLE:
        for k in range(N_TIMES):
            t[k] = max(1.0, min(R_AT + answer[k], last))
        sure[0] = answer[N_TIMES]
    elif wave == OF_QRS:
        t[QRS_ON] = max(1.0, min(centre + answer[0], last - 2.0))
        t[QRS_OFF] = max(t[QRS_ON] + 2.0, min(centre + answer[1], last))
    else:
        first = P_ON if wave == OF_P else T_ON
        shift = centre - t[first + 1]
        for k in range(3):
            t[first + k] += shift
            if net > P_CHOICE:
                t[first + k] = centre + answer[k]
            t[first + k] = max(1.0, min(t[first + k], last))
        if net == T_CHOICE:
            sure[3] = most
        elif net == P_CHOICE:
            sure[1] = most
        elif net == P_NEAR:
            sure[2] = answer[3]


@kernel
def find(weights: NDArray[np.float32], shape: NDArray[np.int64], s: np.void) -> None:
    """Fill times and sure from the snip x and the intervals before and after.

    weights, shape : the fields of perceptron.Nets
    """
    smooth(s)
    for net in range(N_NETS):
        best, most = 0.0, -np.inf
        for k in range(list_peaks(s, net)):
            if net == WHOLE:
                look_whole(s)
            else:
                look_near(s, net, s["peaks"][k])
            perceptron.run(weights, shape, net, s["look"], s["hidden"], s["answer"])
            if s["answer"][0] > most:
                best = s["peaks"][k]
                most = s["answer"][0]
        heed(s, net, best, most)
