"""The rate and the missing samples behind a column of times."""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ReadError

MIN_FS_HZ, MAX_FS_HZ = Fraction(1, 100), Fraction(100_000)
MAX_GAP_S = 86_400
MAX_TIME_S = 1e12  # 30,000 years
MAX_MISSING = 20_000_000  # samples that all gaps of a recording may come to: they take memory
_WINDOW = 10  # samples on each side of a suspected gap that say where the time line was
_SPAN = 100  # intervals over which the rounding of the times evens out


@dataclass(frozen=True, eq=False)
class Grid:
    """Tell the rate, and at which sample of an even time line each row stands."""

    fs_hz: Fraction
    places: NDArray[np.int64]

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put rows at their places; what lies between is missing."""
        if self.places[-1] == len(values) - 1:
            return values
        out = np.full((int(self.places[-1]) + 1, *values.shape[1:]), np.nan)
        out[self.places] = values
        return out


def check_rate(path: Path, fs_hz: Fraction) -> Fraction:
    """Refuse a rate that no signal here has.

    Errors: ReadError
    """
    if not MIN_FS_HZ <= fs_hz <= MAX_FS_HZ:
        raise ReadError(
            f"{path}: rate is {float(fs_hz):g} Hz; it must lie between {float(MIN_FS_HZ):g} and {float(MAX_FS_HZ):g} Hz"
        )
    return fs_hz


def check_missing(path: Path, n: int) -> None:
    """Refuse a recording that is mostly gaps.

    Errors: ReadError
    """
    if n > MAX_MISSING:
        raise ReadError(f"{path}: its gaps come to {n:,} samples, the limit is {MAX_MISSING:,}; split it there")


def grid(path: Path, t: NDArray[np.float64], stated: Fraction | None = None) -> Grid:
    """Recover the even time line behind the times of samples, however they were rounded.

    t      : [n >= 2], s
    stated : the rate, where the user says it; it must fit the times within 1 %

    Errors: ReadError for times that go back, jump too far, or are uneven.
    """
    if not np.isfinite(t).all():
        raise ReadError(f"{path}: the time in row {int(np.argmin(np.isfinite(t))) + 1} is missing")
    if (far := np.abs(t) > MAX_TIME_S).any():
        raise ReadError(f"{path}: the time in row {int(np.argmax(far)) + 1} is {t[far][0]:g} s; no clock shows that")
    intervals = np.diff(t)
    if (intervals < 0).any():
        raise ReadError(f"{path}: time goes back after row {int(np.argmax(intervals < 0)) + 1}")
    span = min(_SPAN, len(t) - 1)
    step = float(np.median((t[span:] - t[:-span]) / span))
    if step <= 0:
        raise ReadError(f"{path}: the times don't advance; state the rate with --fs and leave the time column out")
    # stamps may come in batches: an interval is long against what is usual here
    usual = 1.5 * max(step / 3, float(np.percentile(np.abs(intervals - step), 99)))
    breaks = np.concatenate([[-1], np.flatnonzero(intervals > step + usual), [len(t) - 1]])
    longest = int(np.argmax(np.diff(breaks)))
    run = t[breaks[longest] + 1 : breaks[longest + 1] + 1]
    if len(run) >= 2 * _WINDOW:
        step = 1 / float(check_rate(path, _fit(run, np.arange(len(run)))[0]))
    places = _places(path, t, breaks, step)
    found, off = _fit(t, places)
    fs_hz = check_rate(path, found)
    jitter, slope = float(off.max()), 1 / float(found)
    if jitter > max(5 * slope, 0.1, 1e-3 * (t[-1] - t[0])):  # clocks wander a little
        raise ReadError(
            f"{path}: times are uneven (row {int(np.argmax(off)) + 1} is {jitter:.3g} s off); resample to an even rate"
        )
    if stated is not None:
        if abs(float(stated / fs_hz) - 1) > 0.01:
            raise ReadError(f"{path}: --fs says {float(stated):g} Hz, its times say {float(fs_hz):g} Hz")
        fs_hz = stated
    return Grid(fs_hz, places)


def simplest(low: float, high: float) -> Fraction:
    """Find the fraction with the smallest denominator between two positive numbers.

    Source: Stern-Brocot tree; continued fractions.
    """
    a, b = Fraction(low), Fraction(high)
    whole: list[int] = []
    while math.ceil(a) > b:  # no whole number lies between
        whole.append(math.floor(a))
        a, b = 1 / (b - whole[-1]), 1 / (a - whole[-1])
    found = Fraction(math.ceil(a))
    for part in reversed(whole):
        found = part + 1 / found
    return found.limit_denominator(1_000_000)


def _fit(t: NDArray[np.float64], places: NDArray[np.int64]) -> tuple[Fraction, NDArray[np.float64]]:
    """Fit a line through times: the simplest rate that they allow, and how far each is off."""
    at = places - places.mean()
    slope = float(at @ (t - t.mean()) / (at @ at))
    off = np.abs((t - t.mean()) - slope * at)
    drift = max(float(off.max()), 1e-6 * slope) / max(float(places[-1]), 1.0)
    return simplest(1 / (slope + drift), 1 / max(slope - drift, slope / 2)), off


def _places(path: Path, t: NDArray[np.float64], breaks: NDArray[np.int64], step: float) -> NDArray[np.int64]:
    extra = np.zeros(len(t) - 1, np.int64)
    for k, at in enumerate(map(int, breaks[1:-1]), 1):
        # a late row that later rows make good is jitter; a time line that stays later is a gap
        before = np.arange(max(at - _WINDOW, int(breaks[k - 1])) + 1, at + 1)
        after = np.arange(at + 1, min(at + _WINDOW, int(breaks[k + 1])) + 1)
        left = float(np.median(t[before] + (at - before) * step))
        right = float(np.median(t[after] - (after - at - 1) * step))
        lost = right - left - step
        if lost > MAX_GAP_S:
            raise ReadError(f"{path}: time jumps by {lost:.0f} s after row {at + 1}; split the file there")
        extra[at] = max(math.floor(lost / step + 0.4), 0)  # times rounded to two samples leave up to half a step
    check_missing(path, int(extra.sum()))
    return np.concatenate([[0], np.cumsum(1 + extra)])
