"""Heart rates of both sides, second by second."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.scoring.marks import Marks, Times

_LAST = 12  # intervals that are averaged
_SLOW_S = 1.2
_STALE_S = 5.0  # no rate so long after the last beat


def monitored(t_s: Times, at_s: Times) -> Times:
    """Give the rate in /min that a monitor would show at each time; NaN where there is none.

    The mean of the last 12 intervals without the largest and the smallest; of the last four where the last three
    all exceed 1.2 s; NaN before the fifth beat and 5 s after the last.
    """
    out = np.full(len(at_s), np.nan)
    rr = np.diff(t_s)
    if len(rr) < 4:
        return out
    mean = np.full(len(t_s), np.nan)  # after each beat
    for k in range(4, len(t_s)):
        last = rr[max(0, k - _LAST) : k]
        if (last[-3:] > _SLOW_S).all():
            mean[k] = last[-4:].mean()
        else:
            mean[k] = (last.sum() - last.max() - last.min()) / (len(last) - 2)
    beat = np.searchsorted(t_s, at_s, "right") - 1
    there = (beat >= 4) & (at_s - t_s[beat] <= _STALE_S)
    out[there] = 60 / mean[beat[there]]
    return out


def compare(reference: Marks, test: Marks, start_s: float, end_s: float) -> NDArray[np.float64]:
    """Give the rates of both sides at each second where both have one: [n, 2], reference and test, in /min.

    The test's are those that it said, or else those of its beats. Seconds within fibrillation or shutdown are left out.
    """
    if not len(reference.t_s):
        return np.empty((0, 2))
    last = min(end_s, float(reference.t_s[-1]))
    if test.rate is None:
        at_s = np.arange(np.ceil(start_s), last)
        ours = monitored(test.t_s, at_s)
    else:
        rows = (test.rate[0] >= start_s) & (test.rate[0] <= last)
        at_s, ours = test.rate[0][rows], test.rate[1][rows]
    theirs = monitored(reference.t_s, at_s)
    for a, b in (*reference.uncounted, *reference.shutdown):
        theirs[(at_s >= a) & (at_s <= b + 10)] = np.nan
    both = np.isfinite(theirs) & np.isfinite(ours)
    return np.stack([theirs[both], ours[both]], axis=1)
