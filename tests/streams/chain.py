"""A chain small enough to be right at sight: a beat where a sample exceeds 1, two features a second, the wave as it is.

The second feature is about the sample before.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ParameterError
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import BEAT, FEATURE, FINDING, INTERVAL_S, VALUE
from vitalcore.operator import Design, Signal, record

STATE = np.dtype([("i", "i8"), ("last", "f8"), ("sum", "f8")], align=True)


def step(params: Any, state: Any, buffer: Any, x: Any, wave: Any, out: Any) -> int:
    k = 0
    for i in range(len(x)):
        value, t = x[i, -1], x[i, 0] if params["timed"] else float(state["i"])
        wave[i] = x[i, -wave.shape[1] :]
        found: list[tuple[int, int, int, float]] = []
        if value > 1:
            found.append((BEAT, codes.HEART_BEAT, INTERVAL_S, (t - state["last"]) / params["fs"]))
            state["last"] = t
        state["sum"] += value if value == value else 0.0
        if state["i"] % params["second"] == 0:
            found.append((FEATURE, codes.HEART_RATE, VALUE, float(state["sum"])))
            found.append((FEATURE, codes.SIGNAL_QUALITY, VALUE, 1.0))
        for what, code, place, number in found:
            row = np.zeros((), FINDING)
            about = t - 1 if code == codes.SIGNAL_QUALITY else t
            row["what"], row["code"], row["channel"], row["t"], row["t_known"] = what, code, -1, about, t
            row["quality"] = 1.0
            row["body"] = np.nan
            row["body"][place] = number
            out[k] = row
            k += 1
        state["i"] += 1
    return k


def step_many(
    params: Any,
    kinds: Any,
    states: Any,
    buffers: Any,
    slots: Any,
    offsets: Any,
    x: Any,
    wave: Any,
    out: NDArray[Any],
) -> int:
    k = 0
    for i, slot in enumerate(slots):
        a, b = offsets[i], offsets[i + 1]
        n = step(params[kinds[slot]], states[slot], buffers[slot], x[a:b], wave[a:b], out[k:])
        out["slot"][k : k + n] = slot
        k += n
    return k


def _capacity(n: int) -> int:
    return 3 * n


@dataclass(frozen=True)
class Peaks:
    """The chain as an operator."""

    def design(self, signal: Signal) -> Design:
        if signal.fs_hz is not None and signal.fs_hz > 1000:
            raise ParameterError(f"fs_hz is {float(signal.fs_hz):g} Hz; Peaks takes at most 1000 Hz")
        fs = 1e9 if signal.fs_hz is None else float(signal.fs_hz)
        second = 30 if signal.fs_hz is None else math.ceil(signal.fs_hz)
        params = record(fs=fs, second=second, timed=signal.fs_hz is None)
        memory = np.zeros(1, STATE), np.zeros(1)
        findings = Signal(signal.name, signal.fs_hz, what="findings")
        wave = Signal(signal.name, signal.fs_hz, signal.channels, signal.unit)
        return Design(step, params, memory, findings, 0.0, _capacity, wave, step_many)
