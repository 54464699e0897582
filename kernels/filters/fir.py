"""Finite impulse response: a dot product whose order of summation never changes."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel


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
def observe(rings: NDArray[np.float64], at: int, v: float) -> None:
    """Put a sample into the rings of one channel; each ring is kept twice, so that a window is one piece.

    rings : with every gap filled by the sample before it, and as the samples came, [2, 2 n]; NaN at first. The last n
            samples are `rings[:, at + 1 : at + 1 + n]` afterwards, oldest first
    at    : place of the oldest sample, 0 to n - 1
    v     : sample; NaN and infinities are missing. What lies before the first that is there is filled with it
    """
    n = rings.shape[1] // 2
    if not abs(v) < np.inf:
        v = np.nan
    last = rings[0, at + n - 1]
    if last != last:
        rings[0, :] = v
        last = v
    rings[1, at] = rings[1, at + n] = v
    rings[0, at] = rings[0, at + n] = v if v == v else last


@kernel
def step(
    params: tuple[NDArray[np.int64], NDArray[np.float64]],
    place: NDArray[np.int64],
    rings: NDArray[np.float64],
    x: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """Filter a chunk of every channel.

    A missing sample (NaN) is stood in for by the one before it inside the filter, and what lies at its place comes out
    as NaN: a gap keeps its place and its length. What lies before the stream's first sample is NaN too; the filter
    takes it for that sample's value.

    params : samples by which the filter's middle lies behind, [2]: the one or two that are there; then the impulse
             response, last tap first, [n_taps]
    place  : of the oldest sample in the rings, [1]; zero at first
    rings  : as in `observe`, [n_channels, 2, 2 n_taps]
    x      : samples, [n, n_channels]
    out    : filtered, [n, n_channels]; NaN where the sum overflows
    """
    middle, reversed_taps = params
    n_taps = reversed_taps.shape[0]
    at = place[0]
    for i in range(x.shape[0]):
        start = at + 1
        for c in range(x.shape[1]):
            observe(rings[c], at, x[i, c])
            newest = at + n_taps
            y = np.nan
            one, other = rings[c, 1, newest - middle[0]], rings[c, 1, newest - middle[1]]
            if one == one and other == other:
                y = dot(reversed_taps, rings[c, 0, start : start + n_taps])
                if not abs(y) < np.inf:
                    y = np.nan
            out[i, c] = y
        at = start if start < n_taps else 0
    place[0] = at
    return x.shape[0]
