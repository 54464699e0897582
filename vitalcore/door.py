"""The door of a session or ward: chunks, gaps and ends become the samples that kernels take."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import InputError
from vitalcore.kernels.core.finding import FEATURE
from vitalcore.operator import Signal

# A gap is fed to the kernels as missing samples up to here; the rest of a longer one only moves the sample count.
GAP_HORIZON_S = 30

# A stream's place in time: samples so far, those skipped in long gaps, length of the gap we are in, and the last time
# in ns (variable rate). Kernels don't count what was skipped: `origin` is what their time lacks from `since` on, and
# `before` what it lacked earlier.
PLACE = np.dtype(
    [("n", "i8"), ("origin", "i8"), ("since", "i8"), ("before", "i8"), ("missing", "i8"), ("t_last", "f8")], align=True
)


def places(n: int) -> NDArray[Any]:
    """Return the places of n streams that have not begun."""
    made = np.zeros(n, PLACE)
    made["t_last"] = -np.inf
    return made


def check(signal: Signal, place: Any, chunk: Any) -> NDArray[np.float64]:
    """Make a chunk what kernels take: float64, two-dimensional, contiguous, infinities missing; never the caller's.

    Errors: InputError
    """
    try:
        x = np.array(chunk, dtype=np.float64, order="C", ndmin=1)
    except (TypeError, ValueError) as error:
        raise InputError(f"{signal.name} takes numbers; this chunk is {type(chunk).__name__}: {error}") from None
    if x.ndim == 1 and signal.columns == 1:
        x = x[:, None]
    if x.ndim != 2 or x.shape[1] != signal.columns:
        raise InputError(f"{signal.name} takes chunks of shape [n, {signal.columns}]; this one is {list(x.shape)}")
    if not np.isfinite(x).all():
        x[np.isinf(x)] = np.nan
    if signal.fs_hz is None and len(x):
        t = x[:, 0]
        if not (t[0] > place["t_last"] and (t[1:] > t[:-1]).all()):  # NaN is not greater either
            at = int(np.flatnonzero(~(np.diff(t, prepend=place["t_last"]) > 0))[0])
            raise InputError(f"times of {signal.name} must increase; frame {at} of this chunk is at {x[at, 0]:.0f} ns")
    return x


def note(signal: Signal, place: Any, x: NDArray[np.float64]) -> None:
    """Remember where a chunk that was taken ends."""
    if len(x):
        place["n"] += len(x)
        place["missing"] = 0
        if signal.fs_hz is None:
            place["t_last"] = x[-1, 0]


def gap(signal: Signal, place: Any, n: int) -> NDArray[np.float64]:
    """Turn a gap of n samples into the missing samples that kernels see; the caller then calls `skip`.

    Errors: InputError
    """
    if n < 0:
        raise InputError(f"a gap of {signal.name} is {n} samples; it can't be negative")
    if signal.fs_hz is None:  # its own times show a gap
        return np.empty((0, signal.columns))
    fed = min(n, max(0, math.ceil(GAP_HORIZON_S * signal.fs_hz) - int(place["missing"])))
    return np.full((fed, signal.columns), np.nan)


def skip(signal: Signal, place: Any, n: int, fed: int) -> None:
    """Count a gap of n samples of which `fed` were fed."""
    place["n"] += n
    if signal.fs_hz is not None:
        place["missing"] += n
        if n > fed:
            since = int(place["n"] - n - place["origin"]) + fed
            if since != place["since"]:
                place["before"], place["since"] = place["origin"], since
            place["origin"] += n - fed


def rest(signal: Signal, place: Any, latency_s: float) -> NDArray[np.float64]:
    """Return the missing samples after which all that was undecided at the end of a stream is decided."""
    if signal.fs_hz is not None:
        return np.full((math.ceil(latency_s * signal.fs_hz) + 1, signal.columns), np.nan)
    if not np.isfinite(place["t_last"]):
        return np.empty((0, signal.columns))
    x = np.full((1, signal.columns), np.nan)
    x[0, 0] = place["t_last"] + math.ceil(latency_s * 1e9) + 1
    return x


def within(signal: Signal, place: Any, found: NDArray[Any]) -> NDArray[Any]:
    """Drop what is said of the missing samples behind the end: they decide what was open there, and are nobody's."""
    end = place["n"] if signal.fs_hz is not None else np.nextafter(place["t_last"], np.inf)
    late = (found["what"] == FEATURE) & (found["t_known"] >= end)  # of a second that never ended
    return found[(found["t"] < end) & ~late]
