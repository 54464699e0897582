"""What a face's second of stream time says: sums and peaks while it lasts, features when it is over."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import FEATURE, VALUE, WINDOW_S
from vitalcore.kernels.core.kernel import kernel

N_FEATURES = 15
RATE_WINDOW_S = 60
RATE_MIN_S = 10.0  # seen, before a blink rate is said
COVERED = 0.9  # of a second: below it frames are missing
MIN_RATE_HZ = 20.0
MOVED = 0.02  # in distances between the eyes, about 1.3 mm: less is no movement
MOVED_NOISE = 4.0  # nor is less than this times the noise at rest
MOVED_TURN = 0.004  # nor less than this times the turn in degrees: what a turn feigns at real depth errors
KINDS = 3  # brow, lid, mouth corner


@kernel
def start_second(state: Any) -> None:
    """Forget the second before."""
    state["seen_ns"] = 0.0
    state["n_good"] = 0
    state["n_frozen"] = 0
    state["n_leaning"] = 0
    state["n_turned"] = 0
    state["yaw_sum"] = 0.0
    state["yaw_most"] = 0.0
    for side in range(2):
        state["ear_sum"][side] = 0.0
        state["blinks"][side] = 0
        for k in range(KINDS):
            state["peak"][side, k] = -np.inf


@kernel
def pose(params: Any, state: Any) -> int:
    """Judge the head's turn from rest: 0 small, 1 doubtful, 2 too far; flat landmarks bear half as much."""
    if not state["learnt"]:
        return 0
    yaw = abs(state["yaw"]) * (2.0 if state["flat"] else 1.0)
    return 2 if yaw > params["pose_max_deg"] else 1 if yaw > params["pose_good_deg"] else 0


@kernel
def accumulate(params: Any, state: Any, dt: float) -> None:
    """Add a good frame to its second.

    dt : ns since the good frame before, 0 after a gap
    """
    state["seen_ns"] += dt
    state["n_good"] += 1
    for side in range(2):
        state["ear_sum"][side] += state["ear"][side]
    if not state["learnt"]:
        return
    state["yaw_sum"] += state["yaw"]
    turn = pose(params, state)
    if turn == 2:
        state["n_turned"] += 1
        return
    if turn == 1:
        state["n_leaning"] += 1
    state["yaw_most"] = max(state["yaw_most"], abs(state["yaw"]))
    for side in range(2):
        state["peak"][side, 0] = max(state["peak"][side, 0], state["brow"][side])
        state["peak"][side, 1] = max(state["peak"][side, 1], state["lid"][side])
        state["peak"][side, 2] = max(state["peak"][side, 2], state["mouth"][side])


@kernel
def _feature(
    row: Any,
    code: int,
    channel: int,
    t: float,
    value: float,
    window_s: float,
    quality: float,
    reasons: int,
) -> None:
    """Write one feature; without a value it has no quality."""
    row["slot"] = 0
    row["what"] = FEATURE
    row["code"] = code
    row["channel"] = channel
    row["t"] = t
    row["t_known"] = t
    row["quality"] = quality if value == value else 0.0
    row["reasons"] = reasons
    for i in range(row["body"].shape[0]):
        row["body"][i] = np.nan
    row["body"][VALUE] = value
    row["body"][WINDOW_S] = window_s


@kernel
def _symmetry(state: Any, k: int) -> float:
    """Divide the weaker side's excursion by the stronger's: 0 to 1, NaN where neither moved."""
    left, right = state["peak"][0, k], state["peak"][1, k]
    need = max(MOVED, MOVED_NOISE * max(state["noise"][0, k], state["noise"][1, k]), MOVED_TURN * state["yaw_most"])
    stronger = max(left, right)
    return max(0.0, min(left, right)) / stronger if stronger >= need else np.nan


@kernel
def report(
    params: Any,
    state: Any,
    buffer: NDArray[np.float64],
    t: float,
    second: int,
    out: Any,
) -> int:
    """Say what the last second was like, at the first frame after it; return how many findings that gave.

    second : the second that this frame begins
    """
    rates = buffer[params["rates_at"] : params["rates_at"] + 3 * RATE_WINDOW_S].reshape((RATE_WINDOW_S, 3))
    before = state["second"]
    rates[before % RATE_WINDOW_S, 0] = state["blinks"][0]
    rates[before % RATE_WINDOW_S, 1] = state["blinks"][1]
    rates[before % RATE_WINDOW_S, 2] = min(1.0, state["seen_ns"] / 1e9)
    for k in range(1, min(second - before, RATE_WINDOW_S)):
        for c in range(3):
            rates[(before + k) % RATE_WINDOW_S, c] = 0.0
    if second - before > 1:  # nobody was there in the second that ends now
        start_second(state)

    n_good = state["n_good"]
    covered = min(1.0, state["seen_ns"] / 1e9)
    reasons = 0 if covered >= COVERED else codes.MISSING
    quality = covered if covered < COVERED else 1.0
    if state["n_frozen"] > 0:
        reasons |= codes.FLAT
    if n_good > 0 and n_good * 1e9 < MIN_RATE_HZ * state["seen_ns"]:
        reasons |= codes.UNDERSAMPLED
        quality *= 0.5
    ear_quality, ear_reasons = quality, reasons
    usable = n_good - state["n_turned"]
    if state["n_turned"] + state["n_leaning"] > 0:
        reasons |= codes.POSE
        quality *= 1.0 - (state["n_turned"] + 0.5 * state["n_leaning"]) / n_good
    if not state["learnt"]:
        reasons |= codes.NO_REST

    n = 0
    for side in range(2):
        value = state["ear_sum"][side] / n_good if n_good > 0 else np.nan
        _feature(out[n], codes.EYE_ASPECT_RATIO, side, t, value, 1.0, ear_quality, ear_reasons)
        n += 1
    seen = 0.0
    for i in range(RATE_WINDOW_S):
        seen += rates[i, 2]
    for side in range(2):
        blinks = 0.0
        for i in range(RATE_WINDOW_S):
            blinks += rates[i, side]
        value = blinks / seen * 60.0 if seen >= RATE_MIN_S and n_good > 0 else np.nan
        why = ear_reasons | (0 if seen >= RATE_MIN_S else codes.TOO_FEW_BEATS)
        window_s = float(min(RATE_WINDOW_S, second - state["first"]))
        _feature(out[n], codes.BLINK_RATE, side, t, value, window_s, ear_quality * min(1.0, seen / window_s), why)
        n += 1
    moving = state["learnt"] == 1 and usable > 0
    for k in range(KINDS):
        for side in range(2):
            value = state["peak"][side, k] if moving else np.nan
            _feature(out[n], codes.BROW_EXCURSION + k, side, t, value, 1.0, quality, reasons)
            n += 1
        value = _symmetry(state, k) if moving else np.nan
        why = reasons if value == value or not moving else reasons | codes.NOISE
        _feature(out[n], codes.BROW_SYMMETRY + k, -1, t, value, 1.0, quality, why)
        n += 1
    value = state["yaw_sum"] / n_good if state["learnt"] and n_good > 0 else np.nan
    _feature(out[n], codes.HEAD_YAW, -1, t, value, 1.0, ear_quality, reasons)
    n += 1
    overall = quality if state["learnt"] else 0.5 * quality
    _feature(out[n], codes.SIGNAL_QUALITY, -1, t, overall, 1.0, 1.0, reasons)
    return n + 1
