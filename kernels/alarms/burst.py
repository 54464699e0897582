"""Bursts: runs of beats that begin at once, much faster than before, and of another shape.

A ventricular tachycardia begins so, whatever its beats are taken for one by one. Sinus tachycardia comes gradually, and
what only the rate tells from the rhythm before, an atrial run, has the shape of the beats before.
"""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import finding
from vitalcore.kernels.core.kernel import kernel

N_BEATS = 24  # remembered
N_BEFORE = 8  # intervals before the run that it is measured against
FASTER = 0.75  # of the interval before: each of the run is shorter
OVER = 0.9  # of it: the first interval that is longer ends the run
WIDER, LARGER, SMALLER = 1.2, 1.5, 0.67  # of the beats before: the run's are of another shape
EVEN = 1.4  # longest over shortest interval of a run, whose beats have one origin
ALIKE = 2.5  # largest over smallest of their amplitudes, which have one sign
SOUND = 0.25  # quality of a beat that counts

PARAMS = np.dtype([("n_beats", "i8"), ("longest_s", "f8")], align=True)  # of a run; of its intervals

STATE = np.dtype(
    [
        ("t", "f8", (N_BEATS,)),  # rings
        ("interval_s", "f8", (N_BEATS,)),
        ("amplitude", "f8", (N_BEATS,)),
        ("width_s", "f8", (N_BEATS,)),
        ("n", "i8"),  # beats without a gap
        ("on", "i8"),  # a run lasts
        ("before_s", "f8"),  # the interval before it
    ],
    align=True,
)


@kernel
def median(ring: NDArray[np.float64], newest: int, first: int, n: int) -> float:
    """Give the lower median of the sizes of n values of a ring, the newest of them `first` places back."""
    for i in range(n):
        v = abs(ring[(newest - first - i) % N_BEATS])
        below = same = 0
        for k in range(n):
            other = abs(ring[(newest - first - k) % N_BEATS])
            below += other < v
            same += other == v
        if below <= (n - 1) // 2 < below + same:
            return v
    return np.nan


@kernel
def begins(params: np.void, state: np.void) -> bool:
    """Tell whether the newest beats are a run of another kind than the beats before."""
    n: int = params["n_beats"]
    newest = state["n"] - 1
    if state["n"] < n + N_BEFORE + 1:
        return False
    before_s = median(state["interval_s"], newest, n - 1, N_BEFORE)
    limit_s = min(params["longest_s"], FASTER * before_s)
    least, most = np.inf, 0.0
    shortest_s, longest_s = np.inf, 0.0
    upright = was_upright = 0
    for k in range(n):
        at = (newest - k) % N_BEATS
        if k < n - 1:
            shortest_s = min(shortest_s, state["interval_s"][at])
            longest_s = max(longest_s, state["interval_s"][at])
        least = min(least, abs(state["amplitude"][at]))
        most = max(most, abs(state["amplitude"][at]))
        upright += state["amplitude"][at] > 0.0
    if not longest_s < limit_s or longest_s > EVEN * shortest_s or most > ALIKE * least or 0 < upright < n:
        return False
    for k in range(n, n + N_BEFORE):
        was_upright += state["amplitude"][(newest - k) % N_BEATS] > 0.0
    state["before_s"] = before_s
    larger = median(state["amplitude"], newest, 0, n) / median(state["amplitude"], newest, n, N_BEFORE)
    wider = median(state["width_s"], newest, 0, n) / median(state["width_s"], newest, n, N_BEFORE)
    turned = (upright > 0) != (2 * was_upright > N_BEFORE)
    return wider >= WIDER or larger >= LARGER or larger <= SMALLER or turned


@kernel
def first_t(params: np.void, state: np.void) -> float:
    """Tell when the first beat of a run was, as the run begins."""
    t: float = state["t"][(state["n"] - params["n_beats"]) % N_BEATS]
    return t


@kernel
def beat(params: np.void, state: np.void, row: np.void) -> int:
    """Take a beat; gives 1 where a run begins with it, -1 where one is over, else 0."""
    body = row["body"]
    interval_s: float = body[finding.INTERVAL_S]
    if not (interval_s > 0.0) or row["quality"] < SOUND:
        state["n"] = 0
    at = state["n"] % N_BEATS
    state["t"][at] = row["t"]
    state["interval_s"][at] = interval_s
    state["amplitude"][at] = body[finding.AMPLITUDE]
    state["width_s"][at] = body[finding.WIDTH_S]
    state["n"] += 1
    if state["on"] == 1:
        if not (interval_s <= OVER * state["before_s"]):
            state["on"] = 0
            return -1
        return 0
    if begins(params, state):
        state["on"] = 1
        return 1
    return 0
