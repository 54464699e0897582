"""Ventricular fibrillation, flutter and fast tachycardia by the shape of the waves alone, once a second.

The last four seconds of each lead are measured: a heart that beats in order comes to rest between its complexes, these
rhythms don't. A forest tells them from artefacts and from order; regularity and rate tell them from each other.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.leads import tape
from vitalcore.kernels.models import forest
from vitalcore.kernels.qrs import energy

N_WINDOW = 500
STEP_S = 0.008
MOST_LEADS = 3  # measured, of those that are usable
FEATURES = (
    "amplitude",
    "far_from_zero",
    "rest",
    "kurtosis",
    "period_s",
    "periodicity",
    "leakage",
    "mobility",
    "complexity",
    "crossings",
    "plane",
    "weakest_part",
    "skewness",
    "steepness",
    "periodicity_2",
    "parts_differ",
    "bend",
    "steep_time",
    "baseline",
    "jitter",
)
N_FEATURES = len(FEATURES)
REST, PERIOD, PERIODICITY = 2, 4, 5
ORDERED = 0.8  # rest from which a lead is not looked at more closely
CALM = -4.0  # log-odds that such a lead is given
N_BACK = 60  # half of the window over which the baseline is averaged
N_PARTS = 8
FIRST_LAG, LAST_LAG = 3, 64  # of every second sample: 48 ms to 1.02 s
MULTIPLE = 1.15  # so much better must a longer period be: the double of a period fits as well
PLANE, PLANE_LAG = 16, 62
FOLLOW = 0.4  # how much of a new judgement enters the smoothed log-odds
BEGIN, END = 1.0, -0.5  # smoothed log-odds at which an episode begins and ends
REGULAR = 0.65  # periodicity from which waves are a tachycardia or flutter
FLUTTER_S = 0.25  # period below which regular waves are flutter
FLUTTER, SURE = 0.1, 0.1  # what flutter adds to irregularity, and what turns one into the other
ABOVE = 1.6  # regular beats so much slower than the waves go on beneath them: an artefact
SILENT_MV = 0.04  # a lead whose waves are smaller has no say
SLOW_S = 0.5  # period from which regular waves are left to the judgement of their beats
BEGUN_S, ENDED_S = 4.0, 3.0  # an episode is seen so much later than it begins or ends
MODEL = forest.sieve(forest.load("fibrillation"))

STATE = np.dtype(
    [
        ("x", "f8", (N_WINDOW,)),  # scratch
        ("y", "f8", (N_WINDOW,)),
        ("plane", "i8", (PLANE * PLANE,)),
        ("features", "f8", (N_FEATURES,)),
        ("leaves", "u2", (forest.MOST_TREES,)),  # scratch
        ("log_odds", "f8"),  # smoothed
        ("irregular", "f8"),  # smoothed: above 0 fibrillation or flutter, below tachycardia
        ("code", "i8"),  # of what is going on, or 0
        ("t", "f8"),  # its onset, or the end of the last
        ("period_s", "f8"),  # of the waves
    ],
    align=True,
)


@kernel
def begin(state: np.void) -> None:
    """Make zeros a fresh memory."""
    state["log_odds"] = CALM
    state["irregular"] = 0.0
    state["code"] = 0


@kernel
def level(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Take away baseline and mean, and smooth: y from x; returns how rough x was."""
    n = len(x)
    total = 0.0
    held = 0
    for i in range(min(N_BACK + 1, n)):
        total += x[i]
        held += 1
    for i in range(n):
        y[i] = x[i] - total / held
        if i + N_BACK + 1 < n:
            total += x[i + N_BACK + 1]
            held += 1
        if i >= N_BACK:
            total -= x[i - N_BACK]
            held -= 1
    rough = mean = 0.0
    before = y[0]
    for i in range(1, n - 1):
        v = y[i]
        y[i] = (before + v + y[i + 1]) / 3.0
        rough += abs(v - y[i])
        before = v
        mean += y[i]
    mean = (mean + y[0] + y[n - 1]) / n
    for i in range(n):
        y[i] -= mean
    return rough


