"""The last seconds of each lead, kept to be looked at again: on any grid, around any time between two samples."""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.qrs.energy import LARGEST
from vitalcore.kernels.qrs.rpeak import wrap

MAX_LEADS = 12

PARAMS = np.dtype(
    [
        ("n_leads", "i8"),
        ("block", "i8"),  # samples averaged to one of the tape
        ("n_ring", "i8"),  # tape samples of a lead
        ("n_keep", "i8"),  # those of them that are kept surely, however the samples come
        ("hold", "i8"),  # samples: a gap up to here is bridged by the last value
        ("at", "i8"),  # where in the stream's buffer the tapes begin, one lead after the other
    ],
    align=True,
)

LEAD = np.dtype(
    [
        ("held", "f8"),  # last value
        ("run", "i8"),  # missing samples in a row
        ("sum", "f8"),  # of the block
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("phase", "i8"),  # samples in the block
        ("ring_at", "i8"),
        ("leads", LEAD, (MAX_LEADS,)),
    ],
    align=True,
)


@kernel
def begin(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Make zeros a fresh memory."""
    for c in range(params["n_leads"]):
        state["leads"][c]["held"] = np.nan


@kernel
def take(
    params: np.void, state: np.void, buffer: NDArray[np.float64], x: NDArray[np.float64], first: int, end: int
) -> None:
    """Write the rows first to end of x, [n, n_leads], on the tapes; a long gap is NaN there."""
    block, n_ring, hold = params["block"], params["n_ring"], params["hold"]
    phase = at = 0
    for c in range(params["n_leads"]):
        phase, at = state["phase"], state["ring_at"]
        lead = state["leads"][c]
        held, run, total = lead["held"], lead["run"], lead["sum"]
        ring = buffer[params["at"] + c * n_ring : params["at"] + (c + 1) * n_ring]
        for i in range(first, end):
            v = x[i, c]
            if abs(v) < LARGEST:
                run = 0
                held = v
            else:
                run += 1
                if run > hold:
                    held = np.nan
            total += held
            phase += 1
            if phase == block:
                phase = 0
                ring[at] = total / block
                total = 0.0
                at = at + 1 if at + 1 < n_ring else 0
        lead["held"], lead["run"], lead["sum"] = held, run, total
    state["phase"], state["ring_at"] = phase, at


@kernel
def snip(
    params: np.void,
    buffer: NDArray[np.float64],
    lead: int,
    n_seen: int,
    first: float,
    step: float,
    out: NDArray[np.float64],
) -> bool:
    """Read a lead on a grid by cubic interpolation; False where that reaches beyond what is kept, or into a gap.

    n_seen : samples since the stream began that may be looked at
    first  : time of out[0], samples since the stream began, sub-sample
    step   : of the grid, samples
    """
    block, n_ring = params["block"], params["n_ring"]
    newest = n_seen // block - 1  # last tape sample that is complete
    u = (first - 0.5 * (block - 1)) / block
    pace = step / block
    if math.floor(u) - 1 < max(0, newest - params["n_keep"] + 1) or math.floor(u + pace * (len(out) - 1)) + 2 > newest:
        return False
    ring = buffer[params["at"] + lead * n_ring : params["at"] + (lead + 1) * n_ring]
    k = math.floor(u)
    stride = int(pace)
    n = len(out)
    even = stride == pace and math.floor(u + pace * (n - 1)) == k + stride * (n - 1)
    missing = done = 0
    i = k % n_ring
    while done < n:
        if even and i > 0 and i + 2 < n_ring:  # as far as the ring goes: all points lie in the same part of their step
            m = min(n - done, (n_ring - 3 - i) // stride + 1)
            those, part_of = ring[i - 1 : i + 3 + stride * (m - 1)], out[done : done + m]
            if stride == 1:  # numbers that the compiler knows
                missing += glide(those, u, pace, k, 1, done, part_of)
            elif stride == 2:
                missing += glide(those, u, pace, k, 2, done, part_of)
            else:
                missing += glide(those, u, pace, k, stride, done, part_of)
            done += m
            i += stride * m
            k += stride * m
        else:
            part = u + pace * done - k
            v = between(ring[wrap(i - 1, n_ring)], ring[i], ring[wrap(i + 1, n_ring)], ring[wrap(i + 2, n_ring)], part)
            out[done] = v
            missing += v != v
            done += 1
            last = k
            k = math.floor(u + pace * done)
            i += k - last
        i = wrap(i, n_ring)
    return missing == 0


@kernel
def between(a: float, b: float, c: float, d: float, part: float) -> float:
    """Interpolate between b and c.

    Source: the cubic through four points whose slopes are central differences (E. Catmull, R. Rom, 1974).
    """
    bend = 2.0 * a - 5.0 * b + 4.0 * c - d + part * (3.0 * (b - c) + d - a)
    return b + 0.5 * part * (c - a + part * bend)


@kernel
def glide(
    those: NDArray[np.float64], u: float, pace: float, k: int, stride: int, done: int, out: NDArray[np.float64]
) -> int:
    """Interpolate where every step is `stride` samples of the tape; returns how many values are missing.

    those      : samples from the one before place k on
    u, pace    : time of the first point of all and the step between them, tape samples
    done       : points before out[0]
    """
    missing = 0
    by = np.uint64(stride)
    for j in range(out.shape[0]):
        at = np.uint64(j) * by
        a, b, c, d = those[at], those[at + np.uint64(1)], those[at + np.uint64(2)], those[at + np.uint64(3)]
        part = u + pace * (done + j) - (k + stride * j)
        v = between(a, b, c, d, part)
        out[j] = v
        missing += v != v
    return missing
