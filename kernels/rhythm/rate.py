"""Heart and pulse rate from beat intervals, the way bedside monitors average them."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel

N_INTERVALS = 12
N_SLOW = 3  # intervals averaged when the heart is slow
SLOW_S = 1.2  # three in a row longer than this: slow
SHORTEST_S, LONGEST_S = 0.15, 4.5  # 400 and 13.3 /min: what is outside is no interval between two neighbouring beats
STALE_S = 5.0  # a rate older than this says nothing about now

# Zeros are an empty memory.
RATE = np.dtype(
    [
        ("intervals_s", "f8", (N_INTERVALS,)),  # ring
        ("n", "i8"),  # intervals held
        ("at", "i8"),  # where the next one goes
    ],
    align=True,
)

WINDOW = np.dtype([("n", "i8"), ("first", "i8")], align=True)  # intervals held, where the oldest is


@kernel
def clear(state: np.void) -> None:
    """Forget every interval, as after a gap."""
    state["n"] = 0
    state["at"] = 0


@kernel
def add(state: np.void, interval_s: float) -> None:
    """Take one interval; an unknown (NaN) one, or one too long or short to join two neighbours, begins anew."""
    if not (SHORTEST_S <= interval_s <= LONGEST_S):
        state["n"] = 0
        state["at"] = 0
        return
    at = state["at"]
    state["intervals_s"][at] = interval_s
    state["at"] = at + 1 if at + 1 < N_INTERVALS else 0
    if state["n"] < N_INTERVALS:
        state["n"] += 1


@kernel
def back(state: np.void, k: int) -> float:
    """Give the interval k places before the newest (k = 0), which must be held."""
    at = state["at"] - 1 - k
    interval_s: float = state["intervals_s"][at if at >= 0 else at + N_INTERVALS]
    return interval_s


@kernel
def instant(state: np.void, age_s: float) -> float:
    """Give the rate of the newest interval per minute; NaN where there is none or the last beat is too old.

    age_s : time since the last beat
    """
    if state["n"] == 0 or not (age_s <= STALE_S):
        return np.nan
    return 60.0 / back(state, 0)


@kernel
def averaged(state: np.void, age_s: float) -> float:
    """Give the monitor's average per minute; NaN where there is no interval or the last beat is too old.

    age_s : time since the last beat

    The largest and the smallest of the last 12 intervals are dropped and the rest averaged (of fewer, while fewer than
    12 are held; of one or two, none is dropped). Where the last three are each longer than 1,200 ms, those are averaged
    instead: a heart that has become slow is shown as such after three beats.

    Source: the averaging rules that monitors' manuals disclose under IEC 60601-2-27, 201.7.9.2.9.101 b) 3), where four
    slow intervals are averaged.
    """
    n: int = state["n"]
    if n == 0 or not (age_s <= STALE_S):
        return np.nan
    slow = n >= 3
    for k in range(min(n, 3)):
        slow = slow and back(state, k) > SLOW_S
    used = min(n, N_SLOW) if slow else n
    total, least, most = 0.0, np.inf, 0.0
    for k in range(used):
        interval_s = back(state, k)
        total += interval_s
        least = min(least, interval_s)
        most = max(most, interval_s)
    if not slow and used >= 3:
        total = total - least - most
        used -= 2
    return 60.0 * used / total


@kernel
def step(state: np.void, intervals_s: NDArray[np.float64], out: NDArray[np.float64]) -> int:
    """Follow a series of intervals: after each, the instantaneous and the averaged rate.

    intervals_s : [n], NaN where the beat before is not known
    out         : per minute, [n, 2]
    """
    n = len(intervals_s)
    for i in range(n):
        add(state, intervals_s[i])
        out[i, 0] = instant(state, 0.0)
        out[i, 1] = averaged(state, 0.0)
    return n


@kernel
def window(
    params: np.void, state: np.void, ring: NDArray[np.float64], x: NDArray[np.void], out: NDArray[np.void]
) -> int:
    """Follow beats among findings: after each, the mean rate over the whole intervals of the last window_s seconds.

    params : window_s
    state  : one row of WINDOW
    ring   : intervals in s, longer than window_s / SHORTEST_S
    x      : FINDING rows; what is no beat is passed over
    out    : one feature a beat; NaN where the interval before it is not known
    """
    n_ring = ring.shape[0]
    n = 0
    for i in range(x.shape[0]):
        beat = x[i]
        if beat["what"] != finding.BEAT or beat["code"] != codes.HEART_BEAT:
            continue
        interval_s = beat["body"][finding.INTERVAL_S]
        if not (interval_s >= SHORTEST_S):
            state["n"] = 0
        else:
            ring[(state["first"] + state["n"]) % n_ring] = interval_s
            state["n"] += 1
        total = 0.0
        kept = 0
        for k in range(state["n"] - 1, -1, -1):
            more = total + ring[(state["first"] + k) % n_ring]
            if more > params["window_s"] and kept > 0:
                break
            total = more
            kept += 1
        state["first"] = (state["first"] + state["n"] - kept) % n_ring
        state["n"] = kept
        row = out[n]
        row["slot"] = 0
        row["what"] = finding.FEATURE
        row["code"] = codes.HEART_RATE
        row["channel"] = -1
        row["t"] = beat["t"]
        row["t_known"] = beat["t_known"]
        row["quality"] = beat["quality"]
        row["reasons"] = beat["reasons"] if kept > 0 else beat["reasons"] | codes.TOO_FEW_BEATS
        row["body"][:] = np.nan
        row["body"][finding.VALUE] = 60.0 * kept / total if kept > 0 else np.nan
        row["body"][finding.WINDOW_S] = params["window_s"]
        n += 1
    return n