@kernel
def correlation(y: NDArray[np.float64], lag: int) -> float:
    """Sum up the products of every second sample with the one `lag` such steps later, as if there were all of them."""
    n = len(y) // 2
    even = odd = 0.0
    for i in range(0, n - lag - 1, 2):
        even += y[2 * i] * y[2 * (i + lag)]
        odd += y[2 * i + 2] * y[2 * (i + lag) + 2]
    m = (n - lag) // 2 * 2
    return (even + odd) * n / m


@kernel
def multiply(z: NDArray[np.float64], n: int, first: int, sums: NDArray[np.float64]) -> None:
    """Sum up the products of every second value with each of those that follow; beyond the n values are zeros.

    first : value to begin with
    sums  : of each lag
    """
    sums[:] = 0.0
    n_lags = sums.shape[0]
    i = first
    while i + 6 < n:  # four at a time, in their order
        a, b, c, d = z[i : i + n_lags], z[i + 2 : i + 2 + n_lags], z[i + 4 : i + 4 + n_lags], z[i + 6 : i + 6 + n_lags]
        v, w, x, y = a[0], b[0], c[0], d[0]
        for lag in range(n_lags):
            sums[lag] = sums[lag] + v * a[lag] + w * b[lag] + x * c[lag] + y * d[lag]
        i += 8
    while i < n:
        a = z[i : i + n_lags]
        v = a[0]
        for lag in range(n_lags):
            sums[lag] += v * a[lag]
        i += 2


