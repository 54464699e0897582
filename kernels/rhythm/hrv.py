"""Heart rate variability of the last five minutes, from the intervals between normal beats.

Each interval that counts stands in sums for every frequency. Their summands are multiples of 2^-40, so that the sums
are exact: an interval that leaves the window takes away what it brought, and nothing drifts.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.core.order import median

WINDOW_S = 300.0
EVERY_S = 10
N_RING = 1024  # beats: five minutes up to 204 /min; the window of a faster heart is shorter
N_RECENT = 9  # intervals whose median an interval is held against
SHORTEST_S, LONGEST_S = 0.25, 2.5
ODD = 0.3  # part of that median by which the interval between neighbouring normal beats does not differ from it
SOUND = 0.5  # least quality of a beat
LEAST_S, LEAST_SHARE = 60.0, 0.5  # normal intervals for the time domain, and their share of the window
LEAST_SPECTRUM_S = 240.0  # normal intervals for the spectrum

FIRST, BETWEEN, LAST = 12, 45, 120  # LF and HF: 0.04 to 0.15 to 0.4 Hz, in turns a window
N_FREQ = LAST - FIRST + 1
EXACT = 1.5 * 2.0**12  # added and taken away it leaves a multiple of 2^-40

# What an interval is. Those from ECTOPIC on are left out.
NONE, NORMAL, ECTOPIC, IRREGULAR, POOR, UNKNOWN = 0, 1, 2, 3, 4, 5  # NONE: before the first beat
N_KINDS = 6
N_FEATURES = 8

PARAMS = np.dtype([("fs_hz", "f8"), ("unclassified", "i8")], align=True)  # 1: beats without a class count as normal

# Zeros are an empty memory.
STATE = np.dtype(
    [
        ("t", "f8", (N_RING,)),  # ring of beats, samples
        ("kind", "i1", (N_RING,)),  # of the interval before each
        ("oldest", "i8"),  # of the window, counted in beats since the stream began
        ("n", "i8"),  # beats since the stream began
        ("begun", "f8"),  # first beat
        ("sound", "i8"),  # the newest beat is
        ("normal", "i8"),  # so is its class
        ("fibrillation", "i8"),  # lasts
        ("tens", "i8"),  # EVERY_S that have gone
        ("n_recent", "i8"),
        ("recent_s", "f8", (N_RECENT,)),
        ("n_kind", "i8", (N_KINDS,)),  # of the window
        ("covered_s", "f8"),  # sum of the normal intervals
        # for each frequency: cos, sin, cos and sin of twice the angle, interval * cos, interval * sin
        ("sums", "f8", (6, N_FREQ)),
        ("turned", "f8", (2, N_FREQ)),  # cos and sin of one interval
        ("values", "f8", (N_FEATURES,)),  # as they are told
    ],
    align=True,
)


@kernel
def turn(angle: float, cos: NDArray[np.float64], sin: NDArray[np.float64]) -> None:
    """Give cos and sin of FIRST to LAST times the angle: each is an earlier one turned on."""
    c1, s1 = math.cos(angle), math.sin(angle)
    c2, s2 = c1 * c1 - s1 * s1, 2.0 * s1 * c1
    c4, s4 = c2 * c2 - s2 * s2, 2.0 * s2 * c2
    c8, s8 = c4 * c4 - s4 * s4, 2.0 * s4 * c4
    cos[0], sin[0] = c8 * c4 - s8 * s4, s8 * c4 + c8 * s4
    for i in range(7):
        cos[i + 1] = cos[i] * c1 - sin[i] * s1
        sin[i + 1] = sin[i] * c1 + cos[i] * s1
    for i in range(N_FREQ - 8):
        cos[i + 8] = cos[i] * c8 - sin[i] * s8
        sin[i + 8] = sin[i] * c8 + cos[i] * s8


@kernel
def add(
    sums: NDArray[np.float64], cos: NDArray[np.float64], sin: NDArray[np.float64], sign: float, interval_s: float
) -> None:
    """Add an interval to the sums of all frequencies; sign -1 takes it away again."""
    a, b, c, d, e, f = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    y = sign * interval_s
    for i in range(N_FREQ):
        a[i] += (sign * cos[i] + EXACT) - EXACT
        b[i] += (sign * sin[i] + EXACT) - EXACT
        c[i] += (sign * (cos[i] * cos[i] - sin[i] * sin[i]) + EXACT) - EXACT
        d[i] += (sign * (2.0 * sin[i] * cos[i]) + EXACT) - EXACT
        e[i] += (y * cos[i] + EXACT) - EXACT
        f[i] += (y * sin[i] + EXACT) - EXACT


@kernel
def move(params: np.void, state: np.void, k: int, kind: int) -> None:
    """Make the interval before beat k another kind, and let the sums know."""
    place = k % N_RING
    old = state["kind"][place]
    state["kind"][place] = kind
    state["n_kind"][old] -= 1
    state["n_kind"][kind] += 1
    if old != NORMAL and kind != NORMAL:
        return
    t = state["t"][place]
    span = WINDOW_S * params["fs_hz"]
    cos, sin = state["turned"][0], state["turned"][1]
    turn(2.0 * math.pi * (t % span / span), cos, sin)
    interval_s = (t - state["t"][(k - 1) % N_RING]) / params["fs_hz"]
    sign = 1.0 if kind == NORMAL else -1.0
    state["covered_s"] += (sign * interval_s + EXACT) - EXACT
    add(state["sums"], cos, sin, sign, interval_s)


@kernel
def beat(params: np.void, state: np.void, t: float, interval_s: float, label: float, quality: float) -> None:
    """Take a beat, the next in time.

    t          : of its R peak, samples
    interval_s : from the beat before; NaN where that is not known
    label      : class, as the code point of its letter
    """
    sound = quality >= SOUND
    normal = label == 78.0 or (params["unclassified"] == 1 and label == 81.0)  # N, Q
    kind = NORMAL
    if state["n"] == 0:
        kind = NONE
        state["begun"] = t
    elif interval_s != interval_s:
        kind = UNKNOWN
    elif not (sound and state["sound"] == 1):
        kind = POOR
    elif not (normal and state["normal"] == 1):
        kind = ECTOPIC
    elif not (SHORTEST_S <= interval_s <= LONGEST_S) or state["fibrillation"] == 1:
        kind = IRREGULAR
    else:
        state["recent_s"][state["n_recent"] % N_RECENT] = interval_s
        state["n_recent"] += 1
        usual_s = median(state["recent_s"], min(state["n_recent"], N_RECENT))
        if abs(interval_s - usual_s) > ODD * usual_s:
            kind = IRREGULAR
    state["sound"], state["normal"] = int(sound), int(normal)
    if state["n"] - state["oldest"] == N_RING - 1:  # the beat before the oldest stays too
        forget(params, state)
    place = state["n"] % N_RING
    state["t"][place] = t
    state["kind"][place] = NONE
    state["n"] += 1
    move(params, state, state["n"] - 1, kind)


@kernel
def forget(params: np.void, state: np.void) -> None:
    """Let the oldest beat leave the window."""
    move(params, state, state["oldest"], NONE)
    state["oldest"] += 1


@kernel
def fibrillate(params: np.void, state: np.void, onset: float) -> None:
    """Take out what was taken for normal since atrial fibrillation began; until it has ended nothing is normal."""
    state["fibrillation"] = 1
    k = state["n"] - 1
    while k >= state["oldest"] and state["t"][k % N_RING] >= onset:
        if state["kind"][k % N_RING] == NORMAL:
            move(params, state, k, IRREGULAR)
        k -= 1


@kernel
def series(params: np.void, state: np.void, values: NDArray[np.float64]) -> None:
    """Compute SDNN, RMSSD, SD1 and SD2 in ms and pNN50 in %; NaN where there are no two pairs of intervals.

    Successive differences are those of neighbouring normal intervals. SD1 and SD2 are the standard deviations of the
    points (interval, next interval) across and along the diagonal. pNN50 is over the number of intervals: that of the
    differences and one.

    Source: Task Force of the ESC and NASPE, Circulation 93, 1996, table 1; Brennan et al., IEEE TBME 48, 2001, eq. 7.
    """
    kind, times = state["kind"], state["t"]
    n = state["n"] - state["oldest"]
    first = (state["oldest"] - 1) % N_RING  # the beat before the oldest
    mean = state["covered_s"] * params["fs_hz"] / state["n_kind"][NORMAL]
    longer = 0.05 * params["fs_hz"]
    n_pairs = n_longer = 0
    spread = squares = drift = total = along = 0.0
    for again in range(2):  # means, then deviations from them
        mean_of_pairs = total / n_pairs if again == 1 else 0.0
        place = first
        t = times[place]
        before = np.nan
        for _ in range(n):
            place = place + 1 if place + 1 < N_RING else 0
            x = times[place] - t
            t = times[place]
            if kind[place] != NORMAL:
                x = np.nan
            elif again == 1:
                spread += (x - mean) * (x - mean)
                if before == before:
                    along += (x + before - mean_of_pairs) * (x + before - mean_of_pairs)
            elif before == before:
                n_pairs += 1
                total += x + before
                drift += x - before
                squares += (x - before) * (x - before)
                n_longer += abs(x - before) > longer
            before = x
        if n_pairs < 2:
            values[:] = np.nan
            return
    across = max(0.0, squares - drift * drift / n_pairs)
    ms = 1000.0 / params["fs_hz"]
    values[0] = ms * math.sqrt(spread / (state["n_kind"][NORMAL] - 1))
    values[1] = ms * math.sqrt(squares / n_pairs)
    values[2] = 100.0 * n_longer / (n_pairs + 1)
    values[3] = ms * math.sqrt(0.5 * across / (n_pairs - 1))
    values[4] = ms * math.sqrt(0.5 * along / (n_pairs - 1))


@kernel
def spectrum(state: np.void, n: int, mean_s: float, values: NDArray[np.float64]) -> None:
    """Compute LF and HF power in ms^2 and their ratio from the sums of n intervals with a mean.

    The Lomb-Scargle periodogram with a floating mean, P = (S Yc^2 + C Ys^2 - 2 X Yc Ys) / (2 (C S - X^2)), with C, S
    and X the sums of cos^2, sin^2 and cos sin, Yc and Ys those of interval * cos and * sin, each about the means, times
    2 mean_s is the one-sided power density: its integral over all frequencies is the variance. The trapezoidal rule
    gives the bands; what lies above half the mean rate mirrors what lies below and is not counted.

    Source: Zechmeister and Kuerster, Astronomy and Astrophysics 496, 2009, eqs. 4 to 15.
    """
    sums = state["sums"]
    low = high = 0.0
    for i in range(N_FREQ):
        if 2.0 * mean_s * (FIRST + i) >= WINDOW_S:
            break
        c, s = sums[0, i], sums[1, i]
        cc = 0.5 * (n + sums[2, i]) - c * c / n
        ss = 0.5 * (n - sums[2, i]) - s * s / n
        cs = 0.5 * sums[3, i] - c * s / n
        yc = sums[4, i] - mean_s * c
        ys = sums[5, i] - mean_s * s
        power = (ss * yc * yc + cc * ys * ys - 2.0 * cs * yc * ys) / (cc * ss - cs * cs)
        if i < BETWEEN - FIRST:
            low += power if i > 0 else 0.5 * power
        elif i == BETWEEN - FIRST:
            low += 0.5 * power
            high += 0.5 * power
        else:
            high += power if i < N_FREQ - 1 else 0.5 * power
    scale = 1e6 * mean_s / WINDOW_S
    values[0] = scale * low
    values[1] = scale * high
    values[2] = low / high


@kernel
def tell(params: np.void, state: np.void, t: float, t_known: float, out: NDArray[np.void], n: int) -> int:
    """Say the features about the window that ends at t; returns the number of findings so far.

    The time domain needs LEAST_S of normal intervals and LEAST_SHARE of the window, the spectrum LEAST_SPECTRUM_S; in
    atrial fibrillation there is neither.
    """
    fs_hz = params["fs_hz"]
    begin = t - WINDOW_S * fs_hz
    while state["oldest"] < state["n"] and state["t"][state["oldest"] % N_RING] <= begin:
        forget(params, state)
    covered_s = state["covered_s"]
    window_s = WINDOW_S if state["n"] == 0 else min(WINDOW_S, (t - state["begun"]) / fs_hz)
    n_kind = state["n_kind"]
    n_left_out = n_kind[ECTOPIC] + n_kind[IRREGULAR] + n_kind[POOR] + n_kind[UNKNOWN]
    reasons = 0
    if n_kind[ECTOPIC] > 0:
        reasons |= codes.ECTOPY
    if n_kind[IRREGULAR] > 0:
        reasons |= codes.IRREGULAR
    if n_kind[POOR] > 0:
        reasons |= codes.NOISE
    if n_kind[UNKNOWN] > 0:
        reasons |= codes.MISSING
    values = state["values"]
    values[:] = np.nan
    if state["fibrillation"] == 1:
        reasons |= codes.IRREGULAR
    elif covered_s >= LEAST_S and covered_s >= LEAST_SHARE * window_s:
        series(params, state, values[:5])
        if covered_s >= LEAST_SPECTRUM_S:
            spectrum(state, n_kind[NORMAL], covered_s / n_kind[NORMAL], values[5:])
    for i in range(N_FEATURES):
        row = out[n + i]
        row["slot"] = 0
        row["what"] = finding.FEATURE
        row["code"] = codes.HRV_SDNN + i
        row["channel"] = -1
        row["t"] = t
        row["t_known"] = t_known
        row["quality"] = min(1.0, covered_s / window_s) if window_s > 0.0 else 0.0
        row["reasons"] = reasons if values[i] == values[i] else reasons | codes.TOO_FEW_BEATS
        row["body"][:] = np.nan
        row["body"][finding.VALUE] = values[i]
        row["body"][finding.WINDOW_S] = window_s
        row["body"][finding.N_USED] = n_kind[NORMAL]
        row["body"][finding.N_LEFT_OUT] = n_left_out
    return n + N_FEATURES


@kernel
def step(params: np.void, state: np.void, x: NDArray[np.void], out: NDArray[np.void]) -> int:
    """Follow beats and episodes of atrial fibrillation among findings: all features with the first beat of EVERY_S.

    params : one row of PARAMS
    state  : one row of STATE
    x      : FINDING rows
    out    : N_FEATURES a beat at most
    """
    n = 0
    for i in range(x.shape[0]):
        row = x[i]
        if row["what"] == finding.EVENT and row["code"] == codes.ATRIAL_FIBRILLATION:
            if row["body"][finding.T_END] == row["body"][finding.T_END]:
                state["fibrillation"] = 0
            else:
                fibrillate(params, state, row["t"])
        if row["what"] != finding.BEAT or row["code"] != codes.HEART_BEAT:
            continue
        body = row["body"]
        beat(params, state, row["t"], body[finding.INTERVAL_S], body[finding.LABEL], row["quality"])
        tens = int(row["t_known"] // (EVERY_S * params["fs_hz"]))
        if tens > state["tens"]:
            state["tens"] = tens
            n = tell(params, state, row["t"], row["t_known"], out, n)
    return n
