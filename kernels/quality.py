"""Quality of one ECG lead, second by second, and why it is not better."""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels import codes
from vitalcore.kernels.kernel import kernel
from vitalcore.kernels.qrs import ENERGY, HIGHEST, LARGEST, LEVEL, NOISE, USABLE

# Where a lead's watch lives in the head of its part of the buffer, behind what `qrs` keeps there.
PREVIOUS, SAME, STILL, STILL_AT = 11, 12, 13, 14  # last sample, equal ones in a row; samples within STILL_MV of a value
ABSENT, HIGH, LOW, N_HIGH, N_LOW, SUM = 15, 16, 17, 18, 19, 20  # of this second
DIP, BASE, BASE_HIGH, BASE_LOW = 21, 22, 23, 24  # lowest energy, baseline and its range in this second
QUALITY, REASONS = 25, 26  # of the last second
UNREST = 27  # smoothed over the last seconds
TRAVEL = 28  # way up and down in this second

STILL_MV = 0.01
RAIL_MV = 2.5  # a lead that stands still so far from zero hangs at a rail
WANDER_MV = 0.5  # the baseline's range in a second
CALM, NOISY = 0.08, 0.3  # unrest at which quality begins to fall and where it is 0
QUIET, BUSY = 200.0, 500.0  # the same for the way of a second over the QRS energy
LEARNING = 0.3  # noise over QRS, taken while it is not known
LEAST_ENERGY = 0.05  # mV: a lead without QRS is judged as if it had so small ones
GOOD, POOR = 0.5, 0.1  # quality from which a lead is good, or better than none

PARAMS = np.dtype(
    [
        ("still", "i8"),  # samples without movement: longer than any pause between beats
        ("rail", "i8"),  # equal samples in a row far from zero
        ("plateau", "i8"),  # samples of a second at its extreme
        ("smooth", "f8"),  # of the baseline, a work sample
    ],
    align=True,
)


@kernel
def begin(head: NDArray[np.float64]) -> None:
    """Make zeros a fresh watch."""
    fresh_second(head)
    head[QUALITY] = 1.0


@kernel
def fresh_second(head: NDArray[np.float64]) -> None:
    """Begin a second."""
    head[ABSENT] = 0.0
    head[HIGH] = -LARGEST
    head[LOW] = LARGEST
    head[N_HIGH] = 0.0
    head[N_LOW] = 0.0
    head[SUM] = 0.0
    head[TRAVEL] = 0.0
    head[DIP] = LARGEST
    head[BASE_HIGH] = head[BASE]
    head[BASE_LOW] = head[BASE]


@kernel
def watch(head: NDArray[np.float64], v: float) -> None:
    """Take one sample."""
    if not abs(v) < LARGEST:
        head[ABSENT] += 1.0
        return
    head[SUM] += v
    move = abs(v - head[PREVIOUS])
    head[TRAVEL] += move
    if move == 0.0:
        head[SAME] += 1.0
    else:
        head[SAME] = 0.0
        head[PREVIOUS] = v
    if abs(v - head[STILL_AT]) > STILL_MV:
        head[STILL_AT] = v
        head[STILL] = 0.0
    else:
        head[STILL] += 1.0
    if v >= head[HIGH]:
        head[N_HIGH] = head[N_HIGH] + 1.0 if v == head[HIGH] else 1.0
        head[HIGH] = v
    if v <= head[LOW]:
        head[N_LOW] = head[N_LOW] + 1.0 if v == head[LOW] else 1.0
        head[LOW] = v


@kernel
def watch_work(params: np.void, head: NDArray[np.float64]) -> None:
    """Take one work sample, after `qrs` has."""
    base = head[BASE] + params["smooth"] * (head[PREVIOUS] - head[BASE])
    head[BASE] = base
    head[BASE_HIGH] = max(head[BASE_HIGH], base)
    head[BASE_LOW] = min(head[BASE_LOW], base)
    head[DIP] = min(head[DIP], head[ENERGY])


@kernel
def judge(params: np.void, head: NDArray[np.float64], n: int, floor: float) -> None:
    """Judge the second of n samples that ends, and begin the next: sets QUALITY, REASONS and USABLE.

    floor : energy that is never a QRS

    A clean lead comes to rest between its beats, whatever their shape and rate, and has few peaks beside them: the
    lowest energy of the second and the energy of peaks that are no QRS, both over that of a QRS, are large together in
    noise only. Mains and muscle show in the way the signal goes up and down.
    """
    reasons = 0
    quality = 1.0
    here = n - head[ABSENT]
    if head[ABSENT] > 0.0:
        reasons |= codes.MISSING
        quality = here / n if 2.0 * here >= n else 0.0
    if here > 0.0:
        mean = head[SUM] / here
        span = head[HIGH] - head[LOW]
        railed = head[SAME] >= params["rail"] and abs(head[PREVIOUS]) >= RAIL_MV
        clipped = (head[N_HIGH] >= params["plateau"] and head[HIGH] - mean > 0.35 * span) or (
            head[N_LOW] >= params["plateau"] and mean - head[LOW] > 0.35 * span
        )
        if railed:
            reasons |= codes.SATURATED | codes.LEAD_OFF
            quality = 0.0
        elif head[STILL] >= params["still"]:
            reasons |= codes.FLAT | codes.LEAD_OFF
            quality = 0.0
        elif clipped and span > 4.0 * STILL_MV:
            reasons |= codes.SATURATED
            quality = 0.0
        learning = head[LEVEL] == 0.0
        level = max(head[HIGHEST] if learning else head[LEVEL], floor)
        noise = LEARNING * level if learning else head[NOISE]
        head[UNREST] += 0.5 * (math.sqrt(head[DIP] * noise) / level - head[UNREST])
        calm = min(1.0, max(0.0, (NOISY - head[UNREST]) / (NOISY - CALM)))
        way = head[TRAVEL] / max(level, LEAST_ENERGY)
        calm = min(calm, max(0.0, (BUSY - way) / (BUSY - QUIET)))
        quality *= calm
        if calm < 0.75:
            reasons |= codes.NOISE
        if head[BASE_HIGH] - head[BASE_LOW] > WANDER_MV:
            reasons |= codes.BASELINE_WANDER
            quality *= 0.8
    head[QUALITY] = quality
    head[REASONS] = reasons
    head[USABLE] = 2.0 if quality >= GOOD else 1.0 if quality >= POOR else 0.0
    fresh_second(head)
