"""Quality of one ECG lead, second by second, and why it is not better."""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.leads.oscillation import organised
from vitalcore.kernels.qrs.energy import ENERGIES, HIGHEST, LARGEST, LEVEL, MEANS, NOISE, QUALITY, USABLE

# Where a lead's watch lives in the head of its part of the buffer, behind what `energy` keeps there.
REASONS = QUALITY + 1  # of the last second, as QUALITY
UNREST = QUALITY + 2  # smoothed over the last seconds
PREVIOUS, SAME = QUALITY + 3, QUALITY + 4  # last sample, equal ones in a row
STILL, STILL_AT = QUALITY + 5, QUALITY + 6  # samples within STILL_MV of a value
ABSENT, SUM, TRAVEL = QUALITY + 7, QUALITY + 8, QUALITY + 9  # of this second: missing, sum, way up and down
HIGH, LOW, N_HIGH, N_LOW = QUALITY + 10, QUALITY + 11, QUALITY + 12, QUALITY + 13  # extremes, samples at them
DIP = QUALITY + 14  # lowest energy of this second
BASE, BASE_HIGH, BASE_LOW = QUALITY + 15, QUALITY + 16, QUALITY + 17  # baseline, its range in this second
GOOD_HIGH, GOOD_LOW = QUALITY + 18, QUALITY + 19  # extremes of the last good seconds
HELD = QUALITY + 20  # seconds for which an oscillation as a whole is believed
PEAK = QUALITY + 21  # highest energy of this second
STEPPED = QUALITY + 22  # 1 above, -1 below: the side to which the lead has just stepped too far; 0: none
WAITED = QUALITY + 23  # seconds since then in which it did not come back
CAME_BACK = QUALITY + 24  # mV, in the last second
LONGEST, LEVEL_AT = QUALITY + 25, QUALITY + 26  # most equal samples in a row that this second has seen, and their value
WIDE_HIGH, WIDE_LOW = QUALITY + 27, QUALITY + 28  # the same, forgotten more slowly

STILL_MV = 0.01
RAIL_MV = 0.5  # a lead that stands still so far outside what it showed in good seconds hangs at a rail
WANDER_MV = 0.5  # the baseline's range in a second
STEP_MV = 1.2  # the same of a step that may be too large for the amplifier
SETTLED_MV = 0.15  # that the baseline comes back in a second, at least, while it recovers
BLANK = 0.1  # of the energy of a QRS: less in a whole second shows no complex, nor a part of one
PATIENT = 2  # seconds that a step may last
FORGOTTEN = 0.05  # of how far the extremes lie beyond those of the last good seconds, each second
SLOWER = 1.6  # more than so much faster than a second ago nothing comes back that dies away
CALM, RESTLESS = 0.06, 0.16  # unrest at which doubt of the beats begins to count, and where it counts fully
SURE, LOST = 0.08, 0.33  # doubt at which quality begins to fall, and where it is 0
SHAKEN, NOISY = 0.18, 0.4  # unrest at which quality falls even where other leads leave no doubt, and where it is 0
CROWDED_S, APART_S = 0.16, 0.24  # interval of beats too close for any rest between them, and for a full one
QUIET, BUSY = 400.0, 800.0  # the same for the way of a second over the QRS energy
LEARNING = 0.3  # noise over QRS, taken while it is not known
LEAST_ENERGY = 0.05  # mV: a lead without QRS is judged as if it had so small ones
GOOD, POOR = 0.5, 0.1  # quality from which a lead is good, or better than none
LEAST_ORGANISED = 0.4  # least quality of a lead that oscillates as a whole: a fibrillating heart is no bad electrode
HELD_S = 2.0  # for so long it is believed
NOTED = 0.25  # loss of quality that has a reason

PARAMS = np.dtype(
    [
        ("still", "i8"),  # samples without movement: longer than any pause between beats
        ("rail", "i8"),  # equal samples in a row far from zero
        ("plateau", "i8"),  # samples of a second at its extreme
        ("smooth", "f8"),  # of the baseline, a work sample
        ("look", "i8"),  # tape samples that are looked at for an oscillation, one in each look_step
        ("look_step", "i8"),
        ("look_hz", "f8"),
    ],
    align=True,
)


