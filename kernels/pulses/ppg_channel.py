"""One wavelength of a PPG: its display wave, mean level, pulsatile part, and whether it lives at all."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.pulses import pulse

LOWEST_PI, HIGHEST_PI = 0.1, 50.0  # %: little perfusion; no true mean level
N_HEAD = 11  # numbers of a channel before its ring of samples; their places:
ZI, BASE, DC, AC, N_AC, N_MISSING, VALUE, N_SAME = 0, 4, 5, 6, 7, 8, 9, 10


@kernel
def tick(p: np.void, memory: NDArray[np.float64], slot: int, x: float) -> float:
    """Take one sample: keep it, follow the level, give the display wave (NaN where the sample is missing).

    p      : vitalcore.kernels.ppg.PARAMS
    memory : N_HEAD numbers, then the ring of the last samples; BASE begins as NaN, all else as 0
    slot   : the sample's place in the ring
    """
    if not -pulse.LIMIT <= x <= pulse.LIMIT:
        memory[N_HEAD + slot] = np.nan
        memory[N_MISSING] += 1.0
        return np.nan
    if memory[BASE] != memory[BASE] or memory[N_MISSING] > p["pulse"]["n_hold"]:
        memory[:N_HEAD] = 0.0
        memory[BASE] = memory[DC] = x  # the filter begins at rest on the first sample
    memory[N_MISSING] = 0.0
    memory[N_SAME] = memory[N_SAME] + 1.0 if x == memory[VALUE] else 1.0
    memory[VALUE] = x
    memory[DC] += (x - memory[DC]) * p["level_rate"]
    memory[N_HEAD + slot] = x
    sos = p["sos"]
    v = x - memory[BASE]
    for k in range(2):
        y = sos[k, 0] * v + memory[ZI + 2 * k]
        memory[ZI + 2 * k] = sos[k, 1] * v - sos[k, 4] * y + memory[ZI + 2 * k + 1]
        memory[ZI + 2 * k + 1] = sos[k, 2] * v - sos[k, 5] * y
        v = y
    return v


@kernel
def alive(memory: NDArray[np.float64], n: float) -> bool:
    """Tell whether the last n samples are there and not all the same."""
    return memory[BASE] == memory[BASE] and memory[N_MISSING] == 0.0 and memory[N_SAME] < n


@kernel
def dead(memory: NDArray[np.float64], n: float) -> bool:
    """Tell whether the last n samples are all missing or all the same."""
    return memory[N_MISSING] >= n or memory[N_SAME] >= n


@kernel
def mean_at(ring: NDArray[np.float64], n: int, slot: int, at: int, m: int) -> float:
    """Average samples at - m to at + m of a ring whose newest is sample n in place slot; NaN where one lacks."""
    if at - m <= n - len(ring) or at + m > n:
        return np.nan
    total = 0.0
    for j in range(at - m, at + m + 1):
        k = slot - (n - j)
        total += ring[k if k >= 0 else k + len(ring)]
    return total / (2 * m + 1)


@kernel
def take_pulse(p: np.void, memory: NDArray[np.float64], n: int, slot: int, top_at: int, low_at: int) -> None:
    """Learn the pulsatile part from a pulse with its peak and trough at these samples.

    n, slot : the newest sample and its place in the ring
    """
    ring, m = memory[N_HEAD:], p["pulse"]["n_fit"] // 2
    swing = p["pulse"]["sign"] * (mean_at(ring, n, slot, top_at, m) - mean_at(ring, n, slot, low_at, m))
    if swing == swing:
        memory[N_AC] += 1.0
        memory[AC] += (swing - memory[AC]) / min(memory[N_AC], 5.0)


@kernel
def perfusion(memory: NDArray[np.float64]) -> tuple[float, int]:
    """Give the perfusion index in % and the reasons against it; NaN where there is none."""
    if memory[N_MISSING] > 0.0:
        return np.nan, codes.MISSING
    if memory[N_AC] < 2.0:
        return np.nan, codes.TOO_FEW_BEATS
    if memory[AC] <= 0.0:  # this wavelength does not pulse
        return np.nan, codes.LOW_PERFUSION
    if not HIGHEST_PI * memory[DC] >= 100.0 * memory[AC]:
        return np.nan, codes.NO_DC
    index = 100.0 * memory[AC] / memory[DC]
    return index, codes.LOW_PERFUSION if index < LOWEST_PI else 0
