"""Respiration as it shows in an ECG: breathing turns the heart against the electrodes, and R peaks grow and shrink."""

import numpy as np

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel

DELAY_S = 1.3  # the value is about so long ago: by then the beat behind that time is known, from 60 /min on
STALE_S = 5.0  # without a beat for so long there is no value
N_BEATS = 8
N_MEAN = 32  # beats over which the mean runs
N_TURNED = 4  # beats in a row that point the other way before that is the way they point
SOUND = 0.5  # least quality of a beat

PARAMS = np.dtype([("fs_hz", "f8")], align=True)

# Zeros are an empty memory.
STATE = np.dtype(
    [
        ("t", "f8", (N_BEATS,)),  # ring of beats, samples
        ("value", "f8", (N_BEATS,)),  # amplitude over the mean, less 1
        ("n", "i8"),  # beats since the lead changed
        ("mean", "f8"),
        ("lead", "i8"),
        ("n_turned", "i8"),
    ],
    align=True,
)


@kernel
def beat(state: np.void, row: np.void) -> None:
    """Take a beat, a FINDING row: one of a class beside N and Q, or of poor quality, is passed over.

    In another lead the mean begins anew. A beat that points the other way is passed over, unless all do from now on.
    """
    label = row["body"][finding.LABEL]
    amplitude = row["body"][finding.AMPLITUDE]
    if row["quality"] < SOUND or not (label == 78.0 or label == 81.0) or not (abs(amplitude) > 0.0):  # N, Q
        return
    turned = state["n"] > 0 and amplitude * state["mean"] < 0.0
    state["n_turned"] = state["n_turned"] + 1 if turned else 0
    if row["channel"] != state["lead"] or state["n_turned"] == N_TURNED:
        state["n"] = 0
        state["n_turned"] = 0
        state["lead"] = row["channel"]
    elif turned:
        return
    n = state["n"]
    mean = state["mean"] + (amplitude - state["mean"]) / min(n + 1, N_MEAN)  # of the first beat: itself
    state["mean"] = mean
    state["t"][n % N_BEATS] = row["t"]
    state["value"][n % N_BEATS] = amplitude / mean - 1.0
    state["n"] = n + 1


@kernel
def at(params: np.void, state: np.void, t: float) -> float:
    """Tell the value DELAY_S before t, between the beats around that time; of the newest beat if it lies before."""
    n = state["n"]
    k = n - 1
    if n < 2 or not (t - state["t"][k % N_BEATS] <= STALE_S * params["fs_hz"]):
        return np.nan
    about = t - DELAY_S * params["fs_hz"]
    last: float = state["value"][k % N_BEATS]
    if state["t"][k % N_BEATS] <= about:
        return last
    while k > 0 and k > n - N_BEATS and state["t"][(k - 1) % N_BEATS] > about:
        k -= 1
    if k == 0 or k == n - N_BEATS:
        return np.nan
    after = state["t"][k % N_BEATS]
    before = state["t"][(k - 1) % N_BEATS]
    low = state["value"][(k - 1) % N_BEATS]
    return low + (state["value"][k % N_BEATS] - low) * (about - before) / (after - before)


@kernel
def tell(params: np.void, state: np.void, t: float, quality: float, reasons: int, row: np.void) -> None:
    """Write the feature of the second that ends at t."""
    value = at(params, state, t)
    row["slot"] = 0
    row["what"] = finding.FEATURE
    row["code"] = codes.ECG_RESPIRATION
    row["channel"] = state["lead"]
    row["t"] = max(0.0, t - DELAY_S * params["fs_hz"])
    row["t_known"] = t
    row["quality"] = quality
    row["reasons"] = reasons if value == value else reasons | codes.TOO_FEW_BEATS
    row["body"][:] = np.nan
    row["body"][finding.VALUE] = value
    row["body"][finding.WINDOW_S] = 1.0
