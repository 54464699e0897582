"""What speaks for a peak of QRS energy being a beat: features of the peak, and learned trees that weigh them."""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.models import forest

ROOTS, ENDS, BASE, FEATURE, THRESHOLD, LEFT = forest.load("qrs")
AT_ONCE, LOOKING_BACK = 0, 1  # outputs of the model

# Features, all without a unit but the times: what the gain of the amplifier is does not count.
FEATURES = (
    "energy over that of a QRS, ln",
    "energy over that of other peaks, ln",
    "intervals since the last beat",
    "s since the last beat",
    "likeness to the usual complex",
    "likeness to the other complex",
    "slope over that of a QRS, ln",
    "slope over that of the last beat, ln",
    "energy over that of the last beat, ln",
    "width, s",
    "amplitude over that of a QRS",
    "energy 0.1 s before over its own",
    "energy 0.2 s before over its own",
    "energy 0.1 s after over its own",
    "energy 0.15 s after over its own",
    "irregularity of the intervals",
    "usual likeness of beats",
    "energy of the last rejected peak over its own",
    "s since the last rejected peak",
    "log-odds of the last rejected peak",
    "rejected peaks since the last beat",
    "least energy since the last beat over its own",
    "steepness beyond what its energy explains, ln",
    "beats known",
    "mean energy of the last seconds over its own",
    # when looking back
    "intervals from the last beat to the next, or to now",
    "intervals from here to the next beat, or to now",
    "1: no next beat yet",
    "energy over that of the largest rejected peak, ln",
    "log-odds at once",
    "part of the gap that lies before it",
)
N_FEATURES = len(FEATURES)
N_AT_ONCE = 25
USUAL = 4  # place of the likeness to the usual complex
ENOUGH = 5.5  # log-odds of which no more trees need to be asked
SAME_SHAPE, SAME_SIZE = 0.95, 0.25  # likeness, and how far logarithms of ratios lie from 0, of the same complex
SAME_KNOWN = 3  # beats
MOST = 5.0  # of a logarithm
LONGEST_S = 4.0


@kernel
def ratio(a: float, b: float) -> float:
    """Give the logarithm of a ratio, bounded; 0 where b is not known."""
    if not b > 0.0:
        return 0.0
    return MOST if a >= 148.0 * b else max(-MOST, math.log(max(a, 1e-9 * b) / b))


@kernel
def describe(params: np.void, state: np.void, peak: np.void) -> None:
    """Write the features of a peak that are known at once.

    params : qrs.PARAMS
    state  : qrs.STATE, whose likeness has just been compared
    peak   : rpeak.PEAK; gets x
    """
    x = peak["x"]
    work_hz = params["energy"]["fs_hz"] / params["energy"]["block"]
    e = peak["energy"]
    w = peak["w"]
    usual = state["likeness"]["usual"]
    since = float(w - state["last_w"])
    x[0] = ratio(e, state["signal_level"])
    x[1] = ratio(e, state["noise_level"])
    x[2] = min(since / state["rr_level"], LONGEST_S)
    x[3] = min(since / work_hz, LONGEST_S)
    x[4] = state["likeness"]["r"][usual]
    x[5] = state["likeness"]["r"][1 - usual]
    x[6] = ratio(peak["slope"], state["slope_level"])
    x[7] = ratio(peak["slope"], state["last_slope"])
    x[8] = ratio(e, state["last_energy"])
    x[9] = peak["width_s"] if peak["width_s"] == peak["width_s"] else -1.0
    x[10] = 0.0
    if peak["amplitude"] == peak["amplitude"] and state["amplitude_level"] != 0.0:
        x[10] = min(3.0, max(-3.0, peak["amplitude"] / state["amplitude_level"]))
    fused = state["fused"]
    n = fused.shape[0]
    for k in range(4):
        x[11 + k] = min(fused[(w + params["around"][k]) % n] / e, 3.0)
    x[15] = min(state["irregularity"] / state["rr_level"], 1.0)
    x[16] = state["trust"]
    x[17], x[18], x[19] = 0.0, LONGEST_S, 0.0
    if state["n_weak"] > 0:
        before = state["weak"][state["n_weak"] - 1]
        x[17] = min(before["energy"] / e, 3.0)
        x[18] = min((w - before["w"]) / work_hz, LONGEST_S)
        x[19] = before["score"]
    x[20] = state["n_weak"]
    x[21] = min(state["dip"] / e, 1.0)
    x[22] = x[6] - x[0]
    x[23] = min(state["n_signal"], 16)
    x[24] = min(state["mean"] / e, 3.0)


@kernel
def is_same(x: NDArray[np.float64]) -> bool:
    """Tell whether a peak is like the usual complex in shape, energy and slope: then it is a beat, however early."""
    same: bool = x[USUAL] >= SAME_SHAPE and abs(x[0]) <= SAME_SIZE and abs(x[8]) <= SAME_SIZE
    return same and abs(x[6]) <= SAME_SIZE and abs(x[7]) <= SAME_SIZE and x[23] >= SAME_KNOWN


@kernel
def at_once(params: np.void, state: np.void, peak: np.void) -> float:
    """Give the log-odds that a peak is a beat, from what is known at once."""
    describe(params, state, peak)
    if is_same(peak["x"]):
        return ENOUGH
    return forest.verdict(ROOTS, ENDS, BASE, FEATURE, THRESHOLD, LEFT, AT_ONCE, peak["x"], ENOUGH)


@kernel
def place_in_gap(state: np.void, peak: np.void, next_w: int) -> None:
    """Write the features of a rejected peak that show when it is looked back at.

    next_w : of the next beat; -1: there is none yet
    """
    x = peak["x"]
    rr = state["rr_level"]
    end = next_w if next_w >= 0 else state["w"]
    gap = float(end - state["last_w"])
    largest = 0.0
    for k in range(state["n_weak"]):
        if state["weak"][k]["w"] != peak["w"]:
            largest = max(largest, state["weak"][k]["energy"])
    since = float(peak["w"] - state["last_w"])
    x[2] = min(since / rr, LONGEST_S)
    x[25] = min(gap / rr, LONGEST_S)
    x[26] = min((end - peak["w"]) / rr, LONGEST_S)
    x[27] = 1.0 if next_w < 0 else 0.0
    x[28] = ratio(peak["energy"], largest)
    x[29] = peak["score"]
    x[30] = since / gap


@kernel
def looking_back(params: np.void, state: np.void, peak: np.void, next_w: int) -> float:
    """Give the log-odds that a rejected peak is a beat after all."""
    place_in_gap(state, peak, next_w)
    return forest.verdict(ROOTS, ENDS, BASE, FEATURE, THRESHOLD, LEFT, LOOKING_BACK, peak["x"], ENOUGH)
