"""Lead the kernels of beat classes over whole recordings, with the truth or a model saying what they learn from."""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.beats import beat_class
from vitalcore.kernels.beats.beat_class import N_CLASSES, N_FINAL, N_USED
from vitalcore.kernels.leads import tape
from vitalcore.kernels.models import forest
from vitalcore.kernels.qrs import energy

Array = NDArray[np.float64]
WAIT_S = 1.2  # as vitalcore.operators.ecg.WAVES_S
NO_TREES = forest.sieve(forest.from_outputs([{"base": 0.0, "trees": []}] * N_CLASSES))


@numba.njit(nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]  # numba has no types
def _walk(
    params: Any, q: Any, state: Any, buffer: Any, fs_hz: float, t: Any, known: Any, interval: Any, v: Any, s: Any,
    first: Any, final: Any, closed: bool, x: Any, seen: Any, scores: Any,
) -> None:  # fmt: skip
    n_seen = params["n_ring"]
    n = len(t)
    for i in range(n + 1):
        late = i == n or known[i] > t[i - 1] + WAIT_S * fs_hz  # its waves were measured before the next beat was known
        if not late:
            beat_class.read(params, q, state, buffer, t[i], n_seen)
        if i > 0:
            after = WAIT_S if late else (t[i] - t[i - 1]) / fs_hz
            beat_class.follow(params, state, buffer, fs_hz, n_seen, after, 0 if late else 1)
            for k in range(N_USED):
                seen[i - 1, k] = state["seen"][k]
                x[i - 1, k] = state["x"][k]
            if closed:
                beat_class.final(final, state)
                scores[1, i - 1] = state["score"]
            else:
                beat_class.conclude(state, v[i - 1], s[i - 1])
        if late and i < n:
            beat_class.read(params, q, state, buffer, t[i], n_seen)
        if i < n:
            beat_class.admit(state, t[i], interval[i])
            if closed:
                beat_class.first(first, state)
                scores[0, i] = state["score"]


def walk(
    signal: Array,
    fs_hz: float,
    t: Array,
    t_known: Array,
    interval_s: Array,
    truth: tuple[Array, Array] | None,
    models: Sequence[forest.Sieve] | None,
) -> tuple[Array, NDArray[np.int64], Array]:
    """Return the features of all beats [n, leads, N_FINAL], where they could be read, and scores [2, n, N_CLASSES].

    signal : [n, n_leads]
    truth  : how much each beat is ventricular and supraventricular, where no model says it
    models : for the first and the final answer
    """
    n_leads = min(signal.shape[1], N_USED)
    params, q = np.zeros(1, tape.PARAMS), np.zeros(1, energy.PARAMS)
    params["n_leads"], params["block"] = n_leads, 1
    params["n_ring"] = params["n_keep"] = len(signal)
    params["at"] = n_leads
    q["n_leads"], q["stride"], q["fs_hz"] = n_leads, 1, fs_hz
    heads = np.full(n_leads, 2.0)
    rings = np.ascontiguousarray(signal[:, :n_leads].T).ravel()
    buffer = np.concatenate([heads, np.zeros(energy.USABLE), rings])
    buffer[: n_leads + energy.USABLE] = 2.0  # every lead is good
    params["at"] = n_leads + energy.USABLE
    state = np.zeros(1, beat_class.STATE)
    beat_class.begin(state[0], n_leads)
    n = len(t)
    x = np.zeros((n, N_USED, N_FINAL))
    seen = np.zeros((n, N_USED), np.int64)
    scores = np.zeros((2, n, N_CLASSES))
    v, s = truth if truth is not None else (np.zeros(n), np.zeros(n))
    first, final = models if models is not None else (NO_TREES, NO_TREES)
    _walk(
        params[0], q[0], state[0], buffer, fs_hz, np.ascontiguousarray(t), np.ascontiguousarray(t_known),
        np.ascontiguousarray(interval_s), v, s,
        first, final, models is not None, x, seen, scores,
    )  # fmt: skip
    return x, seen, scores
