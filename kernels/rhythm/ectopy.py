"""Beats that do not go the usual way: runs, couplets and regular returns of ventricular ones, and paced ones.

All of it reads and writes the state of `rhythm`, of which it is a part.
"""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel

N_BEATS = 32  # remembered
N_PACED = 3  # beats in a row that begin and end a paced rhythm
N_RUN = 3  # ventricular beats in a row that are a run
BREAK = 2  # other beats in a row that end a ventricular tachycardia or rhythm
RETURN = 1.05  # how far behind its limit a rate must be to end what it made


@kernel
def back(state: np.void, k: int) -> int:
    """Tell where in the rings the beat k before the newest (k = 0) is."""
    return int((state["at"] - 1 - k) % N_BEATS)


@kernel
def say(out: NDArray[np.void], n: int, code: int, t: float, end: float, last: float, known: float) -> int:
    """Write an event, or its end; returns the number of findings so far.

    last : end of the evidence
    """
    row = out[n]
    row["slot"] = 0
    row["what"] = finding.EVENT
    row["code"] = code
    row["channel"] = -1
    row["t"] = t
    row["t_known"] = known
    row["quality"] = 1.0
    row["reasons"] = 0
    row["body"][:] = np.nan
    row["body"][finding.T_END] = end
    row["body"][finding.EVIDENCE_FROM] = np.floor(t)
    row["body"][finding.EVIDENCE_TO] = min(np.ceil(last), known)
    return n + 1


@kernel
def follow_runs(params: np.void, state: np.void, t: float, known: float, out: NDArray[np.void], n: int) -> int:
    """Take a ventricular beat; returns the number of findings so far."""
    gap = state["since_v"] + 1
    state["since_v"] = 0
    if gap == 1 and state["run"] > 0:
        state["run"] += 1
    else:
        state["run"] = 1
        state["run_t"] = t
    if gap in (2, 3) and state["n_kept"] > gap:
        if gap != state["period"]:
            state["period"] = gap
            state["cycles"] = 0
            state["cycle_t"] = state["v_t"]
        state["cycles"] += 1
    else:
        state["period"] = 0
        state["cycles"] = 0
    state["v_t"] = t
    state["cycle_end"] = t
    if state["run"] == N_RUN:
        n = say(out, n, codes.VENTRICULAR_RUN, state["run_t"], np.nan, t, known)
    if state["run"] >= params["n_vt"]:
        first = state["t"][back(state, params["n_vt"] - 1)]
        bpm = 60.0 * params["fs_hz"] * (params["n_vt"] - 1) / (t - first)
        fast = params["vt_bpm"] / RETURN if state["vt"] == codes.VENTRICULAR_TACHYCARDIA else params["vt_bpm"]
        kind = codes.VENTRICULAR_TACHYCARDIA if bpm > fast else codes.VENTRICULAR_RHYTHM
        if bpm >= params["slowest_bpm"] and kind != state["vt"]:
            state["vt"] = kind
            state["vt_t"] = first
    return n


@kernel
def follow_others(params: np.void, state: np.void, t: float, known: float, out: NDArray[np.void], n: int) -> int:
    """Take a beat that is not ventricular; returns the number of findings so far."""
    state["since_v"] += 1
    if state["run"] >= N_RUN:
        n = say(out, n, codes.VENTRICULAR_RUN, state["run_t"], state["v_t"], t, known)
    elif state["run"] == 2:
        n = say(out, n, codes.COUPLET, state["run_t"], state["v_t"], t, known)
    state["run"] = 0
    if state["since_v"] >= BREAK:
        state["vt"] = 0
    if state["since_v"] < state["period"]:
        state["cycle_end"] = t
    else:
        state["period"] = 0
        state["cycles"] = 0
    return n


@kernel
def follow_pacing(state: np.void, t: float, paced: bool) -> None:
    """Take a beat into the count of paced ones."""
    if not paced:
        state["n_paced"] = 0
        state["n_unpaced"] += 1
        if state["n_unpaced"] >= N_PACED:
            state["paced"] = 0
        return
    state["n_unpaced"] = 0
    state["n_paced"] += 1
    if state["n_paced"] == N_PACED:
        state["paced"] = 1
        state["paced_t"] = state["t"][back(state, N_PACED - 1)]
