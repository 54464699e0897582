"""The stage of the ECG chain that measures a beat's waves in a lead, and what of them may be said."""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.beats import delineate
from vitalcore.kernels.beats.delineate import (
    GRID_S,
    N_SNIP,
    P_OFF,
    P_ON,
    P_PEAK,
    QRS_OFF,
    QRS_ON,
    R_AT,
    T_OFF,
    T_ON,
    T_PEAK,
)
from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.leads import tape
from vitalcore.kernels.models.perceptron import load, run

MODEL = load("delineation")
WEIGHTS, SHAPE = MODEL

LEAST_BEFORE, LEAST_AFTER = 25, 50  # places that must be known on each side of R
QRS_NOISE, WAVE_NOISE = 0.1, 0.7  # of a QRS complex' range, of a wave's height: noise in which no boundary is said
FLAT_MV = 0.006  # a wave that is not higher is not there
P_LIMIT = 0.5  # log-odds from which there is a P wave
P_MEMORY, PR_MEMORY = 0.2, 0.3  # share of the newest beat in what is remembered of P, of changes
USUAL_PR_S = 0.01  # change of PR from beat to beat, before it is known
WIDE = 1.3  # a QRS complex so much wider than the others is of another kind
WIDE_MEMORY = 0.05  # share of such a beat in the mean width
SOUND = 0.8  # quality of a beat from which its waves may change from beat to beat as they like
RESTLESS_QRS_S, RESTLESS_T_S = 0.015, 0.04  # change of QRS width, of the time of T, that below it is noise
USUAL_CHANGE_S = 0.005
P_RANGE = 8.0  # of log-odds
T_LIMIT = -4.0
ST_HALF = 1  # places on each side of an ST level
LEVEL_PLACES = 4  # before the QRS complex, averaged to the level that ST is against

STATE = np.dtype(
    [
        ("scratch", delineate.SCRATCH),
        ("n_p", "i8", (tape.MAX_LEADS,)),  # beats so far, in each lead
        ("p_sure", "f8", (tape.MAX_LEADS, 3)),  # what the nets said of P in the beats before, averaged
        ("pr", "f8", (tape.MAX_LEADS,)),  # from the last P peak to its QRS complex, if there is a P wave
        ("pr_change", "f8", (tape.MAX_LEADS,)),  # from beat to beat, averaged
        ("width", "f8", (tape.MAX_LEADS,)),  # of QRS, averaged
        ("width_change", "f8", (tape.MAX_LEADS,)),  # against that, averaged
        ("t_at", "f8", (tape.MAX_LEADS,)),  # from the last R peak to its T peak
        ("t_change", "f8", (tape.MAX_LEADS,)),  # from beat to beat, averaged
    ],
    align=True,
)


@kernel
def cut(
    params: np.void, buffer: NDArray[np.float64], lead: int, n_seen: int, t: float, place: float, x: NDArray[np.float64]
) -> tuple[int, int]:
    """Fill a snip around t; returns its first and last place that are known without a gap, those beyond are held.

    (1, 0): not enough is known around t.

    params : one row of tape.PARAMS
    place  : of the grid, samples
    """
    block = params["block"]
    newest = n_seen // block - 1
    oldest = max(0, newest - params["n_keep"] + 1)
    at = (t - R_AT * place - 0.5 * (block - 1)) / block
    first = max(0, math.ceil((oldest + 1 - at) * block / place + 1e-6))
    last = min(N_SNIP - 1, math.floor((newest - 1 - at) * block / place - 1e-6))
    if last < first:
        return 1, 0
    if not tape.snip(params, buffer, lead, n_seen, t + (first - R_AT) * place, place, x[first : last + 1]):
        at_first, at_last = first, last
        for k in range(at_first, at_last + 1):
            if x[k] != x[k]:
                if k <= R_AT:
                    first = k + 1
                elif k <= last:
                    last = k - 1
    if first > R_AT - LEAST_BEFORE or last < R_AT + LEAST_AFTER:
        return 1, 0
    for k in range(first):
        x[k] = x[first]
    for k in range(last + 1, N_SNIP):
        x[k] = x[last]
    return first, last


@kernel
def noise(s: np.void, first: int, last: int) -> float:
    """Measure what a short mean takes away outside the QRS complex, as a standard deviation."""
    x, y, t = s["x"], s["y"], s["times"]
    on, off = int(t[QRS_ON]) - 4, int(t[QRS_OFF]) + 4
    total = 0.0
    n = 0
    for begin, end in ((first + 2, min(on, last - 1)), (max(off + 1, first + 2), last - 1)):
        for k in range(begin, end):
            total += (x[k] - y[k]) * (x[k] - y[k])
            n += 1
    return math.sqrt(total / max(1, n))


@kernel
def height(y: NDArray[np.float64], on: float, peak: float, off: float) -> float:
    """Measure how far a wave's peak is from the line between its bounds."""
    a, b = y[int(on)], y[int(off)]
    part = (peak - on) / max(1.0, off - on)
    return abs(y[int(peak)] - a - part * (b - a))


@kernel
def mean_around(y: NDArray[np.float64], first: float, last: float) -> float:
    """Average the places first to last."""
    total = 0.0
    n = 0
    for k in range(max(0, int(first + 0.5)), min(N_SNIP - 1, int(last + 0.5)) + 1):
        total += y[k]
        n += 1
    return total / n if n > 0 else np.nan


