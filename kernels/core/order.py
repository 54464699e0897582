"""A few values in their order: for windows so short that nothing is worth more than a loop over them."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel


@kernel
def sort(values: NDArray[np.float64], n: int) -> None:
    """Sort the first n values in place."""
    for i in range(1, n):
        v = values[i]
        j = i - 1
        while j >= 0 and values[j] > v:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = v


@kernel
def pick(values: NDArray[np.float64], n: int, k: int) -> float:
    """Give the value of rank k, from 0, of the first n by counting, which leaves them as they are; NaN of none."""
    for i in range(n):
        v: float = values[i]
        below = same = 0
        for j in range(n):
            below += values[j] < v
            same += values[j] == v
        if below <= k < below + same:
            return v
    return np.nan


@kernel
def median(values: NDArray[np.float64], n: int) -> float:
    """Give the lower median of the first n values; NaN of none."""
    return pick(values, n, (n - 1) // 2)
