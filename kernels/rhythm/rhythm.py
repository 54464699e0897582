"""Rhythm of the heart from its beats: one episode at a time, and couplets, runs, pauses and extreme rates beside it.

A rhythm begins with its first beat, which is known only when enough beats have confirmed it: every episode says both
times. Nothing is said of stretches without a usable signal.
"""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.rhythm import af
from vitalcore.kernels.rhythm.ectopy import (
    N_BEATS,
    N_PACED,
    N_RUN,
    RETURN,
    back,
    follow_others,
    follow_pacing,
    follow_runs,
    say,
)

VENTRICULAR, PACED = 86, 47  # V, /
LEAST_QUALITY = 0.15  # of a beat that counts
N_CYCLES = (0, 0, 2, 3)  # equal distances between ventricular beats that make a bigeminy (2) or trigeminy (3)
N_SINUS, N_RATE = 5, 8  # intervals before a sinus rhythm is named, and those over which its rate is taken
N_STEADY, STEADY = 5, 0.1  # intervals within so much of their mean come very regularly
LOW, HIGH = 0, 1
NEVER = 1 << 62

PARAMS = np.dtype(
    [
        ("fs_hz", "f8"),
        ("bradycardia_bpm", "f8"),
        ("tachycardia_bpm", "f8"),
        ("hysteresis_bpm", "f8"),  # of both
        ("extreme_bpm", "f8", (2,)),  # low, high
        ("n_extreme", "i8", (2,)),  # beats over which the rate is taken, at most N_BEATS
        ("vt_bpm", "f8"),
        ("n_vt", "i8"),  # ventricular beats in a row
        ("slowest_bpm", "f8"),  # of a ventricular rhythm
        ("pause_s", "f8"),
        ("asystole_s", "f8"),
        ("wait_s", "f8"),  # so much later an asystole is decided: a beat must have had the time to be said
        ("lost_s", "f8"),  # a rhythm without beats for so long is over
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("since_t", "f8"),  # asystole is counted from here
        ("asked", "i8"),  # 1: whether there is an asystole has been decided since the last beat
        ("lost", "i8"),  # no signal is usable
        ("af", af.STATE),
        ("t", "f8", (N_BEATS,)),  # rings of the last beats
        ("interval_s", "f8", (N_BEATS,)),  # NaN where it is not known or touches a ventricular or poor beat
        ("at", "i8"),  # where the next goes
        ("n", "i8"),  # beats without a gap
        ("n_kept", "i8"),  # beats remembered
        ("last_t", "f8"),  # last beat
        ("spoilt", "i8"),  # the last beat was ventricular or poor
        ("code", "i8"),  # of the rhythm; 0: none
        ("onset", "f8"),
        ("free_t", "f8"),  # end of the rhythm before: none begins earlier
        ("run", "i8"),  # ventricular beats in a row
        ("run_t", "f8"),  # the first of them
        ("since_v", "i8"),  # beats since the last ventricular one
        ("v_t", "f8"),  # the last ventricular one
        ("vt", "i8"),  # ventricular tachycardia or rhythm by its beats: its code, or 0
        ("vt_t", "f8"),
        ("period", "i8"),  # beats from one ventricular beat to the next: 2, 3, or 0
        ("cycles", "i8"),  # so many times the same
        ("cycle_t", "f8"),  # the ventricular beat with which that began
        ("cycle_end", "f8"),  # the last beat that kept to it
        ("paced", "i8"),
        ("paced_t", "f8"),  # the first of the paced beats in a row, then the last of all
        ("n_paced", "i8"),
        ("n_unpaced", "i8"),
        ("extreme", "i8", (2,)),  # low, high: said
        ("extreme_t", "f8", (2,)),
        ("wave", "i8"),  # rhythm that the waves alone tell: its code, or 0
        ("wave_t", "f8"),
        ("asystole", "i8"),
    ],
    align=True,
)


