"""Atrial fibrillation from up to 30 beats: how irregular they come, whether any order is left, and how few P waves.

A forest judges the window of intervals that ends with each beat; the beat in its middle is where the rhythm turned.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.core.order import pick
from vitalcore.kernels.models import forest

N_WINDOW = 30  # intervals
N_LEAST = 12  # good ones, before anything is judged
FOLLOW = 0.3  # how much of a new judgement enters the smoothed log-odds
BEGIN, END = 1.0, -1.0  # smoothed log-odds at which an episode begins and ends
DELAY = 3  # beats by which that lags behind
FOLLOW_P = 0.07  # how much of a beat enters the share of beats with a P wave
NO_P, SOME_P, MANY_P = 0.05, 0.15, 0.5  # shares below which there is none, and between which it begins to tell
WITHOUT_P, WITH_P = 0.5, -6.0  # what it adds to the log-odds
N_SEEN = 10  # beats looked at before it tells anything
FEATURES = (
    "rmssd",
    "median_difference",
    "upper_difference",
    "entropy",
    "small_differences",
    "turning_points",
    "order_2",
    "order_3",
    "mode",
    "early_late",
    "rate",
    "autocorrelation",
    "range",
    "quartiles",
    "rmssd_late",
)
N_FEATURES = len(FEATURES)
MODEL = forest.sieve(forest.load("af"))

STATE = np.dtype(
    [
        ("t", "f8", (N_WINDOW,)),  # of the beats, oldest first; NaN-free
        ("interval_s", "f8", (N_WINDOW,)),  # before them; NaN where it is not one between two normal beats
        ("n", "i8"),
        ("on", "i8"),
        ("onset", "f8"),
        ("end", "f8"),
        ("log_odds", "f8"),  # smoothed
        ("p_share", "f8"),  # of the last beats that have a P wave, smoothed
        ("n_seen", "i8"),  # beats looked at for one
        ("x", "f8", (N_FEATURES,)),
        ("scratch", "f8", (N_WINDOW,)),
        ("leaves", "u2", (forest.MOST_TREES,)),  # scratch
    ],
    align=True,
)


@kernel
def begin(state: np.void) -> None:
    """Forget the beats."""
    state["n"] = 0
    state["on"] = 0
    state["log_odds"] = np.nan
    state["p_share"] = 0.0
    state["n_seen"] = 0


@kernel
def distance(rr: NDArray[np.float64], n: int, lag: int, scratch: NDArray[np.float64]) -> int:
    """Collect how far intervals lie from those `lag` places before; returns how many there are."""
    m = 0
    for i in range(lag, n):
        d = abs(rr[i] - rr[i - lag])
        if d == d:
            scratch[m] = d
            m += 1
    return m


@kernel
def measure(rr: NDArray[np.float64], n: int, scratch: NDArray[np.float64], x: NDArray[np.float64]) -> bool:
    """Measure the FEATURES of a window of n intervals; False where too few of them are known.

    rr      : oldest first, NaN where an interval is not known
    scratch : as long as rr
    """
    m = 0
    total = 0.0
    for i in range(n):
        if rr[i] == rr[i]:
            total += rr[i]
            m += 1
    if m < N_LEAST:
        return False
    mean = total / m
    n_pairs = n_late = n_turns = turns = early = 0
    squares = late = product = power = small = previous = 0.0
    follows = False
    for i in range(n):
        if rr[i] != rr[i]:
            follows = False
            continue
        power += (rr[i] - mean) ** 2
        if i == 0 or rr[i - 1] != rr[i - 1]:
            continue
        d = (rr[i] - rr[i - 1]) / mean
        square = min(d * d, 1.0)
        n_pairs += 1
        squares += square
        small += abs(d) < 0.05
        product += (rr[i] - mean) * (rr[i - 1] - mean)
        if 2 * i >= n:
            late += square
            n_late += 1
        if follows:
            n_turns += 1
            turns += (d > 0.0) != (previous > 0.0)
            early += previous < -0.1 and d > 0.1
        previous = d
        follows = True
    if n_pairs < N_LEAST // 2 or n_turns == 0:
        return False
    x[0] = math.sqrt(squares / n_pairs)
    k = distance(rr, n, 1, scratch)
    middle = pick(scratch, k, k // 2) / mean
    x[1] = middle
    x[2] = pick(scratch, k, 3 * k // 4) / mean
    x[4] = small / n_pairs
    x[5] = turns / n_turns
    for lag in range(2, 4):
        k = distance(rr, n, lag, scratch)
        x[4 + lag] = pick(scratch, k, k // 2) / mean / (middle + 0.01) if k > 4 else 1.0
    x[9] = early / n_turns
    x[10] = 60.0 / mean
    x[11] = product / (power + 1e-9) * m / n_pairs
    x[14] = math.sqrt(late / n_late) if n_late > 0 else x[0]
    near, usual = 0.08 * mean, 0.05 * mean
    alike = alike_next = most = 0
    for i in range(n):
        mine = 0
        for j in range(n):
            mine += abs(rr[i] - rr[j]) < usual
        most = max(most, mine)
    for i in range(n - 1):
        for j in range(i + 1, n - 1):
            close = abs(rr[i] - rr[j]) < near
            apart = abs(rr[i + 1] - rr[j + 1])
            alike += close & (apart == apart)
            alike_next += close & (apart < near)
    x[3] = -math.log((alike_next + 0.5) / (alike + 1.0))
    x[8] = most / m
    k = 0
    for i in range(n):
        if rr[i] == rr[i]:
            scratch[k] = rr[i]
            k += 1
    x[12] = (pick(scratch, k, 9 * k // 10) - pick(scratch, k, k // 10)) / mean
    x[13] = (pick(scratch, k, 3 * k // 4) - pick(scratch, k, k // 4)) / mean
    return True


@kernel
def see(state: np.void, has_p: bool) -> None:
    """Take whether a beat has a P wave."""
    state["n_seen"] += 1
    state["p_share"] += max(FOLLOW_P, 1.0 / state["n_seen"]) * ((1.0 if has_p else 0.0) - state["p_share"])


@kernel
def told_by_p(state: np.void) -> float:
    """Give what the P waves add to the log-odds."""
    if state["n_seen"] < N_SEEN:
        return 0.0
    share: float = state["p_share"]
    if share < NO_P:
        return WITHOUT_P
    return WITH_P * min(1.0, max(0.0, (share - SOME_P) / (MANY_P - SOME_P)))


@kernel
def beat(state: np.void, t: float, interval_s: float) -> None:
    """Take a beat and judge the window that it ends: sets `on`, and `onset` or `end` where that has turned.

    interval_s : before the beat; NaN where it is not one between two beats of the usual way through the heart
    """
    n: int = state["n"]
    if n == N_WINDOW:
        for k in range(N_WINDOW - 1):
            state["t"][k] = state["t"][k + 1]
            state["interval_s"][k] = state["interval_s"][k + 1]
        n -= 1
    state["t"][n] = t
    state["interval_s"][n] = interval_s
    n += 1
    state["n"] = n
    if not measure(state["interval_s"], n, state["scratch"], state["x"]):
        return
    forest.sift(MODEL, state["x"], state["leaves"])
    odds = forest.total(MODEL, state["leaves"], 0) + told_by_p(state)
    if state["log_odds"] == state["log_odds"]:
        odds = state["log_odds"] + FOLLOW * (odds - state["log_odds"])
    state["log_odds"] = odds
    if state["on"] == 0 and odds > BEGIN:
        state["on"] = 1
        state["onset"] = state["t"][n // 2 - DELAY] if n == N_WINDOW else state["t"][0]
    elif state["on"] == 1 and odds < END:
        state["on"] = 0
        state["end"] = state["t"][n // 2 - DELAY]
