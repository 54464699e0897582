"""Mains hum in one lead: found window by window, and taken out where it is found.

Each window of 0.2 s holds whole periods of both 50 and 60 Hz. Its size at each is that of the sample's differences, by
Goertzel's recurrence; the least of a second's windows counts, because complexes are in some of them only. Taking out is
a sine and a cosine that follow what is left of the hum: a notch of about 0.5 Hz, at the frequency that was found.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.qrs.energy import LARGEST

N_HZ = 2
FOUND_MV, LOST_MV = 0.02, 0.012  # amplitude
MOST_MV = 1.3  # a lead with more hum has no contact: nothing is taken out, so that it does not seem to have

PARAMS = np.dtype(
    [
        ("n_window", "i8"),  # samples
        ("turn", "f8", (N_HZ,)),  # radians a sample
        ("twice_cosine", "f8", (N_HZ,)),  # of that
        ("scale", "f8", (N_HZ,)),  # from the size of a window to an amplitude; 0: above what the rate can carry
        ("change", "f8", (N_HZ,)),  # most from sample to sample, of a hum of amplitude 1
        ("follow", "f8", (N_HZ,)),  # how much of a change is learnt
    ],
    align=True,
)

# Zeros are an empty memory.
STATE = np.dtype(
    [
        ("n", "i8"),  # samples in the window
        ("n_windows", "i8"),  # in this second
        ("previous", "f8"),
        ("s1", "f8", (N_HZ,)),
        ("s2", "f8", (N_HZ,)),
        ("least", "f8", (N_HZ,)),  # of this second
        ("mv", "f8"),  # amplitude of the hum in the last second
        ("found", "i8"),  # 1 + which frequency; 0: none
        ("cosine", "f8"),  # the reference, and how much of each part of it is taken out
        ("sine", "f8"),
        ("a", "f8"),
        ("b", "f8"),
        ("begun", "i8"),  # 1: the last sample was there
        ("y", "f8"),  # what was left of it
    ],
    align=True,
)


@kernel
def watch(params: np.void, state: np.void, x: NDArray[np.float64]) -> None:
    """Take samples of a lead, [n], all of one second."""
    n_window = params["n_window"]
    k50, k60 = params["twice_cosine"][0], params["twice_cosine"][1]
    n, previous = state["n"], state["previous"]
    p1, p2, q1, q2 = state["s1"][0], state["s2"][0], state["s1"][1], state["s2"][1]
    for i in range(x.shape[0]):
        v = x[i]
        if not abs(v) < LARGEST:  # the window begins anew
            n = 0
            p1 = p2 = q1 = q2 = 0.0
            continue
        d = v - previous if n > 0 else 0.0
        previous = v
        p0 = d + k50 * p1 - p2
        p2, p1 = p1, p0
        q0 = d + k60 * q1 - q2
        q2, q1 = q1, q0
        n += 1
        if n == n_window:
            p = max(0.0, p1 * p1 + p2 * p2 - k50 * p1 * p2)
            q = max(0.0, q1 * q1 + q2 * q2 - k60 * q1 * q2)
            first = state["n_windows"] == 0
            state["least"][0] = p if first else min(state["least"][0], p)
            state["least"][1] = q if first else min(state["least"][1], q)
            state["n_windows"] += 1
            n = 0
            p1 = p2 = q1 = q2 = 0.0
    state["n"], state["previous"] = n, previous
    state["s1"][0], state["s2"][0], state["s1"][1], state["s2"][1] = p1, p2, q1, q2


@kernel
def judge(params: np.void, state: np.void) -> None:
    """Judge the second that ends."""
    if state["n_windows"] == 0:
        return
    state["n_windows"] = 0
    p = params["scale"][0] * math.sqrt(state["least"][0])
    q = params["scale"][1] * math.sqrt(state["least"][1])
    which = 1 if p >= q else 2
    state["mv"] = max(p, q)
    if state["mv"] < LOST_MV or (state["mv"] < FOUND_MV and state["found"] == 0):
        state["found"] = 0
    elif state["found"] != which:
        state["found"] = which
        state["cosine"], state["sine"] = 1.0, 0.0
        state["a"] = state["b"] = state["y"] = 0.0
        state["begun"] = 0
    else:  # rounding must not let the reference grow
        size = math.sqrt(state["cosine"] ** 2 + state["sine"] ** 2)
        state["cosine"] /= size
        state["sine"] /= size


@kernel
def tick(params: np.void, state: np.void, v: float) -> float:
    """Take the hum that has been found out of the next sample; without any, and of a missing one, nothing is taken.

    What is left teaches by its change from sample to sample, and no more than the hum itself can change: so neither
    the baseline nor a complex teaches much.
    """
    if not is_taken_out(state):
        return v
    k = state["found"] - 1
    u, w = math.cos(params["turn"][k]), math.sin(params["turn"][k])
    before_c, before_s = state["cosine"], state["sine"]
    c = u * before_c - w * before_s
    s = w * before_c + u * before_s
    state["cosine"], state["sine"] = c, s
    if not abs(v) < LARGEST:
        state["begun"] = 0
        return v
    y: float = v - state["a"] * c - state["b"] * s
    if state["begun"] == 1:
        most = params["change"][k] * state["mv"]
        change = params["follow"][k] * min(most, max(-most, y - state["y"]))
        state["a"] += change * (c - before_c)
        state["b"] += change * (s - before_s)
    state["begun"] = 1
    state["y"] = y
    return y


@kernel
def is_taken_out(state: np.void) -> bool:
    """Tell whether there is hum in a lead that is taken out of it."""
    found: bool = state["found"] > 0 and state["mv"] <= MOST_MV
    return found


@kernel
def clean(params: np.void, state: np.void, x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Take the hum that has been found out of samples, [n]; out may be x."""
    for i in range(x.shape[0]):
        out[i] = tick(params, state, x[i])