@kernel
def begin(state: np.void, t: float) -> None:
    """Forget the beats, as at the begin and after a stretch without a usable signal that ends at t."""
    state["n"] = 0
    state["n_kept"] = 0
    state["since_t"] = t
    state["free_t"] = t
    state["run"] = 0
    state["since_v"] = N_BEATS
    state["vt"] = 0
    state["period"] = 0
    state["cycles"] = 0
    state["paced"] = 0
    state["n_paced"] = 0
    state["n_unpaced"] = 0
    state["asked"] = 0
    state["wave"] = 0
    af.begin(state["af"])


@kernel
def turn(state: np.void, code: int, onset: float, last: float, known: float, out: NDArray[np.void], n: int) -> int:
    """Let another rhythm begin at onset, or none (0): the one before ends there; returns the number of findings so far.

    last : end of the evidence
    """
    if state["code"] == code:
        return n
    onset = max(onset, state["free_t"])
    if state["code"] != 0:
        onset = max(onset, state["onset"])
        n = say(out, n, state["code"], state["onset"], onset, last, known)
        state["free_t"] = onset
    state["code"] = code
    state["onset"] = onset
    if code != 0:
        n = say(out, n, code, onset, np.nan, last, known)
    return n


@kernel
def extreme(params: np.void, state: np.void, side: int, known: float, out: NDArray[np.void], n: int) -> int:
    """Judge the rate over the last beats; returns the number of findings so far."""
    code = codes.EXTREME_BRADYCARDIA if side == LOW else codes.EXTREME_TACHYCARDIA
    t = state["t"][back(state, 0)]
    n_beats = params["n_extreme"][side]
    reached = False
    first = t
    seen = state["wave"] == 0 or (side == HIGH and state["wave"] != codes.VENTRICULAR_FIBRILLATION)
    if state["n"] >= n_beats and seen:  # in waves that tell a rhythm of their own many beats may be missed
        first = state["t"][back(state, n_beats - 1)]
        bpm = 60.0 * params["fs_hz"] * (n_beats - 1) / (t - first)
        limit = params["extreme_bpm"][side]
        slack = RETURN if state["extreme"][side] == 1 else 1.0
        reached = bpm < limit * slack if side == LOW else bpm > limit / slack
    if reached and state["extreme"][side] == 0:
        state["extreme"][side] = 1
        state["extreme_t"][side] = first
        n = say(out, n, code, first, np.nan, t, known)
    elif not reached and state["extreme"][side] == 1:
        state["extreme"][side] = 0
        n = say(out, n, code, state["extreme_t"][side], max(state["extreme_t"][side], state["last_t"]), t, known)
    return n


@kernel
def sinus(params: np.void, state: np.void) -> int:
    """Name the rhythm of beats without anything special by their rate; 0 as long as they are too few."""
    total = 0.0
    n = 0
    for k in range(state["n_kept"]):
        place = back(state, k)
        interval_s = state["interval_s"][place]
        if n == N_RATE or state["t"][place] <= state["free_t"]:
            break
        if interval_s == interval_s:
            total += interval_s
            n += 1
    if n < N_SINUS:
        return 0
    bpm = 60.0 * n / total
    slack = params["hysteresis_bpm"]
    now = state["code"]
    if bpm < params["bradycardia_bpm"] + (slack if now == codes.SINUS_BRADYCARDIA else 0.0):
        return codes.SINUS_BRADYCARDIA
    if bpm > params["tachycardia_bpm"] - (slack if now == codes.SINUS_TACHYCARDIA else 0.0):
        return codes.SINUS_TACHYCARDIA
    return codes.SINUS_RHYTHM


