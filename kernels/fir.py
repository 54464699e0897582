"""Finite impulse response: a dot product whose order of summation never changes."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.kernel import kernel


@kernel
def dot(taps: NDArray[np.float64], window: NDArray[np.float64]) -> float:
    """Sum `taps * window` in four interleaved sums, always in the same order.

    taps, window : [n], [n]
    """
    n = taps.shape[0]
    a = b = c = d = 0.0
    i = 0
    while i + 4 <= n:
        a += taps[i] * window[i]
        b += taps[i + 1] * window[i + 1]
        c += taps[i + 2] * window[i + 2]
        d += taps[i + 3] * window[i + 3]
        i += 4
    while i < n:
        a += taps[i] * window[i]
        i += 1
    return (a + b) + (c + d)


@kernel
def remember(ring: NDArray[np.float64], head: int, v: float) -> int:
    """Put a sample into a ring that is kept twice, and return the next head.

    ring : [2 n]; afterwards the last n samples are `ring[next:next + n]`, oldest first
    head : place of the oldest sample, 0 to n - 1; -1 before the first: the ring is then filled with `v`
    """
    n = ring.shape[0] // 2
    if head < 0:
        ring[:] = v
        head = 0
    ring[head] = v
    ring[head + n] = v
    head += 1
    return head if head < n else 0


@kernel
def step(
    reversed_taps: NDArray[np.float64],
    heads: NDArray[np.int64],
    ring: NDArray[np.float64],
    x: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """Filter a chunk of every channel; a missing sample (NaN) gives NaN and leaves the memory as it was.

    reversed_taps : impulse response, last tap first, [n_taps]
    heads : place of the oldest sample, [n_channels]; -1 begins in the steady state of the first sample that is there
    ring  : the last samples of each channel, twice, [n_channels, 2 n_taps]
    x     : samples, [n, n_channels]
    out   : filtered, [n, n_channels]; NaN where the sum overflows
    """
    n_taps = reversed_taps.shape[0]
    for c in range(x.shape[1]):
        head = heads[c]
        for i in range(x.shape[0]):
            v = x[i, c]
            y = np.nan
            if v == v:
                head = remember(ring[c], head, v)
                y = dot(reversed_taps, ring[c, head : head + n_taps])
                if not abs(y) < np.inf:
                    y = np.nan
            out[i, c] = y
        heads[c] = head
    return x.shape[0]
