"""What the interval before a beat is among those before it: features of the rhythm for beat classes."""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.beats.beat_shape import N_SHAPE
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.core.order import sort

N_INTERVALS = 32
N_NEAR = 8  # of them make the rhythm of the moment
N_REFERENCE = 8
N_LONG = 64.0  # beats over which the long mean goes
LONGEST_S = 3.0  # intervals count as no longer
EARLY, LATE = 0.88, 1.12  # of the median
STEADY, STEADY_STEP = 0.18, 0.125  # how far an interval may be from the steady one to move it, and how much it does
STRAYED = 64  # beats in a row farther off: the rhythm is another one now
PAUSE_FROM = 1.25  # of the median of many

# Features of the rhythm, after those of the shape.
(
    OVER_MEDIAN, OVER_MEAN, OVER_BEFORE, BEFORE_OVER_MEDIAN, BEFORE_2_OVER_MEDIAN, UNSTEADY, UNSTEADY_MEAN, INTERVAL,
    OVER_LONG, OVER_LONGEST, OVER_MEDIAN_32, MEDIAN, NEAREST, OVER_REFERENCE, N_EARLY, N_LATE, OVER_SHORTEST, SPREAD_32,
    MEDIAN_OVER_32, REFERENCE_OVER_32, PAIR_OVER_MEDIAN, BEFORE_CHANGE, V_BEFORE, S_BEFORE, V_BEFORE_2, S_BEFORE_2,
    SINCE_NORMAL, T_FIT_BEFORE, T_SIZE_BEFORE, RATE_DRIFT, OVER_STEADY, AWAY, SINCE_PAUSE, PAUSE, OVER_UPPER,
    OVER_LOWER,
) = range(N_SHAPE, N_SHAPE + 36)  # fmt: skip
N_FIRST = N_SHAPE + 36

# Part of beat_class.STATE.
FIELDS = [
    ("intervals", "f8", (N_INTERVALS,)),  # s, ring
    ("n_intervals", "i8"),
    ("reference", "f8", (N_REFERENCE,)),  # intervals between normal beats, ring
    ("n_reference", "i8"),
    ("long", "f8"),  # mean interval of the last minute
    ("reference_s", "f8"),  # median of those
    ("steady_s", "f8"),  # follows what changes little by little, and no leap
    ("away", "i8"),  # intervals in a row that were far from it
    ("since_pause", "i8"),  # beats
    ("pause_s", "f8"),  # the last one
    ("v", "f8", (3,)),  # ventricular, of the last beats, newest first
    ("s", "f8", (3,)),  # supraventricular
    ("since_normal", "i8"),
    ("t_fit", "f8"),  # of the beat before
    ("t_size", "f8"),
    ("sorted", "f8", (N_INTERVALS,)),  # the intervals in order of size
    ("near", "f8", (N_REFERENCE,)),  # scratch
]


