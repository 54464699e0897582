"""Cascade of biquads: every IIR filter, notches included."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.kernel import kernel


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
def step(sos: NDArray[np.float64], zi: NDArray[np.float64], x: NDArray[np.float64], out: NDArray[np.float64]) -> int:
    """Filter a chunk of every channel; a missing sample (NaN) gives NaN and leaves the memory as it was.

    zi  : memory, [n_channels, n_sections, 2]
    x   : samples, [n, n_channels]
    out : filtered, [n, n_channels]
    """
    for c in range(x.shape[1]):
        z = zi[c]
        for i in range(x.shape[0]):
            v = x[i, c]
            out[i, c] = tick(sos, z, v) if v == v else np.nan
    return x.shape[0]
