"""Cascade of biquads: every IIR filter, notches included."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

ROUNDING = 1e-12  # of the input: what lies so near to rest is rounding noise, and a dead sensor shall stay dead
TINY = 1e-30  # and so is this, in whatever unit
HUGE = 1e100  # beyond it there is no signal: a glitch of 1e300 would ring for minutes


@kernel
def tick(sos: NDArray[np.float64], zi: NDArray[np.float64], v: float) -> float:
    """Filter one sample.

    sos : sections as scipy designs them, [n_sections, 6], a0 = 1
    zi  : memory of each section, [n_sections, 2]

    Source: transposed direct form II, the order of operations of `scipy.signal.sosfilt`.
    """
    for k in range(sos.shape[0]):
        y = sos[k, 0] * v + zi[k, 0]
        zi[k, 0] = sos[k, 1] * v - sos[k, 4] * y + zi[k, 1]
        zi[k, 1] = sos[k, 2] * v - sos[k, 5] * y
        v = y
    return v


@kernel
def _gain(sos: NDArray[np.float64]) -> float:
    """Give the gain at 0 Hz."""
    gain = 1.0
    for k in range(sos.shape[0]):
        gain *= (sos[k, 0] + sos[k, 1] + sos[k, 2]) / (1.0 + sos[k, 4] + sos[k, 5])
    return gain


@kernel
def settle(sos: NDArray[np.float64], zi: NDArray[np.float64], v: float) -> None:
    """Put the memory where it would be if the input had been `v` for ever: `sosfilt_zi(sos) * v`.

    sos, zi, v : as in `tick`; no section has a pole at 1
    """
    for k in range(sos.shape[0]):
        y = _gain(sos[k : k + 1]) * v
        z1 = sos[k, 2] * v - sos[k, 5] * y
        zi[k, 0] = sos[k, 1] * v - sos[k, 4] * y + z1
        zi[k, 1] = z1
        v = y


@kernel
def _one(sos: NDArray[np.float64], zi: NDArray[np.float64], x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Filter one channel by one section whose memory stays in registers.

    sos, zi : section, [1, 6]; memory, [1, 2]
    x, out  : [n]; may be the same array
    """
    b0, b1, b2, a1, a2 = sos[0, 0], sos[0, 1], sos[0, 2], sos[0, 4], sos[0, 5]
    z0, z1 = zi[0, 0], zi[0, 1]
    gain = _gain(sos)
    for i in range(x.shape[0]):
        v = x[i]
        y = np.nan
        if v == v:
            y = b0 * v + z0
            z0 = b1 * v - a1 * y + z1
            z1 = b2 * v - a2 * y
            if not abs(y) < HUGE:
                settle(sos, zi, v)
                y = tick(sos, zi, v)
                if not abs(y) < HUGE:
                    zi[:] = np.nan
                    y = np.nan
                z0, z1 = zi[0, 0], zi[0, 1]
            rest = gain * v
            if abs(y - rest) < ROUNDING * abs(v) + TINY:
                y = rest
        out[i] = y
    zi[0, 0], zi[0, 1] = z0, z1


@kernel
def _two(sos: NDArray[np.float64], zi: NDArray[np.float64], x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Filter one channel by two sections at once: the processor works on both, so the second costs next to nothing.

    sos, zi : sections, [2, 6]; memory, [2, 2]
    x, out  : [n]; may be the same array
    """
    b0, b1, b2, a1, a2 = sos[0, 0], sos[0, 1], sos[0, 2], sos[0, 4], sos[0, 5]
    d0, d1, d2, c1, c2 = sos[1, 0], sos[1, 1], sos[1, 2], sos[1, 4], sos[1, 5]
    z0, z1, w0, w1 = zi[0, 0], zi[0, 1], zi[1, 0], zi[1, 1]
    gain = _gain(sos)
    for i in range(x.shape[0]):
        v = x[i]
        y = np.nan
        if v == v:
            u = b0 * v + z0
            z0 = b1 * v - a1 * u + z1
            z1 = b2 * v - a2 * u
            y = d0 * u + w0
            w0 = d1 * u - c1 * y + w1
            w1 = d2 * u - c2 * y
            if not abs(y) < HUGE:
                settle(sos, zi, v)
                y = tick(sos, zi, v)
                if not abs(y) < HUGE:
                    zi[:] = np.nan
                    y = np.nan
                z0, z1, w0, w1 = zi[0, 0], zi[0, 1], zi[1, 0], zi[1, 1]
            rest = gain * v
            if abs(y - rest) < ROUNDING * abs(v) + TINY:
                y = rest
        out[i] = y
    zi[0, 0], zi[0, 1], zi[1, 0], zi[1, 1] = z0, z1, w0, w1


@kernel
def step(sos: NDArray[np.float64], zi: NDArray[np.float64], x: NDArray[np.float64], out: NDArray[np.float64]) -> int:
    """Filter a chunk of every channel; a missing sample (NaN) gives NaN and leaves the memory as it was.

    zi  : memory, [n_channels, n_sections, 2]; zeros begin from rest as scipy does, NaN begins in the steady state of
          the first sample that is there
    x   : samples, [n, n_channels]
    out : filtered, [n, n_channels]; at rest exactly where it lies within rounding of rest; sections whose output would
          not lie below `HUGE` begin anew at that sample
    """
    n_sections = sos.shape[0]
    for c in range(x.shape[1]):
        y = x[:, c]
        k = 0
        while k + 1 < n_sections:
            _two(sos[k : k + 2], zi[c, k : k + 2], y, out[:, c])
            y = out[:, c]
            k += 2
        if k < n_sections:
            _one(sos[k:], zi[c, k:], y, out[:, c])
    return x.shape[0]


@kernel
def step_many(
    soses: NDArray[np.float64],
    zis: NDArray[np.float64],
    slots: NDArray[np.int64],
    offsets: NDArray[np.int64],
    x: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """Filter the chunks of many streams of a table, one after the other.

    soses   : sections of each row, [n_slots, n_sections, 6]
    zis     : memory of each row, [n_slots, n_channels, n_sections, 2]
    slots   : row of each chunk, [k]
    offsets : chunk i is x[offsets[i]:offsets[i + 1]], [k + 1]
    x, out  : samples and filtered samples of all chunks, [offsets[k], n_channels]
    """
    for i in range(slots.shape[0]):
        a, b = offsets[i], offsets[i + 1]
        step(soses[slots[i]], zis[slots[i]], x[a:b], out[a:b])
    return x.shape[0]