@kernel
def begin(head: NDArray[np.float64]) -> None:
    """Make zeros a fresh watch."""
    fresh_second(head)
    head[QUALITY] = 1.0
    head[GOOD_HIGH] = head[WIDE_HIGH] = LARGEST
    head[GOOD_LOW] = head[WIDE_LOW] = -LARGEST


@kernel
def fresh_second(head: NDArray[np.float64]) -> None:
    """Begin a second."""
    head[ABSENT] = 0.0
    head[HIGH] = -LARGEST
    head[LOW] = LARGEST
    head[N_HIGH] = 0.0
    head[N_LOW] = 0.0
    head[LONGEST] = 0.0
    head[SUM] = 0.0
    head[TRAVEL] = 0.0
    head[DIP] = LARGEST
    head[PEAK] = 0.0
    head[BASE_HIGH] = head[BASE]
    head[BASE_LOW] = head[BASE]


@kernel
def watch(head: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    """Take samples of one lead, [n], all of one second."""
    previous, same = head[PREVIOUS], head[SAME]
    still, still_at = head[STILL], head[STILL_AT]
    high, low, n_high, n_low = head[HIGH], head[LOW], head[N_HIGH], head[N_LOW]
    absent, total, travel = head[ABSENT], head[SUM], head[TRAVEL]
    longest, level_at = head[LONGEST], head[LEVEL_AT]
    for i in range(x.shape[0]):
        v = x[i]
        if not abs(v) < LARGEST:
            absent += 1.0
            continue
        total += v
        move = abs(v - previous)
        travel += move
        same = same + 1.0 if move == 0.0 else 0.0
        previous = v
        if same > longest:
            longest = same
            level_at = v
        if abs(v - still_at) > STILL_MV:
            still_at = v
            still = 0.0
        else:
            still += 1.0
        if v >= high:
            n_high = n_high + 1.0 if v == high else 1.0
            high = v
        if v <= low:
            n_low = n_low + 1.0 if v == low else 1.0
            low = v
    head[PREVIOUS], head[SAME] = previous, same
    head[STILL], head[STILL_AT] = still, still_at
    head[HIGH], head[LOW], head[N_HIGH], head[N_LOW] = high, low, n_high, n_low
    head[ABSENT], head[SUM], head[TRAVEL] = absent, total, travel
    head[LONGEST], head[LEVEL_AT] = longest, level_at


@kernel
def watch_work(params: np.void, head: NDArray[np.float64], n: int) -> None:
    """Take the n fresh work samples, all of one second."""
    base, high, low, dip, peak = head[BASE], head[BASE_HIGH], head[BASE_LOW], head[DIP], head[PEAK]
    for k in range(n):
        base += params["smooth"] * (head[MEANS + k] - base)
        high = max(high, base)
        low = min(low, base)
        dip = min(dip, head[ENERGIES + k])
        peak = max(peak, head[ENERGIES + k])
    head[BASE], head[BASE_HIGH], head[BASE_LOW], head[DIP], head[PEAK] = base, high, low, dip, peak


@kernel
def recovers(head: NDArray[np.float64], level: float) -> bool:
    """Tell whether the amplifier comes back from a step that was too large for it, and shows nothing meanwhile.

    It comes from beyond what the lead has shown for long and goes back, ever slower once it is within. Wander goes
    faster first, and where a complex is to be seen, a QRS could be.
    """
    above, below = head[HIGH] - head[WIDE_HIGH], head[WIDE_LOW] - head[LOW]
    beyond = max(above, below) > RAIL_MV
    back = 0.0
    if head[STEPPED] != 0.0:
        back = head[BASE_HIGH] - head[BASE] if head[STEPPED] > 0.0 else head[BASE] - head[BASE_LOW]
    if back >= SETTLED_MV and back <= SLOWER * head[CAME_BACK] and head[PEAK] < BLANK * level:
        head[CAME_BACK] = LARGEST if beyond else back
        head[WAITED] = 0.0
        return True
    head[WAITED] += 1.0
    if head[WAITED] > PATIENT:
        head[STEPPED] = 0.0
    if beyond and head[BASE_HIGH] - head[BASE_LOW] > STEP_MV:
        head[STEPPED] = 1.0 if above > below else -1.0
        head[WAITED] = 0.0
        head[CAME_BACK] = LARGEST
    elif (head[STEPPED] == 0.0 or head[PEAK] >= BLANK * level) and head[GOOD_HIGH] < LARGEST:
        head[WIDE_HIGH] = max(head[HIGH], head[WIDE_HIGH] - FORGOTTEN * (head[WIDE_HIGH] - head[GOOD_HIGH]))
        head[WIDE_LOW] = min(head[LOW], head[WIDE_LOW] - FORGOTTEN * (head[WIDE_LOW] - head[GOOD_LOW]))
    return False


@kernel
def judge(
    params: np.void,
    head: NDArray[np.float64],
    n: int,
    floor: float,
    doubt: float,
    interval_s: float,
    tape: NDArray[np.float64],
    newest: int,
) -> None:
    """Judge the second of n samples that ends, and begin the next: sets QUALITY, REASONS and USABLE.

    floor  : energy that is never a QRS
    doubt  : about the beats that are found in all leads, as in qrs.STATE
    interval_s : between those, NaN where it is not known
    tape   : the lead's ring of samples, as `oscillation` takes it
    newest : index of its newest sample

    A clean lead comes to rest between its beats, whatever their shape and rate, and has few peaks beside them: the
    lowest energy of the second and the energy of peaks that are no QRS, both over that of a QRS, are large together in
    noise, or where the heart knows no rest. Noise makes the beats doubtful too; a heart without rest oscillates as a
    whole. Mains and muscle show in the way the signal goes up and down.
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
        v = head[LEVEL_AT]
        railed = head[LONGEST] >= params["rail"] and (v > head[GOOD_HIGH] + RAIL_MV or v < head[GOOD_LOW] - RAIL_MV)
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
        if recovers(head, level):
            reasons |= codes.RECOVERING
            quality = 0.0
        noise = LEARNING * level if learning else head[NOISE]
        head[UNREST] += 0.5 * (math.sqrt(max(0.0, head[DIP]) * noise) / level - head[UNREST])
        unrest = head[UNREST]
        loss = min(1.0, max(0.0, (unrest - CALM) / (RESTLESS - CALM)))
        loss *= min(1.0, max(0.0, (doubt - SURE) / (LOST - SURE)))
        apart = 1.0
        if interval_s < APART_S:
            apart = max(0.0, (interval_s - CROWDED_S) / (APART_S - CROWDED_S))
        loss = min(1.0, max(loss, apart * (unrest - SHAKEN) / (NOISY - SHAKEN)))
        head[HELD] = max(0.0, head[HELD] - 1.0)
        if loss > NOTED and organised(tape, newest, params["look"], params["look_step"], params["look_hz"]):
            head[HELD] = HELD_S
        if head[HELD] > 0.0:
            loss = min(loss, 1.0 - LEAST_ORGANISED)
        way = head[TRAVEL] / max(level, LEAST_ENERGY)
        hurried = min(1.0, max(0.0, (way - QUIET) / (BUSY - QUIET)))
        quality *= 1.0 - max(loss, hurried)
        wanders = head[BASE_HIGH] - head[BASE_LOW] > WANDER_MV
        if max(loss, hurried) > NOTED and (head[HELD] == 0.0 or hurried > NOTED):
            reasons |= codes.NOISE
            if wanders:
                reasons |= codes.MOTION
        if wanders:
            reasons |= codes.BASELINE_WANDER
            quality *= 0.8
        if quality >= GOOD:
            if head[GOOD_HIGH] == LARGEST:
                head[WIDE_HIGH], head[WIDE_LOW] = head[HIGH], head[LOW]
            follow = 0.25 if head[GOOD_HIGH] < LARGEST else 1.0
            head[GOOD_HIGH] += follow * (head[HIGH] - head[GOOD_HIGH])
            head[GOOD_LOW] += follow * (head[LOW] - head[GOOD_LOW])
    head[QUALITY] = quality
    head[REASONS] = reasons
    head[USABLE] = 2.0 if quality >= GOOD else 1.0 if quality >= POOR else 0.0
    fresh_second(head)