@kernel
def middle(values: NDArray[np.float64], n: int) -> float:
    """Sort the first n values in place and give their lower median; 0 of none."""
    sort(values, n)
    return float(values[(n - 1) // 2]) if n > 0 else 0.0


@kernel
def back(state: np.void, k: int) -> float:
    """Give the interval k places before the newest (k = 0)."""
    return float(state["intervals"][(state["n_intervals"] - 1 - k) % N_INTERVALS])


@kernel
def settle(state: np.void, rr: float) -> None:
    """Let the steady interval follow, and note pauses."""
    steady = state["steady_s"]
    if steady <= 0.0:
        state["steady_s"] = rr
    elif abs(rr - steady) <= STEADY * steady:
        state["steady_s"] += STEADY_STEP * (rr - steady)
        state["away"] = 0
    else:
        state["away"] += 1
        early = min(state["n_intervals"], N_NEAR)
        if state["away"] >= STRAYED or state["n_intervals"] <= N_NEAR:
            for k in range(early):
                state["near"][k] = back(state, k)
            state["steady_s"] = middle(state["near"], early)
            state["away"] = 0
    n = min(state["n_intervals"], N_INTERVALS)
    if rr > PAUSE_FROM * state["sorted"][(n - 1) // 2]:
        state["pause_s"] = rr
        state["since_pause"] = 0
    else:
        state["since_pause"] = min(state["since_pause"] + 1, N_INTERVALS)


@kernel
def remember(state: np.void, rr: float) -> None:
    """Take an interval into the ring and the order of size."""
    values = state["sorted"]
    n = state["n_intervals"]
    at = n % N_INTERVALS
    k = min(n, N_INTERVALS)
    if n >= N_INTERVALS:  # its place becomes the last
        gone = state["intervals"][at]
        j = 0
        while values[j] != gone:
            j += 1
        for i in range(j, N_INTERVALS - 1):
            values[i] = values[i + 1]
        k = N_INTERVALS - 1
    while k > 0 and values[k - 1] > rr:
        values[k] = values[k - 1]
        k -= 1
    values[k] = rr
    state["intervals"][at] = rr
    state["n_intervals"] = n + 1


@kernel
def rhythm(state: np.void, rr: float, x: NDArray[np.float64]) -> None:
    """Compare an interval with those before it."""
    n = min(state["n_intervals"], N_NEAR)
    values = state["near"]
    for j in range(N_SHAPE, N_FIRST):
        x[j] = 1.0
    before = back(state, 0) if n > 0 else rr
    before_2 = back(state, 1) if n > 1 else before
    longest, shortest, nearest, total = before, before, LONGEST_S, 0.0
    for k in range(n):
        values[k] = back(state, k)
        longest = max(longest, values[k])
        shortest = min(shortest, values[k])
        nearest = min(nearest, abs(values[k] - rr))
        total += values[k]
    median = middle(values, n) if n > 0 else rr
    n_early = n_late = 0
    for k in range(n):
        n_early += values[k] < EARLY * median
        n_late += values[k] > LATE * median
    squares = 0.0
    for k in range(n - 1):
        values[k] = abs(back(state, k) - back(state, k + 1))
        squares += values[k] * values[k]
    x[UNSTEADY] = middle(values, n - 1) / median if n > 2 else 0.0
    x[UNSTEADY_MEAN] = math.sqrt(squares / max(1, n - 1)) / median
    x[OVER_MEDIAN] = rr / median
    x[OVER_MEAN] = rr * n / total if n > 0 else 1.0
    x[OVER_BEFORE] = rr / before
    x[BEFORE_OVER_MEDIAN] = before / median
    x[BEFORE_2_OVER_MEDIAN] = before_2 / median
    x[INTERVAL] = rr
    x[OVER_LONG] = rr / state["long"] if state["long"] > 0.0 else 1.0
    x[OVER_LONGEST] = rr / longest
    x[OVER_SHORTEST] = rr / shortest
    x[MEDIAN] = median
    x[NEAREST] = nearest / median if n > 0 else 0.0
    x[N_EARLY] = n_early
    x[N_LATE] = n_late
    x[PAIR_OVER_MEDIAN] = (rr + before) / (2.0 * median)
    x[BEFORE_CHANGE] = before_2 / before
    m = min(state["n_intervals"], N_INTERVALS)
    usual = state["sorted"][(m - 1) // 2] if m > 0 else rr
    apart = 0.0
    for k in range(m):
        apart += abs(state["intervals"][k] - usual)
    x[OVER_MEDIAN_32] = rr / usual
    x[SPREAD_32] = apart / (max(m, 1) * usual)
    x[MEDIAN_OVER_32] = median / usual
    reference = state["reference_s"] if state["n_reference"] > 0 else usual
    x[OVER_REFERENCE] = rr / reference
    x[REFERENCE_OVER_32] = reference / usual
    x[RATE_DRIFT] = before / reference
    x[OVER_STEADY] = rr / state["steady_s"] if state["steady_s"] > 0.0 else 1.0
    x[AWAY] = state["away"]
    x[SINCE_PAUSE] = state["since_pause"]
    x[PAUSE] = min(5.0, state["pause_s"] / rr)
    x[OVER_UPPER] = rr / state["sorted"][(4 * m) // 5] if m > 0 else 1.0
    x[OVER_LOWER] = rr / state["sorted"][m // 5] if m > 0 else 1.0
    x[V_BEFORE], x[S_BEFORE] = state["v"][0], state["s"][0]
    x[V_BEFORE_2], x[S_BEFORE_2] = state["v"][1], state["s"][1]
    x[SINCE_NORMAL] = state["since_normal"]
    x[T_FIT_BEFORE], x[T_SIZE_BEFORE] = state["t_fit"], state["t_size"]