@kernel
def tell(
    params: np.void,
    state: np.void,
    buffer: NDArray[np.float64],
    lead: int,
    n_seen: int,
    fs_hz: float,
    before_s: float,
    after_s: float,
    row: np.void,
) -> None:
    """Measure the waves of the beat at row["t"] in a lead and write them into the row, NaN where they are not there.

    params    : one row of tape.PARAMS
    n_seen    : samples since the stream began that may be looked at
    before_s, after_s : intervals to the neighbours, NaN where they are not known
    """
    body = row["body"]
    s = state["scratch"]
    place = GRID_S * fs_hz
    first, last = cut(params, buffer, lead, n_seen, row["t"], place, s["x"])
    if last < first:
        row["reasons"] |= codes.MISSING
        return
    s["before"] = before_s / GRID_S if before_s == before_s else delineate.UNKNOWN_RR
    s["after"] = after_s / GRID_S if after_s == after_s else 0.0
    delineate.find(WEIGHTS, SHAPE, s)
    x, y, t = s["x"], s["y"], s["times"]
    rest = noise(s, first, last)
    if rest > QRS_NOISE * s["amplitude"]:
        row["reasons"] |= codes.NOISE
        return
    p_there = has_p(state, lead)
    compare(state, lead)
    shaky = row["quality"] < SOUND
    if shaky and state["width_change"][lead] > RESTLESS_QRS_S:
        row["reasons"] |= codes.NOISE
        return
    begin = row["t"] - R_AT * place
    body[finding.QRS_ON] = begin + place * t[QRS_ON]
    body[finding.QRS_OFF] = begin + place * t[QRS_OFF]
    level = mean_around(x, t[QRS_ON] - LEVEL_PLACES, t[QRS_ON] - 1.0)
    for k in range(2):
        at = t[QRS_OFF] + (0.06 + 0.02 * k) / GRID_S
        if at + ST_HALF <= last:
            body[finding.ST_60 + k] = mean_around(x, at - ST_HALF, at + ST_HALF) - level
    t[P_OFF] = min(t[P_OFF], t[QRS_ON])
    if t[P_ON] >= first and p_there and t[P_ON] < t[P_PEAK] < t[P_OFF]:
        tall = height(y, t[P_ON], t[P_PEAK], t[P_OFF])
        if tall > FLAT_MV and tall > WAVE_NOISE * rest:
            for k in range(P_ON, P_OFF + 1):
                body[finding.P_ON + k] = begin + place * t[k]
    t[T_ON] = max(t[T_ON], t[QRS_OFF])
    restless = shaky and state["t_change"][lead] > RESTLESS_T_S
    if t[T_OFF] <= last and not restless and s["sure"][3] > T_LIMIT and t[T_ON] < t[T_PEAK] < t[T_OFF]:
        tall = height(y, t[T_ON], t[T_PEAK], t[T_OFF])
        if tall > FLAT_MV and tall > WAVE_NOISE * rest:
            for k in range(T_ON, T_OFF + 1):
                body[finding.P_ON + k] = begin + place * t[k]


@kernel
def recall(state: np.void, lead: int) -> None:
    """Look at what the nets said of P, at what they said in the beats before, and at how steady PR is.

    A beat with a wider QRS complex stands alone: a ventricular beat knows nothing of the P waves of the others.
    """
    s = state["scratch"]
    t, sure, mean, look = s["times"], s["sure"], state["p_sure"][lead], s["look"]
    pr = (t[QRS_ON] - t[P_PEAK]) * GRID_S
    width = (t[QRS_OFF] - t[QRS_ON]) * GRID_S
    n = state["n_p"][lead]
    if n == 0:
        state["pr_change"][lead] = USUAL_PR_S
        state["width"][lead] = width
    wide = width > WIDE * state["width"][lead]
    for k in range(3):
        said = max(-P_RANGE, min(sure[k], P_RANGE))
        look[k] = said
        look[3 + k] = said if n == 0 or wide else mean[k]
        if not wide:
            mean[k] = said if n == 0 else mean[k] + max(P_MEMORY, 1.0 / (n + 1)) * (said - mean[k])
    state["width"][lead] += (WIDE_MEMORY if wide else P_MEMORY) * (width - state["width"][lead])
    look[6] = math.log((USUAL_PR_S if wide else state["pr_change"][lead]) + 0.003)
    if wide:
        return
    if n > 0:
        state["pr_change"][lead] += PR_MEMORY * (abs(pr - state["pr"][lead]) - state["pr_change"][lead])
    state["pr"][lead] = pr
    state["n_p"][lead] = n + 1


@kernel
def compare(state: np.void, lead: int) -> None:
    """Follow how much QRS width and T change from beat to beat; `recall` has counted the beat."""
    t = state["scratch"]["times"]
    width = (t[QRS_OFF] - t[QRS_ON]) * GRID_S
    t_at = (t[T_PEAK] - R_AT) * GRID_S
    if state["n_p"][lead] <= 1:
        state["width_change"][lead] = USUAL_CHANGE_S
        state["t_change"][lead] = USUAL_CHANGE_S
    elif width < WIDE * state["width"][lead]:
        state["width_change"][lead] += PR_MEMORY * (abs(width - state["width"][lead]) - state["width_change"][lead])
        state["t_change"][lead] += PR_MEMORY * (abs(t_at - state["t_at"][lead]) - state["t_change"][lead])
    state["t_at"][lead] = t_at


@kernel
def has_p(state: np.void, lead: int) -> bool:
    """Judge whether there is a P wave."""
    recall(state, lead)
    s = state["scratch"]
    run(WEIGHTS, SHAPE, delineate.HAS_P, s["look"], s["hidden"], s["answer"])
    return bool(s["answer"][0] > P_LIMIT)