@kernel
def correlate(y: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Give what `correlation` does for each lag below LAST_LAG.

    out : begins with it; as long as y, the rest is scratch
    """
    n = len(y) // 2
    even, odd, z = out[:LAST_LAG], out[LAST_LAG : 2 * LAST_LAG], out[2 * LAST_LAG : 3 * LAST_LAG + n]
    for i in range(n):
        z[i] = y[2 * i]
    z[n:] = 0.0
    multiply(z, n, 1, odd)
    z[n - 1] = 0.0  # the pair of its own that it lacks is not counted
    multiply(z, n, 0, even)
    for lag in range(LAST_LAG):
        even[lag] = (even[lag] + odd[lag]) * n / ((n - lag) // 2 * 2)


@kernel
def measure(
    x: NDArray[np.float64], y: NDArray[np.float64], plane: NDArray[np.int64], closely: bool, out: NDArray[np.float64]
) -> bool:
    """Measure the FEATURES of N_WINDOW samples, STEP_S apart; False where the lead comes to rest as order does.

    x        : overwritten in the end
    closely  : go on even then
    y, plane : scratch
    """
    n = len(x)
    rough = level(x, y)
    out[:] = 0.0
    steepest = 0.0
    for i in range(1, n):
        steepest = max(steepest, abs(y[i] - y[i - 1]))
    if steepest < 1e-6:
        out[REST] = 1.0
        return False
    n_rest, n_steep = 1, 0
    for i in range(1, n):
        move = abs(y[i] - y[i - 1])
        n_rest += move < 0.08 * steepest
        n_steep += move > 0.4 * steepest
    out[REST] = n_rest / n
    if n_rest > ORDERED * n and not closely:
        return False
    high, low = y[0], y[0]
    size = way = squares = cubes = fourths = slopes = bends = drift = 0.0
    crossings = 0
    slope = 0.0
    for i in range(n):
        v = y[i]
        high, low = max(high, v), min(low, v)
        size += abs(v)
        drift += abs(x[i] - v)
        squares += v * v
        cubes += v * v * v
        fourths += v * v * v * v
        if i > 0:
            move = v - y[i - 1]
            way += abs(move)
            slopes += move * move
            bends += (move - slope) ** 2
            crossings += (v > 0.0) != (y[i - 1] > 0.0)
            slope = move
    far = max(high, -low)
    n_far = 0
    for i in range(n):
        n_far += abs(y[i]) > 0.2 * far
    out[1] = n_far / n
    out[17] = n_steep / n
    mean_span = square_span = most_span = 0.0
    least_span = high - low
    for part in range(N_PARTS):
        top, bottom = y[part * n // N_PARTS], y[part * n // N_PARTS]
        for i in range(part * n // N_PARTS, (part + 1) * n // N_PARTS):
            top, bottom = max(top, y[i]), min(bottom, y[i])
        span = top - bottom
        mean_span += span / N_PARTS
        square_span += span * span / N_PARTS
        least_span, most_span = min(least_span, span), max(most_span, span)
    out[0] = math.log(mean_span + 0.001)
    out[11] = least_span / most_span
    out[15] = math.sqrt(max(0.0, square_span - mean_span * mean_span)) / mean_span
    variance = squares / n
    out[3] = math.log(fourths / n / (variance * variance))
    out[12] = abs(cubes / n) / variance**1.5
    half = max(1, min(n // 4, int(math.pi * size / way + 0.5)))
    together = apart = 0.0
    for i in range(half, n):
        together += abs(y[i] + y[i - half])
        apart += abs(y[i]) + abs(y[i - half])
    out[6] = together / apart
    mobility = math.sqrt(slopes / squares)
    out[7] = mobility / (2.0 * math.pi * STEP_S)
    out[16] = math.sqrt(bends / slopes)
    out[8] = out[16] / mobility
    out[9] = crossings / (n * STEP_S)
    out[13] = math.log(steepest / STEP_S / (high - low))
    out[18] = math.log((drift / n + 0.001) / (size / n + 0.001))
    out[19] = rough / size
    correlate(y, x)
    power = x[0]
    best = 0.0
    best_lag = 0
    falling = True
    last = power
    for lag in range(FIRST_LAG, LAST_LAG):
        now = x[lag]
        if falling and now > last:
            falling = False
        if not falling and now > best * (MULTIPLE if 2 * lag > 3 * best_lag else 1.0):
            best = now
            best_lag = lag
        last = now
    out[PERIOD] = best_lag * 2.0 * STEP_S
    out[PERIODICITY] = best / power
    if best_lag > 0 and 2 * best_lag < n // 2 - 20:
        out[14] = correlation(y, 2 * best_lag) / power
    plane[:] = 0
    per_mv = (PLANE - 0.001) / (high - low)
    filled = 0
    for i in range(PLANE_LAG, n):
        cell = PLANE * int((y[i] - low) * per_mv) + int((y[i - PLANE_LAG] - low) * per_mv)
        filled += plane[cell] == 0
        plane[cell] = 1
    out[10] = filled / (PLANE * PLANE)
    return True


@kernel
def judge(state: np.void, q: np.void, tapes: np.void, buffer: NDArray[np.float64], now: int, beat_s: float) -> None:
    """End the second with sample `now`: sets `code` and `t`.

    q, tapes : parameters of the energy, and of the tapes
    beat_s   : the interval of beats that come very regularly, NaN where they don't
    """
    x, features = state["x"], state["features"]
    step = STEP_S * q["fs_hz"]
    first = now + 1 - (N_WINDOW - 1) * step - 4 * tapes["block"]
    odds = irregular = period_s = 0.0
    n = n_waves = 0
    for c in range(q["n_leads"]):
        usable = buffer[c * q["stride"] + energy.USABLE] > 0.0
        if n == MOST_LEADS or not usable or not tape.snip(tapes, buffer, c, now + 1, first, step, x):
            continue
        n += 1
        if not measure(x, state["y"], state["plane"], False, features) or features[0] < math.log(SILENT_MV):
            odds += CALM
            continue
        period = features[PERIOD]
        if beat_s > ABOVE * period:
            odds += CALM
            continue
        forest.sift(MODEL, features, state["leaves"])
        odds += forest.total(MODEL, state["leaves"], 0)
        n_waves += 1
        irregular += FLUTTER if period < FLUTTER_S else REGULAR - features[PERIODICITY]
        period_s += period
    state["log_odds"] += FOLLOW * ((odds / n if n > 0 else CALM) - state["log_odds"])
    if n_waves > 0:
        state["irregular"] += FOLLOW * (irregular / n_waves - state["irregular"])
        state["period_s"] = period_s / n_waves
    before = state["code"]
    code = 0
    if state["log_odds"] > (BEGIN if before == 0 else END):
        turned = (
            state["irregular"]
            if before == 0
            else state["irregular"] + (SURE if before == codes.VENTRICULAR_FIBRILLATION else -SURE)
        )
        if turned > 0.0:
            code = codes.VENTRICULAR_FIBRILLATION
        elif state["period_s"] < SLOW_S:
            code = codes.VENTRICULAR_TACHYCARDIA
    if code != before:
        state["code"] = code
        state["t"] = now - (ENDED_S if before != 0 else BEGUN_S) * q["fs_hz"]