@kernel
def judge(params: np.void, state: np.void, known: float, out: NDArray[np.void], n: int) -> int:
    """Name the rhythm after a beat, by the first rule that holds; returns the number of findings so far."""
    t = state["t"][back(state, 0)]
    now = state["code"]
    fibrillation = state["af"]
    code, onset = 0, t
    if state["wave"] != 0:
        code, onset = state["wave"], state["wave_t"]
    elif state["vt"] == codes.VENTRICULAR_TACHYCARDIA:
        code, onset = codes.VENTRICULAR_TACHYCARDIA, state["vt_t"]
    elif state["paced"] == 1:
        code, onset = codes.PACED_RHYTHM, state["paced_t"]
    elif fibrillation["on"] == 1:
        code, onset = codes.ATRIAL_FIBRILLATION, fibrillation["onset"]
    elif state["period"] > 0 and state["cycles"] >= N_CYCLES[state["period"]]:
        code, onset = codes.BIGEMINY if state["period"] == 2 else codes.TRIGEMINY, state["cycle_t"]
    elif state["vt"] != 0:
        code, onset = state["vt"], state["vt_t"]
    if code == 0:  # the special one that was there, where it ended
        if now in (codes.VENTRICULAR_TACHYCARDIA, codes.VENTRICULAR_RHYTHM):
            onset = state["v_t"]
        elif now in (codes.BIGEMINY, codes.TRIGEMINY):
            onset = state["cycle_end"]
        elif now == codes.ATRIAL_FIBRILLATION:
            onset = fibrillation["end"]
        elif now == codes.PACED_RHYTHM:
            onset = state["t"][back(state, N_PACED)]
        if now not in (0, codes.SINUS_RHYTHM, codes.SINUS_BRADYCARDIA, codes.SINUS_TACHYCARDIA):
            n = turn(state, 0, onset, t, known, out, n)
        code = sinus(params, state)
        if code == 0:
            return n
        onset = state["t"][back(state, min(state["n_kept"] - 1, N_SINUS))] if state["code"] != 0 else state["free_t"]
        if state["code"] == 0:
            for k in range(state["n_kept"] - 1, -1, -1):
                if state["t"][back(state, k)] >= state["free_t"]:
                    onset = state["t"][back(state, k)]
                    break
    return turn(state, code, onset, t, known, out, n)


@kernel
def beat(params: np.void, state: np.void, row: np.void, out: NDArray[np.void], n: int) -> int:
    """Take a beat; returns the number of findings so far."""
    if state["lost"] == 1:
        return n
    t, known = row["t"], row["t_known"]
    interval_s = row["body"][finding.INTERVAL_S]
    label = int(row["body"][finding.LABEL])
    joined = interval_s == interval_s
    poor = row["quality"] < LEAST_QUALITY
    ventricular = label == VENTRICULAR and not poor
    if not joined:
        state["n"] = 0
        state["spoilt"] = 1
    at = state["at"]
    spoilt = ventricular or poor
    state["t"][at] = t
    state["interval_s"][at] = np.nan if spoilt or state["spoilt"] == 1 else interval_s
    state["spoilt"] = 1 if spoilt else 0
    state["at"] = at + 1 if at + 1 < N_BEATS else 0
    state["n"] += 1
    state["n_kept"] = min(state["n_kept"] + 1, N_BEATS)
    if state["asystole"] == 1:
        state["asystole"] = 0
        n = turn(state, 0, t, t, known, out, n)
    if joined and interval_s > params["pause_s"] and state["asked"] == 0 and state["wave"] == 0 and not poor:
        n = say(out, n, codes.PAUSE, state["last_t"], t, t, known)
    if ventricular:
        n = follow_runs(params, state, t, known, out, n)
    if not ventricular:
        n = follow_others(params, state, t, known, out, n)
    follow_pacing(state, t, label == PACED)
    if state["wave"] == 0:
        af.beat(state["af"], t, state["interval_s"][at])
    n = extreme(params, state, LOW, known, out, n)
    n = extreme(params, state, HIGH, known, out, n)
    state["last_t"] = t
    state["since_t"] = t
    state["asked"] = 0
    return judge(params, state, known, out, n)


