"""Which beats of two annotators are the same."""

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 0.15
_ROUNDING_S = 1e-9  # a distance of exactly the window counts, whatever its last bit


def pair(reference: NDArray[np.float64], test: NDArray[np.float64], window_s: float = WINDOW_S) -> NDArray[np.int64]:
    """Pair beats one to one in the order of time: rows of the places in both, [n, 2].

    The two earliest beats that are left, at most window_s apart, are a pair where the earlier one's follower, its rival
    for the later one, is farther from it, or is served still better by the later one's follower. If they aren't a pair
    the earlier one stays alone.

    reference, test : times in s, in order

    Source: ANSI/AAMI EC57, beat-by-beat comparison, with the amendment of 2002.
    """
    theirs, ours = reference.tolist(), test.tolist()
    n, m = len(theirs), len(ours)
    reach, never = window_s + _ROUNDING_S, float("inf")
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < n and j < m:
        gap = ours[j] - theirs[i]
        next_theirs = theirs[i + 1] if i + 1 < n else never
        next_ours = ours[j + 1] if j + 1 < m else never
        rival = abs(theirs[i] - next_ours) if gap < 0 else abs(next_theirs - ours[j])
        served = abs(next_theirs - next_ours) if max(next_theirs, next_ours) < never else never
        if abs(gap) <= reach and (abs(gap) < rival or served < rival):
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif gap < 0:
            j += 1
        else:
            i += 1
    return np.array(pairs, np.int64).reshape(-1, 2)
