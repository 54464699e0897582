"""Statistics of the last n samples: mean, minimum, maximum.

A sample that is missing (NaN) or infinite takes its place in the window and is left out of the statistic; a window
with no sample gives NaN. At the beginning the window is as long as the stream.

Nothing is ever subtracted. Time is cut into blocks of n samples by sample index; a window is the tail of one block and
the head of the next, so its sum is one suffix sum of the old block and one running sum of the new. Nothing drifts, a
huge value is forgotten as soon as it leaves, and a sum hangs on the sample index alone, not on the chunks.

Source: M. van Herk (1992), Pattern Recognition Letters 13(7), 517-521; J. Gil and M. Werman (1993), IEEE PAMI 15(5),
504-507; for sums: Tangwongsan, Hirzel and Schneider (2015), PVLDB 8(7), 702-713.
"""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel


@kernel
def step_mean(
    params: NDArray[np.int64],
    places: NDArray[np.int64],
    buffer: NDArray[np.float64],
    x: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """Average the last n samples of every channel.

    params : n, [1]
    places : place of the next sample in its block, 0 to n - 1, [n_channels]; zeros at first
    buffer : sums, then counts, each of the block's running value and n places, [n_channels, 2 (1 + n)]; zeros at first
    x      : samples, [n_x, n_channels]
    out    : means, [n_x, n_channels]; NaN where the sum overflows

    Latency: none; the mean of a window of n samples lies (n - 1) / 2 samples back.
    """
    n = params[0]
    for c in range(x.shape[1]):
        sums, counts = buffer[c, : n + 1], buffer[c, n + 1 :]
        place = places[c]
        for i in range(x.shape[0]):
            v = x[i, c]
            there = 1.0
            if not abs(v) < np.inf:
                v = 0.0
                there = 0.0
            sums[0] += v
            counts[0] += there
            # the suffix that begins at this place has left the window, and its room takes the new sample
            sums[1 + place] = v
            counts[1 + place] = there
            place += 1
            total, count = sums[0], counts[0]
            if place < n:
                total += sums[1 + place]
                count += counts[1 + place]
            else:
                for k in range(n - 1, 0, -1):
                    sums[k] += sums[k + 1]
                    counts[k] += counts[k + 1]
                sums[0] = 0.0
                counts[0] = 0.0
                place = 0
            y = np.nan
            if count > 0.0:
                y = total / count
                if not abs(y) < np.inf:
                    y = np.nan
            out[i, c] = y
        places[c] = place
    return x.shape[0]


@kernel
def step_max(
    params: NDArray[np.int64],
    places: NDArray[np.int64],
    buffer: NDArray[np.float64],
    x: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """Find the largest or smallest of the last n samples of every channel.

    params : n; 1 for the largest, -1 for the smallest, [2]
    places : place of the next sample in its block, 0 to n - 1, [n_channels]; zeros at first
    buffer : the block's running value and n places, [n_channels, 1 + n]; -inf at first
    x      : samples, [n_x, n_channels]
    out    : extremes, [n_x, n_channels]
    """
    n, sign = params[0], float(params[1])
    for c in range(x.shape[1]):
        tops = buffer[c]
        place = places[c]
        for i in range(x.shape[0]):
            v = sign * x[i, c]
            if not abs(v) < np.inf:
                v = -np.inf
            if v > tops[0]:
                tops[0] = v
            tops[1 + place] = v
            place += 1
            top = tops[0]
            if place < n:
                if tops[1 + place] > top:
                    top = tops[1 + place]
            else:
                for k in range(n - 1, 0, -1):
                    if tops[k + 1] > tops[k]:
                        tops[k] = tops[k + 1]
                tops[0] = -np.inf
                place = 0
            out[i, c] = sign * top if top > -np.inf else np.nan
        places[c] = place
    return x.shape[0]
