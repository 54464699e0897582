"""Removal of baseline wander by two running medians, one after the other."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.filters import median


@kernel
def step(
    params: NDArray[np.int64],
    state: NDArray[np.int64],
    index: NDArray[np.int64],
    buffer: NDArray[np.float64],
    x: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """Subtract from each sample the median of medians around it.

    params  : samples in the first and in the second window, both odd, [2]
    state   : of both medians and the place in the delay line, [n_channels, 2 N_STATE + 1]
    index   : of the first and then the second median, [n_channels, 4, first + second]
    buffer  : ring of the first, ring of the second, delay line, [n_channels, first + second + delay + 1]; NaN at first
    x       : samples, [n, n_channels]
    out     : samples `delay` before, without their baseline, [n, n_channels]; NaN where that sample is missing, and for
              the first `delay` samples

    Latency: (first - 1) / 2 + (second - 1) / 2 samples, for all frequencies alike.
    Source: P. de Chazal, M. O'Dwyer, R. B. Reilly (2004), IEEE Trans Biomed Eng 51(7), 1196-1206, section II.B: windows
    of 200 ms (takes away QRS and P waves), then 600 ms (takes away T waves).
    """
    first, second = params[0], params[1]
    for c in range(x.shape[1]):
        state_1, state_2 = state[c, : median.N_STATE], state[c, median.N_STATE : 2 * median.N_STATE]
        index_1 = index[c, :, :first]
        index_2 = index[c, :, first:]
        ring_1, ring_2 = buffer[c, :first], buffer[c, first : first + second]
        line = buffer[c, first + second :]
        at = state[c, 2 * median.N_STATE]
        for i in range(x.shape[0]):
            line[at] = x[i, c]
            at = at + 1 if at + 1 < line.shape[0] else 0
            level = median.tick(state_2, index_2, ring_2, median.tick(state_1, index_1, ring_1, x[i, c]))
            y = line[at] - level
            out[i, c] = y if abs(y) < np.inf else np.nan
        state[c, 2 * median.N_STATE] = at
    return x.shape[0]
