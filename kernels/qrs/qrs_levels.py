"""What QRS detection knows of the beats and of the other peaks so far, and the peaks that it keeps for a look back."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.core.order import median
from vitalcore.kernels.qrs import energy, likeness
from vitalcore.kernels.qrs.energy import HIGHEST, LEVEL, TOP, TOTAL, USABLE
from vitalcore.kernels.qrs.rpeak import N_FEATURES

FAR = 1 << 20  # work samples: longer ago than anything that matters
N_LEVELS = 8  # peaks remembered for each level
CONTRAST = 3.0  # of a peak over the mean, that of a QRS or more
SINK = 0.85  # of the levels that stays, each look back, when no beat comes
BEAT = 0.0  # log-odds of a beat
T_ENERGY, T_SLOPE = 0.5, 0.5  # of the beat before: peaks below, soon after it, are its T wave


@kernel
def copy(peak: np.void, to: np.void) -> None:
    """Copy what is known of a peak."""
    to["w"] = peak["w"]
    to["energy"] = peak["energy"]
    to["t"] = peak["t"]
    to["amplitude"] = peak["amplitude"]
    to["width_s"] = peak["width_s"]
    to["slope"] = peak["slope"]
    to["swing"] = peak["swing"]
    to["score"] = peak["score"]
    for k in range(N_FEATURES):
        to["x"][k] = peak["x"][k]


@kernel
def forget_until(state: np.void, w: int) -> None:
    """Drop the remembered peaks up to a time."""
    n = 0
    for k in range(state["n_weak"]):
        if state["weak"][k]["w"] > w:
            if n < k:
                copy(state["weak"][k], state["weak"][n])
            n += 1
    state["n_weak"] = n


@kernel
def note_leads(params: np.void, state: np.void, buffer: NDArray[np.float64], place: int) -> None:
    """Learn from the peak at the top what each lead's QRS (LEVEL) or other peaks (NOISE) are like."""
    for c in range(params["energy"]["n_leads"]):
        base = c * params["energy"]["stride"]
        if buffer[base + USABLE] > 0.0 and buffer[base + TOP] > 0.0:
            old = buffer[base + place]
            buffer[base + place] = old + 0.125 * (buffer[base + TOP] - old) if old > 0.0 else buffer[base + TOP]
    if params["energy"]["n_leads"] > 1:
        energy.weigh(params["energy"], state["energy"], buffer)


@kernel
def restart(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Begin to learn the levels anew."""
    state["learnt"] = 0
    state["judged_w"] = -1
    state["started"] = state["w"]
    state["n_weak"] = 0
    state["joined"] = 0
    state["last_w"] = state["w"] - FAR
    state["signal_level"] = 0.0
    likeness.forget(state["likeness"])
    for c in range(params["energy"]["n_leads"]):
        buffer[c * params["energy"]["stride"] + LEVEL] = 0.0
        buffer[c * params["energy"]["stride"] + HIGHEST] = 0.0
        buffer[c * params["energy"]["stride"] + TOTAL] = 0.0
    energy.weigh(params["energy"], state["energy"], buffer)


@kernel
def stands_out(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> bool:
    """Tell whether any lead has shown a peak while learning that stands out of what else is in it."""
    n = state["w"] - state["started"]
    for c in range(params["energy"]["n_leads"]):
        base = c * params["energy"]["stride"]
        highest = buffer[base + HIGHEST]
        if highest >= params["energy"]["floor"] and highest * n >= CONTRAST * buffer[base + TOTAL]:
            return True
    return False


@kernel
def change_lead(state: np.void) -> None:
    """Forget slopes and amplitudes where R peaks are timed in another lead from now on."""
    if state["lead"] != state["energy"]["lead"]:
        state["lead"] = state["energy"]["lead"]
        state["n_slope"] = 0
        state["slope_level"] = 0.0
        state["amplitude_level"] = 0.0
        state["last_slope"] = 0.0


@kernel
def sink(state: np.void) -> None:
    """Lower what is expected of a beat, as after a change of gain."""
    state["signal_level"] *= SINK
    state["slope_level"] *= SINK
    state["amplitude_level"] *= SINK
    state["last_energy"] *= SINK
    state["last_slope"] *= SINK


@kernel
def remember(params: np.void, state: np.void, peak: np.void, sound: bool) -> float:
    """Take a beat into the levels; returns the interval from the beat before in s, NaN where that one is not known.

    sound : sure enough that its size and shape count
    """
    if sound:
        state["signal"][state["n_signal"] % N_LEVELS] = peak["energy"]
        state["n_signal"] += 1
        state["signal_level"] = median(state["signal"], min(state["n_signal"], N_LEVELS))
        k = state["n_slope"] % N_LEVELS
        state["slopes"][k] = peak["slope"]
        state["amplitudes"][k] = peak["amplitude"] if peak["amplitude"] == peak["amplitude"] else 0.0
        state["n_slope"] += 1
        known = min(state["n_slope"], N_LEVELS)
        state["slope_level"] = median(state["slopes"], known)
        state["amplitude_level"] = median(state["amplitudes"], known)
    interval_s = np.nan
    if state["joined"] == 1:
        interval_s = (peak["t"] - state["last_t"]) / params["energy"]["fs_hz"]
        rr = float(peak["w"] - state["last_w"])
        if state["n_rr"] > 0:
            change = abs(rr - state["rr"][(state["n_rr"] - 1) % N_LEVELS])
            state["irregularity"] += 0.2 * (change - state["irregularity"])
        state["rr"][state["n_rr"] % N_LEVELS] = rr
        state["n_rr"] += 1
        state["rr_level"] = median(state["rr"], min(state["n_rr"], N_LEVELS))
    state["joined"] = 1
    state["last_w"] = peak["w"]
    state["last_t"] = peak["t"]
    state["last_energy"] = peak["energy"]
    state["last_slope"] = peak["slope"]
    state["dip"] = peak["energy"]
    return interval_s


@kernel
def is_first(params: np.void, state: np.void, peak: np.void, threshold: float) -> bool:
    """Judge a peak while learning, by its size and against the T wave of the beat before."""
    if peak["energy"] < threshold or peak["score"] < BEAT:
        return False
    if peak["w"] - state["last_w"] >= params["t_wave"]:
        return True
    steep: bool = peak["slope"] >= T_SLOPE * state["last_slope"]
    return steep and peak["energy"] >= T_ENERGY * state["last_energy"]
