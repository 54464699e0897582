"""Whether a lead oscillates as a whole, like a fluttering, fibrillating or racing heart, and not like noise.

A lead that oscillates cancels itself when it is moved by half a period. What is left, over what there was, is small for
flutter and fibrillation, and large for noise, and for complexes with rest between them.

Source: S. Kuo, R. Dillman, Computer detection of ventricular fibrillation, Computers in Cardiology 1978.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

ORGANISED = 0.6  # what is left, below which a lead oscillates as a whole
SLOWEST_HZ, FASTEST_HZ = 1.2, 10.0


@kernel
def organised(ring: NDArray[np.float64], newest: int, n: int, step: int, hz: float) -> bool:
    """Tell whether the last n samples oscillate as a whole.

    ring   : samples, NaN where one is missing
    newest : index of the newest sample; sample i is ring[i % len(ring)]
    n      : how many are looked at, one in each `step` samples
    hz     : of those
    """
    size = ring.shape[0]
    first = newest - (n - 1) * step
    half = int(0.25 * hz)  # on each side: what is slower than 2 Hz is baseline in part
    if n < 4 * half or first < 0:
        return False
    total = 0.0
    for k in range(2 * half):
        total += ring[(first + k * step) % size]
    high = moved = previous = 0.0
    for k in range(half, n - half):
        total += ring[(first + (k + half) * step) % size]
        y = ring[(first + k * step) % size] - total / (2 * half + 1)
        total -= ring[(first + (k - half) * step) % size]
        high += abs(y)
        if k > half:
            moved += abs(y - previous)
        previous = y
    if not moved > 0.0:
        return False
    lag = int(math.pi * high / moved + 0.5)  # half a period of a sine
    if not SLOWEST_HZ <= 0.5 * hz / max(lag, 1) <= FASTEST_HZ:
        return False
    left = there = late = early = 0.0  # `late` and `early` are the sums around a sample and half a period before it
    for k in range(2 * half):
        early += ring[(first + k * step) % size]
        late += ring[(first + (k + lag) * step) % size]
    for k in range(half + lag, n - half):
        late += ring[(first + (k + half) * step) % size]
        early += ring[(first + (k - lag + half) * step) % size]
        a = ring[(first + k * step) % size] - late / (2 * half + 1)
        b = ring[(first + (k - lag) * step) % size] - early / (2 * half + 1)
        left += abs(a + b)
        there += abs(a) + abs(b)
        late -= ring[(first + (k - half) * step) % size]
        early -= ring[(first + (k - lag - half) * step) % size]
    return left < ORGANISED * there
