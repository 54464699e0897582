"""Causal blink detector on the eye aspect ratio (EAR) of one eye, at any and irregular times.

A blink is a quick drop of the EAR below the level of the last 0.4 s that comes back. That short level follows the
gaze (the lid hangs lower when one looks down), so blinks are found there too and a slow change is none. The drop must
be a share of the open EAR and stand above the noise of this eye. A lid that doesn't come back is a closure, no blink.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import (
    AMPLITUDE,
    BEAT,
    COMPLETENESS,
    END,
    INTERVAL_S,
    LABEL,
    ONSET,
    WIDTH_S,
)
from vitalcore.kernels.core.kernel import kernel

N_BINS = 8  # of BIN_NS each: the short level looks back over them
BIN_NS = 50e6
N_LEVELS = 16  # the time at which the closing lid passed each sixteenth of the open EAR
FIRST = 0.4  # share of the drop a blink needs at which we begin to watch
LEVEL_NS = 4e9  # time constant of the eye's own open level
SAME = 0.15  # a lid within this share of its drop still rests at the apex
REST_NS = 200e6  # ... and when it does so for longer, the apex is later
SHUT = 0.45  # share of the open EAR: a drop that ends above it, or is less than DEEP, and lasts is a glance down
DEEP = 0.35
GLANCE_NS = 400e6  # width at which it lasts
CLOSING_NS = 300e6  # from onset to apex: a shallow drop that takes longer is no blink
SETTLED = 0.3  # the short level lies within this share of the drop: the gaze rests there
T_MAX = 9e15  # exact integers end in float64

PARAMS = np.dtype(
    [
        ("drop", "f8"),  # share of the open EAR by which a lid must fall
        ("drop_min", "f8"),  # and in EAR
        ("drop_noise", "f8"),  # and in standard deviations of the noise
        ("recovery", "f8"),  # share of the drop that must come back
        ("end", "f8"),  # share of the drop whose return ends the blink
        ("shut", "f8"),  # EAR of a shut eye as share of its open EAR
        ("complete", "f8"),  # completeness from which a blink is called complete
        ("width_min_ns", "f8"),  # at half amplitude
        ("width_max_ns", "f8"),
        ("say_ns", "f8"),  # after the apex: said then, ended or not
        ("limit_ns", "f8"),  # after the apex: not said any more
        ("gap_ns", "f8"),  # between samples: what is open is dropped
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("begun", "i8"),
        ("t", "f8"),  # last valid sample
        ("v", "f8"),
        ("dt", "f8"),  # smoothed step of time
        ("noise", "f8"),  # smoothed absolute step of EAR, on an open eye
        ("open", "f8"),  # slow level of the open eye; NaN until known
        ("bin", "i8"),  # number of the bin that is being filled
        ("sums", "f8", (N_BINS,)),
        ("counts", "i8", (N_BINS,)),
        ("phase", "i8"),  # 0 open, 1 watching a drop, 2 blink confirmed and not yet said
        ("ref", "f8"),  # level it drops from
        ("need", "f8"),  # drop it needs
        ("t_level", "f8", (N_LEVELS,)),
        ("n_levels", "i8"),  # how many of them the lid has passed
        ("onset", "f8"),
        ("low", "f8"),  # EAR at the apex
        ("apex", "f8"),
        ("apex_turn", "f8"),  # apex between samples
        ("t_before", "f8"),  # neighbours of the lowest sample
        ("v_before", "f8"),
        ("wants_after", "i8"),
        ("high", "f8"),  # highest EAR since the apex
        ("half_up", "f8"),
        ("apex_last", "f8"),  # of the blink before; NaN after a gap
    ],
    align=True,
)


EYES = np.dtype([("eyes", STATE, (2,))], align=True)


def fresh() -> NDArray[np.void]:
    """Return the memory of an eye that has not been seen, [1]."""
    made = np.zeros(1, STATE)
    made["open"] = made["apex_last"] = np.nan
    return made


@kernel
def crossing(t0: float, v0: float, t1: float, v1: float, level: float) -> float:
    """Interpolate the time at which a line between two samples passes a level; the later one where it is flat."""
    return t0 + (t1 - t0) * ((level - v0) / (v1 - v0)) if v1 != v0 else t1


@kernel
def turn(t0: float, v0: float, t1: float, v1: float, t2: float, v2: float) -> float:
    """Place the lowest point of the parabola through three samples, t1 where there is none between its neighbours."""
    a, b = t0 - t1, t2 - t1
    p, q = v0 - v1, v2 - v1
    den = a * q - b * p
    if den == 0.0:
        return t1
    at = 0.5 * (a * a * q - b * b * p) / den
    return t1 + at if 0.5 * a <= at <= 0.5 * b else t1


@kernel
def clear_level(state: Any) -> None:
    """Forget the short level."""
    for i in range(N_BINS):
        state["sums"][i] = 0.0
        state["counts"][i] = 0


@kernel
def short_level(state: Any) -> float:
    """Return the second highest of the bins' means (one glitch is no level), NaN below two bins."""
    first, second = -np.inf, -np.inf
    for i in range(N_BINS):
        if state["counts"][i] > 0:
            v = state["sums"][i] / state["counts"][i]
            if v > first:
                first, second = v, first
            elif v > second:
                second = v
    return second if second > -np.inf else np.nan


