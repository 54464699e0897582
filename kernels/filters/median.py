"""Median of the last n samples, by two heaps of places.

The lower half of the window is a heap with its largest on top, the upper half one with its smallest on top. Both hold
places of the ring, and each place knows where it stands, so a sample that leaves is found at once: O(log n) a sample.

Source: J. W. J. Williams (1964), CACM 7(6), 347-348 (heap); the two-heap running median is folklore.
"""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

# state of one running median, int64 [N_STATE]
HEAD, N_LOW, N_HIGH = 0, 1, 2
N_STATE = 3
# rows of `index`, int64 [4, n]
LOW, HIGH, WHERE, SIDE = 0, 1, 2, 3
NOWHERE = -1  # side of a place that holds no sample


@kernel
def reset(state: NDArray[np.int64], index: NDArray[np.int64]) -> None:
    """Forget everything."""
    state[:] = 0
    index[:] = 0
    index[SIDE] = NOWHERE


@kernel
def _lift(ring: NDArray[np.float64], index: NDArray[np.int64], side: int, k: int) -> None:
    """Move element k of a heap up to where it belongs."""
    heap, where = index[side], index[WHERE]
    sign = -1.0 if side == LOW else 1.0
    place = heap[k]
    key = sign * ring[place]
    while k > 0:
        parent = (k - 1) // 2
        above = heap[parent]
        if not key < sign * ring[above]:
            break
        heap[k] = above
        where[above] = k
        k = parent
    heap[k] = place
    where[place] = k


@kernel
def _sink(ring: NDArray[np.float64], index: NDArray[np.int64], side: int, k: int, size: int) -> None:
    """Move element k of a heap down to where it belongs."""
    heap, where = index[side], index[WHERE]
    sign = -1.0 if side == LOW else 1.0
    place = heap[k]
    key = sign * ring[place]
    while True:
        child = 2 * k + 1
        if child >= size:
            break
        if child + 1 < size and sign * ring[heap[child + 1]] < sign * ring[heap[child]]:
            child += 1
        below = heap[child]
        if not sign * ring[below] < key:
            break
        heap[k] = below
        where[below] = k
        k = child
    heap[k] = place
    where[place] = k


@kernel
def _insert(ring: NDArray[np.float64], state: NDArray[np.int64], index: NDArray[np.int64], side: int, at: int) -> None:
    """Add a place to one side."""
    size = state[N_LOW + side]
    index[side, size] = at
    index[SIDE, at] = side
    state[N_LOW + side] = size + 1
    _lift(ring, index, side, size)


@kernel
def _remove(ring: NDArray[np.float64], state: NDArray[np.int64], index: NDArray[np.int64], at: int) -> None:
    """Take a place out of the side it is on."""
    side = index[SIDE, at]
    k = index[WHERE, at]
    size = state[N_LOW + side] - 1
    state[N_LOW + side] = size
    index[SIDE, at] = NOWHERE
    if k < size:
        index[side, k] = index[side, size]
        _lift(ring, index, side, k)
        _sink(ring, index, side, k, size)


@kernel
def tick(state: NDArray[np.int64], index: NDArray[np.int64], ring: NDArray[np.float64], v: float) -> float:
    """Take one sample and return the median of those of the last n that are there; NaN where none is.

    state : int64 [N_STATE], as `reset` leaves it
    index : int64 [4, n], as `reset` leaves it
    ring  : the last n samples, [n]
    v     : sample; NaN and infinities count as missing
    """
    at = state[HEAD]
    state[HEAD] = at + 1 if at + 1 < ring.shape[0] else 0
    if index[SIDE, at] != NOWHERE:
        _remove(ring, state, index, at)
    ring[at] = v
    if abs(v) < np.inf:
        above = state[N_HIGH] > 0 and v >= ring[index[HIGH, 0]]
        _insert(ring, state, index, HIGH if above else LOW, at)
    if state[N_LOW] > state[N_HIGH] + 1:
        at = index[LOW, 0]
        _remove(ring, state, index, at)
        _insert(ring, state, index, HIGH, at)
    elif state[N_HIGH] > state[N_LOW]:
        at = index[HIGH, 0]
        _remove(ring, state, index, at)
        _insert(ring, state, index, LOW, at)
    if state[N_LOW] == 0:
        return np.nan
    low = ring[index[LOW, 0]]
    if state[N_LOW] > state[N_HIGH]:
        return low
    return 0.5 * low + 0.5 * ring[index[HIGH, 0]]


@kernel
def step(
    params: NDArray[np.int64],
    state: NDArray[np.int64],
    index: NDArray[np.int64],
    ring: NDArray[np.float64],
    x: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """Take the median of the last n samples of every channel.

    params : n, [1]
    state, index, ring : as in `tick`, with a leading axis [n_channels]
    x   : samples, [n_x, n_channels]
    out : medians, [n_x, n_channels]; missing samples are left out, NaN where all are missing
    """
    n = params[0]
    for c in range(x.shape[1]):
        for i in range(x.shape[0]):
            out[i, c] = tick(state[c], index[c, :, :n], ring[c, :n], x[i, c])
    return x.shape[0]