@kernel
def steady(params: np.void, state: np.void, now: float) -> float:
    """Give the interval in s of the last beats where they come very regularly, else NaN."""
    if state["n"] <= N_STEADY:
        return np.nan
    newest = state["t"][back(state, 0)]
    mean = (newest - state["t"][back(state, N_STEADY)]) / N_STEADY
    for k in range(N_STEADY):
        if abs(state["t"][back(state, k)] - state["t"][back(state, k + 1)] - mean) > STEADY * mean:
            return np.nan
    return float(mean / params["fs_hz"]) if now - newest < 1.5 * mean else np.nan


@kernel
def due(params: np.void, state: np.void, block: int) -> int:
    """Tell at which work sample, of `block` samples, to ask whether the heart stands still."""
    if state["asked"] == 1 or state["lost"] == 1:
        return NEVER
    return int((state["since_t"] + (params["asystole_s"] + params["wait_s"]) * params["fs_hz"]) // block) + 1


@kernel
def silence(state: np.void, now: float, still: bool, out: NDArray[np.void], n: int) -> int:
    """Say an asystole where no beat has come for so long in a signal that is still; returns the number so far."""
    state["asked"] = 1
    if still and state["asystole"] == 0 and state["wave"] == 0:
        state["asystole"] = 1
        n = stop_extremes(state, now, out, n)
        n = turn(state, codes.ASYSTOLE, state["since_t"], now, now, out, n)
    return n


@kernel
def stop_extremes(state: np.void, now: float, out: NDArray[np.void], n: int) -> int:
    """End extreme rates and runs that no beat has ended; returns the number of findings so far."""
    for side in range(2):
        if state["extreme"][side] == 1:
            state["extreme"][side] = 0
            code = codes.EXTREME_BRADYCARDIA if side == LOW else codes.EXTREME_TACHYCARDIA
            n = say(out, n, code, state["extreme_t"][side], state["last_t"], now, now)
    if state["run"] >= N_RUN:
        n = say(out, n, codes.VENTRICULAR_RUN, state["run_t"], state["v_t"], now, now)
    state["run"] = 0
    return n


@kernel
def tick(
    params: np.void, state: np.void, now: float, lost: bool, wave: int, wave_t: float, out: NDArray[np.void], n: int
) -> int:
    """End a second; returns the number of findings so far.

    lost   : no signal is usable: nothing more is said of the patient
    wave   : fibrillation or tachycardia that the waves alone tell, its code, or 0
    wave_t : its onset
    """
    if lost:
        if state["lost"] == 0:
            n = stop_extremes(state, now, out, n)
            lasting = state["code"] == codes.ASYSTOLE or state["wave"] != 0
            n = turn(state, 0, now if lasting else state["last_t"], now, now, out, n)
            state["asystole"] = 0
            state["lost"] = 1
        begin(state, now)
        return n
    state["lost"] = 0
    if wave != state["wave"]:
        state["wave"] = wave
        state["wave_t"] = wave_t
        if wave != 0:
            state["asystole"] = 0
            af.begin(state["af"])  # the intervals of what is no beat tell nothing of the atria
            n = turn(state, wave, wave_t, now, now, out, n)
        else:
            if not (state["vt"] == state["code"] == codes.VENTRICULAR_TACHYCARDIA):
                n = turn(state, 0, wave_t, now, now, out, n)
            state["since_t"] = max(state["since_t"], wave_t)
            state["asked"] = 0
    if state["asystole"] == 0 and now - state["since_t"] > (params["asystole_s"] + 0.5) * params["fs_hz"]:
        state["asked"] = 0  # again, now that another second has passed
    silent = now - state["since_t"] > params["lost_s"] * params["fs_hz"]
    if silent and state["code"] != 0 and state["asystole"] == 0 and wave == 0:
        n = stop_extremes(state, now, out, n)
        n = turn(state, 0, state["last_t"], now, now, out, n)
    return n
