"""Slope by central difference."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel


@kernel
def step(
    params: NDArray[np.float64], memory: NDArray[np.float64], x: NDArray[np.float64], out: NDArray[np.float64]
) -> int:
    """Differentiate a chunk of every channel; NaN where either of the two samples is missing.

    params : sampling rate, [1], Hz
    memory : the last two samples, older first, [n_channels, 2]; NaN before there are any
    x      : samples, [n, n_channels]
    out    : slope at the sample before, unit of x a second, [n, n_channels]

    Latency: one sample.
    """
    half = 0.5 * params[0]
    for c in range(x.shape[1]):
        older, old = memory[c, 0], memory[c, 1]
        for i in range(x.shape[0]):
            v = x[i, c]
            y = (v - older) * half
            out[i, c] = y if abs(y) < np.inf else np.nan
            older = old
            old = v
        memory[c, 0], memory[c, 1] = older, old
    return x.shape[0]