@kernel
def _fill(state: Any, t: float, v: float) -> int:
    """Put a sample into its bin; 1 where it begins one."""
    number = int(t // BIN_NS)
    fresh = number - state["bin"]
    if fresh > 0:
        for k in range(min(fresh, N_BINS)):
            i = (number - k) % N_BINS
            state["sums"][i] = 0.0
            state["counts"][i] = 0
        state["bin"] = number
    state["sums"][number % N_BINS] += v
    state["counts"][number % N_BINS] += 1
    return 1 if fresh > 0 else 0


@kernel
def _pass_levels(state: Any, t: float, v: float) -> None:
    """Note when the closing lid passed each sixteenth of the level it drops from."""
    while state["n_levels"] < N_LEVELS:
        level = state["ref"] * (1.0 - (state["n_levels"] + 1.0) / N_LEVELS)
        if v > level:
            break
        before = state["v"] > level
        state["t_level"][state["n_levels"]] = crossing(state["t"], state["v"], t, v, level) if before else state["t"]
        state["n_levels"] += 1


@kernel
def _watch(params: Any, state: Any, t: float, v: float, ref: float) -> None:
    """Begin to watch a drop from a level where there is one."""
    if not ref > 0.0:
        return
    level = state["open"]
    noise = state["noise"] / 1.128  # mean absolute difference of neighbours to standard deviation
    share = params["drop"] * max(ref, 0.5 * level) if level == level else params["drop"] * ref
    need = max(share, params["drop_min"], params["drop_noise"] * noise)
    if not ref - v > FIRST * need:
        return
    state["phase"] = 1
    state["ref"] = ref
    state["need"] = need
    state["n_levels"] = 0
    _pass_levels(state, t, v)
    state["onset"] = crossing(state["t"], state["v"], t, v, ref - FIRST * need)
    if not state["onset"] >= state["t"]:
        state["onset"] = state["t"]
    _sink(state, t, v)


@kernel
def _sink(state: Any, t: float, v: float) -> None:
    """Take this sample as the apex for now."""
    state["low"] = v
    state["apex"] = t
    state["apex_turn"] = t
    state["t_before"] = state["t"]
    state["v_before"] = state["v"]
    state["wants_after"] = 1
    state["high"] = v
    state["half_up"] = np.nan


@kernel
def _open_level(state: Any) -> float:
    """Return the EAR of the open eye as far as it is known."""
    return max(state["ref"], state["open"]) if state["open"] == state["open"] else state["ref"]


@kernel
def _is_deep(state: Any) -> bool:
    """Tell whether the lid has shut as only a lid does that closes."""
    level = _open_level(state)
    return bool(state["low"] <= SHUT * level and state["ref"] - state["low"] >= DEEP * level)


@kernel
def _half_down(state: Any, half: float) -> float:
    """Find when the closing lid passed an EAR, between the sixteenths it has passed."""
    ref = state["ref"]
    place = (ref - half) / ref * N_LEVELS
    k = int(place)
    n = state["n_levels"]
    if n == 0:
        return state["onset"]
    if k >= n:
        return state["t_level"][n - 1]
    before = state["t_level"][k - 1] if k > 0 else min(state["onset"], state["t_level"][0])
    return before + (state["t_level"][k] - before) * (place - k)


@kernel
def _say(params: Any, state: Any, t: float, end: float, row: Any) -> int:
    """Write the blink and wait for the next; 0 where it turns out to be none."""
    state["phase"] = 0
    clear_level(state)
    low, ref, apex = state["low"], state["ref"], state["apex_turn"]
    drop = ref - low
    width = state["half_up"] - _half_down(state, low + 0.5 * drop)
    level = _open_level(state)
    slow = not width <= GLANCE_NS or apex - state["onset"] > CLOSING_NS
    if width < params["width_min_ns"] or (slow and not _is_deep(state)):
        return 0
    completeness = min(1.0, max(0.0, (1.0 - low / level) / (1.0 - params["shut"])))
    row["what"] = BEAT
    row["code"] = codes.BLINK
    row["t"] = apex
    row["t_known"] = min(t, apex + params["limit_ns"])  # in a silent stream its time was due then
    sparse = state["dt"] > 50e6
    row["quality"] = min(1.0, 0.5 * drop / state["need"]) * (0.5 if sparse else 1.0)
    row["reasons"] = codes.UNDERSAMPLED if sparse else 0
    for i in range(row["body"].shape[0]):
        row["body"][i] = np.nan
    row["body"][INTERVAL_S] = (apex - state["apex_last"]) / 1e9
    row["body"][AMPLITUDE] = drop
    row["body"][WIDTH_S] = width / 1e9
    row["body"][ONSET] = state["onset"]
    row["body"][END] = end
    row["body"][COMPLETENESS] = completeness
    row["body"][LABEL] = 67.0 if completeness >= params["complete"] else 80.0  # C complete, P partial
    state["apex_last"] = apex
    return 1


@kernel
def _follow(params: Any, state: Any, t: float, v: float, row: Any) -> int:
    """Follow a drop through apex and return."""
    ref, t0, v0 = state["ref"], state["t"], state["v"]
    if state["wants_after"]:
        state["wants_after"] = 0
        if v >= state["low"]:
            state["apex_turn"] = turn(state["t_before"], state["v_before"], state["apex"], state["low"], t, v)
    if state["phase"] == 1 and t - state["onset"] > N_BINS * BIN_NS:
        level = short_level(state)  # all of it since the drop
        if not _is_deep(state) and level < state["low"] + SETTLED * (ref - state["low"]):
            began = state["onset"]
            _watch(params, state, t, v, level)  # a blink while one looks down
            if state["onset"] != began:
                return 0
    if v < state["low"] and state["phase"] == 1:
        _pass_levels(state, t, v)
        _sink(state, t, v)
        return 0
    low = state["low"]
    drop = ref - low
    half = low + 0.5 * drop
    if v >= half and state["half_up"] != state["half_up"]:
        state["half_up"] = crossing(t0, v0, t, v, half) if v0 < half else t
    if v > state["high"]:
        state["high"] = v
    if drop < state["need"]:
        if ref - v < 0.75 * FIRST * state["need"] or t - state["apex"] > params["say_ns"]:
            state["phase"] = 0
        return 0
    if state["phase"] == 1:
        if v - low < SAME * drop and t - state["apex"] > REST_NS:
            state["apex"] = t
            state["apex_turn"] = t
        if t - state["onset"] > params["width_max_ns"] or t - state["apex_turn"] > params["limit_ns"]:
            state["phase"] = 0  # a closure, or the gaze went down
            clear_level(state)
            return 0
        if v - low >= params["recovery"] * drop:
            state["phase"] = 2
    if state["phase"] == 2:
        end = low + params["end"] * drop
        if v >= end:
            return _say(params, state, t, crossing(t0, v0, t, v, end) if v0 < end else t, row)
        if state["high"] - v > 0.5 * state["need"]:  # the next blink begins before this one has ended
            said = _say(params, state, t, np.nan, row)
            _watch(params, state, t, v, state["high"])
            return said
        if t - state["apex_turn"] >= params["say_ns"]:
            return _say(params, state, t, np.nan, row)
    return 0


@kernel
def tick(params: Any, state: Any, t: float, v: float, row: Any) -> int:
    """Take one EAR; 1 where a blink was written to row (its slot and channel are the caller's).

    t : ns since the stream began, above the time before; a sample at another time is skipped
    v : EAR, NaN where it is missing
    """
    if not (0.0 <= t < T_MAX):
        return 0
    if state["begun"] and not t > state["t"]:
        return 0
    said = 0
    if state["begun"] and t - state["t"] > params["gap_ns"]:
        if state["phase"] == 2:
            said = _say(params, state, t, np.nan, row)
        state["phase"] = 0
        state["begun"] = 0
        state["apex_last"] = np.nan
        clear_level(state)
    if not abs(v) < 1e6:
        if state["phase"] == 2 and t - state["apex_turn"] >= params["say_ns"]:
            said = _say(params, state, t, np.nan, row)
        return said
    if state["begun"]:
        dt = t - state["t"]
        state["dt"] += (dt - state["dt"]) * (dt / (dt + 1e9)) if state["dt"] > 0.0 else dt
        fresh = _fill(state, t, v)
        if state["phase"] == 0:
            step = abs(v - state["v"])
            calm = max(step if state["noise"] == 0.0 else 3.0 * state["noise"], 1e-4)
            state["noise"] += (min(step, calm) - state["noise"]) * (dt / (dt + 1e9))
            level = short_level(state) if fresh else np.nan
            if level == level:
                known = state["open"] == state["open"]
                state["open"] = state["open"] + (level - state["open"]) * (BIN_NS / LEVEL_NS) if known else level
            _watch(params, state, t, v, short_level(state))
        else:
            said = _follow(params, state, t, v, row)
    else:
        state["begun"] = 1
        state["bin"] = int(t // BIN_NS)
        _fill(state, t, v)
    state["t"] = t
    state["v"] = v
    return said


@kernel
def step(params: Any, state: Any, x: NDArray[np.float64], out: Any) -> int:
    """Find the blinks of one or two eyes.

    state  : EYES; a single eye uses the first
    x      : ns since the stream began and the EAR of each eye, [n, 1 + n_eyes]
    out    : findings, [>= n * n_eyes]; channel is LEFT, RIGHT, or -1 where there is one eye of no said side
    """
    n = 0
    eyes = x.shape[1] - 1
    for i in range(x.shape[0]):
        for eye in range(eyes):
            if tick(params, state["eyes"][eye], x[i, 0], x[i, 1 + eye], out[n]):
                out[n]["slot"] = 0
                out[n]["channel"] = eye if eyes == 2 else -1
                n += 1
    return n
