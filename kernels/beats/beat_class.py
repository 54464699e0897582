"""Classes of beats: normal (and bundle branch block), supraventricular, ventricular, or not a beat that can be told.

A beat is judged twice by boosted trees: when it is said, from its shape, the rhythm before it and the P wave, and again
when its waves are measured, from the interval, beat and T wave after it too. Nothing is learned from the patient but
running shapes and intervals. Each of up to two leads is judged alone and the judgements are averaged.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.beats import beat_rhythm, beat_shape
from vitalcore.kernels.beats.beat_rhythm import LONGEST_S, MEDIAN, N_FIRST, N_REFERENCE, OVER_REFERENCE, middle
from vitalcore.kernels.beats.beat_shape import AREA, FIRST_S, FIT, LEAD, N_AFTER_SHAPE, N_SHAPE, STEP_S
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.leads import tape
from vitalcore.kernels.models import forest
from vitalcore.kernels.qrs import energy

FIRST, FINAL = forest.sieve(forest.load("beat_first")), forest.sieve(forest.load("beat_final"))

N_USED = 2  # leads that are judged

# Outputs of the forests and the letters for them.
NORMAL, SUPRAVENTRICULAR, VENTRICULAR, UNCLEAR, N_CLASSES = range(5)
N, S, V, Q, PACED = 78.0, 83.0, 86.0, 81.0, 47.0

# Features of what comes after, the T wave's first.
(
    NEXT_OVER_MEDIAN, NEXT_OVER_INTERVAL, AROUND_OVER_MEDIAN, NEXT_OVER_REFERENCE, NEXT_FIT, NEXT_DISTANCE, NEXT_SAME,
    NEXT_OVER_LONG, FIT_OF_BEFORE, NEXT_KNOWN, NEXT_OVER_STEADY,
) = range(N_FIRST + N_AFTER_SHAPE, N_FIRST + N_AFTER_SHAPE + 11)  # fmt: skip
N_FINAL = N_FIRST + N_AFTER_SHAPE + 11

STATE = np.dtype(
    [
        *beat_rhythm.FIELDS,
        ("leads", LEAD, (N_USED,)),
        ("which", "i8", (N_USED,)),  # lead of the stream, -1: none
        ("x", "f8", (N_USED, N_FINAL)),  # features of the open beat
        ("fresh", "i8", (N_USED,)),  # 1: the newest beat has been read in this lead
        ("seen", "i8", (N_USED,)),  # 1: the open one has
        ("open", "i8"),  # 1: a beat waits for its final class
        ("open_t", "f8"),
        ("paced", "i8"),  # 1: a pacemaker pulse went before it, `admit` leaves that to others
        ("interval", "f8"),  # before the open beat
        ("fit", "f8", (2,)),  # with the dominant shape, of the last beats
        ("after", "f8", (N_USED, beat_shape.N_T)),
        ("n_after", "i8"),
        ("score", "f8", (N_CLASSES,)),
        ("leaves", "u2", (forest.MOST_TREES,)),  # scratch
    ],
    align=True,
)


@kernel
def begin(state: np.void, n_leads: int) -> None:
    """Make zeros a fresh memory for a stream of so many leads."""
    for k in range(N_USED):
        state["which"][k] = k if k < n_leads else -1


@kernel
def choose(state: np.void, q: np.void, buffer: NDArray[np.float64]) -> None:
    """Give up a lead that is not usable any more where there is another good one.

    q : parameters of the energy, whose heads tell how usable the leads are
    """
    for k in range(N_USED):
        old = state["which"][k]
        if old < 0 or buffer[old * q["stride"] + energy.USABLE] > 0.0:
            continue
        for c in range(q["n_leads"]):
            if c != state["which"][0] and c != state["which"][1] and buffer[c * q["stride"] + energy.USABLE] == 2.0:
                state["which"][k] = c
                state["seen"][k] = 0
                beat_shape.forget(state["leads"][k])
                break


@kernel
def read(params: np.void, q: np.void, state: np.void, buffer: NDArray[np.float64], t: float, n_seen: int) -> None:
    """Read the newest beat, R peak at t, in the leads that are used: the poor only where no good one is among them.

    params : of the tape
    q      : of the energy
    """
    choose(state, q, buffer)
    fs_hz = q["fs_hz"]
    best = 0.0
    for k in range(N_USED):
        if state["which"][k] >= 0:
            best = max(best, buffer[state["which"][k] * q["stride"] + energy.USABLE])
    for k in range(N_USED):
        state["fresh"][k] = 0
        c = state["which"][k]
        if c >= 0 and best > 0.0 and buffer[c * q["stride"] + energy.USABLE] == best:
            points = state["leads"][k]["points"]
            first = t + FIRST_S * fs_hz
            if tape.snip(params, buffer, c, n_seen, first, STEP_S * fs_hz, points):
                state["fresh"][k] = 1


@kernel
def score(model: forest.Sieve, state: np.void) -> int:
    """Judge the open beat: sets `score`, the mean of the leads; returns how many leads there are."""
    n = 0
    out = state["score"]
    for j in range(N_CLASSES):
        out[j] = 0.0
    for k in range(N_USED):
        if state["seen"][k] == 1:
            n += 1
            forest.sift(model, state["x"][k], state["leaves"])
            for j in range(N_CLASSES):
                out[j] += forest.total(model, state["leaves"], j)
    for j in range(N_CLASSES):
        out[j] /= max(n, 1)
    return n


@kernel
def letter(scores: NDArray[np.float64]) -> float:
    """Name the class of the largest score."""
    best = NORMAL
    for j in range(N_CLASSES):
        if scores[j] > scores[best]:
            best = j
    return (N, S, V, Q)[best]


@kernel
def first(model: forest.Sieve, state: np.void) -> float:
    """Say the class of the open beat as far as it can be told now, as the code point of its letter."""
    if state["paced"] == 1:
        return PACED
    return letter(state["score"]) if score(model, state) > 0 else Q


@kernel
def final(model: forest.Sieve, state: np.void) -> float:
    """Say the final class of the open beat, whose features `follow` has completed, and learn from it."""
    v = s = 0.0
    label = PACED if state["paced"] == 1 else Q
    if state["paced"] == 0 and score(model, state) > 0:
        scores = state["score"]
        label = letter(scores)
        top = max(max(scores[0], scores[1]), max(scores[2], scores[3]))
        total = 0.0
        for j in range(N_CLASSES):
            total += math.exp(scores[j] - top)
        v = math.exp(scores[VENTRICULAR] - top) / total
        s = math.exp(scores[SUPRAVENTRICULAR] - top) / total
    conclude(state, v, s)
    return label


@kernel
def follow(
    params: np.void, state: np.void, buffer: NDArray[np.float64], fs_hz: float, n_seen: int, interval: float, came: int
) -> None:
    """Complete the features of the open beat by what came after it.

    interval : to the next beat, s; where none has come yet, the time that has passed
    came     : 1: the next beat has come and been read
    """
    rr = min(interval, LONGEST_S)
    own = min(interval - beat_shape.T_FIRST_S - beat_shape.T_GUARD_S, beat_shape.T_STEP_S * beat_shape.N_T)
    n = max(0, int(own / beat_shape.T_STEP_S))
    first = state["open_t"] + beat_shape.T_FIRST_S * fs_hz
    state["n_after"] = n
    for k in range(N_USED):
        if state["seen"][k] == 0:
            continue
        lead = state["leads"][k]
        x = state["x"][k]
        after = state["after"][k]
        if not tape.snip(params, buffer, state["which"][k], n_seen, first, beat_shape.T_STEP_S * fs_hz, after):
            n = state["n_after"] = 0
        beat_shape.look_after(lead, after, n, x[AREA], x[N_FIRST:])
        before = max(state["interval"], 0.15)
        x[NEXT_OVER_MEDIAN] = rr / x[MEDIAN]
        x[NEXT_OVER_INTERVAL] = rr / before
        x[AROUND_OVER_MEDIAN] = (rr + before) / (2.0 * x[MEDIAN])
        x[NEXT_OVER_REFERENCE] = rr / state["reference_s"] if state["n_reference"] > 0 else 1.0
        x[NEXT_OVER_LONG] = rr / state["long"] if state["long"] > 0.0 else 1.0
        x[NEXT_FIT], x[NEXT_DISTANCE], x[NEXT_SAME] = 1.0, 0.0, 1.0
        x[FIT_OF_BEFORE] = state["fit"][0]
        x[NEXT_KNOWN] = came
        x[NEXT_OVER_STEADY] = rr / state["steady_s"] if state["steady_s"] > 0.0 else 1.0
        if came == 1 and state["fresh"][k] == 1:
            newest = lead["points"]
            shape = lead["shapes"][lead["dominant"]]["qrs"]
            x[NEXT_FIT], x[NEXT_DISTANCE] = glance(newest, shape)
            x[NEXT_SAME] = alike(newest, lead["last"])


@kernel
def decide(
    params: np.void, state: np.void, buffer: NDArray[np.float64], fs_hz: float, n_seen: int, interval: float, came: int
) -> float:
    """Say the final class of the open beat, Q where there is none; the arguments are those of `follow`."""
    if state["open"] == 0:
        return Q
    follow(params, state, buffer, fs_hz, n_seen, interval, came)
    return final(FINAL, state)


@kernel
def glance(points: NDArray[np.float64], shape: NDArray[np.float64]) -> tuple[float, float]:
    """Compare a beat that has just been read with a shape, unmoved: correlation and relative distance."""
    a = 2 * beat_shape.QRS_AT
    n = beat_shape.N_QRS
    total = square = both = power = 0.0
    for k in range(n):
        y = 0.5 * (points[a + 2 * k] + points[a + 2 * k + 1])
        total += y
        square += y * y
        both += y * shape[k]
        power += shape[k] * shape[k]
    own = square - total * total / n
    if own <= 0.0 or power <= 0.0:
        return 1.0, 0.0
    return both / math.sqrt(own * power), min(4.0, math.sqrt(max(0.0, own - 2.0 * both + power) / power))


@kernel
def alike(points: NDArray[np.float64], pairs: NDArray[np.float64]) -> float:
    """Correlate the complex of a beat that has just been read with that of another."""
    a = beat_shape.QRS_AT
    n = beat_shape.N_QRS
    sy = syy = sz = szz = syz = 0.0
    for k in range(n):
        y = 0.5 * (points[2 * (a + k)] + points[2 * (a + k) + 1])
        z = pairs[a + k]
        sy += y
        syy += y * y
        sz += z
        szz += z * z
        syz += y * z
    power = (syy - sy * sy / n) * (szz - sz * sz / n)
    return (syz - sy * sz / n) / math.sqrt(power) if power > 0.0 else 1.0


@kernel
def conclude(state: np.void, v: float, s: float) -> None:
    """Learn from the open beat, whose final probabilities are known.

    v, s : ventricular, supraventricular
    """
    early = 1.0
    fit = 0.0
    fits = 0
    for k in range(N_USED):
        if state["seen"][k] == 0:
            continue
        x = state["x"][k]
        early = x[OVER_REFERENCE]
        fit += x[FIT]
        fits += 1
        state["t_fit"], state["t_size"] = x[N_FIRST + beat_shape.T_FIT], x[N_FIRST + beat_shape.T_SIZE]
        beat_shape.learn(state["leads"][k], x, state["after"][k], state["n_after"], early, v, s)
    for k in range(2, 0, -1):
        state["v"][k], state["s"][k] = state["v"][k - 1], state["s"][k - 1]
    state["v"][0], state["s"][0] = v, s
    state["fit"][1] = state["fit"][0]
    state["fit"][0] = fit / fits if fits > 0 else 1.0
    plain = v + s < 0.5
    state["since_normal"] = 0 if plain else min(state["since_normal"] + 1, 99)
    if plain and state["v"][1] + state["s"][1] < 0.5 and state["interval"] > 0.0:
        state["reference"][state["n_reference"] % N_REFERENCE] = state["interval"]
        state["n_reference"] += 1
        n = min(state["n_reference"], N_REFERENCE)
        for k in range(n):
            state["near"][k] = state["reference"][k]
        state["reference_s"] = middle(state["near"], n)
    state["open"] = 0


@kernel
def admit(state: np.void, t: float, interval: float) -> None:
    """Make the beat that has been read the open one and find its first features.

    interval : from the beat before, s; NaN where that one is not known
    """
    rr = min(interval, LONGEST_S)
    known = rr == rr
    if not known:
        rr = state["reference_s"] if state["n_reference"] > 0 else 0.8
        state["n_intervals"] = 0
    state["interval"] = rr if known else 0.0
    state["open"] = 1
    state["open_t"] = t
    first = -1
    for k in range(N_USED):
        state["seen"][k] = state["fresh"][k]
        if state["seen"][k] == 0:
            continue
        beat_shape.look(state["leads"][k], state["leads"][k]["points"], state["x"][k])
        if first < 0:
            first = k
            beat_rhythm.rhythm(state, rr, state["x"][k])
        else:
            for j in range(N_SHAPE, N_FIRST):
                state["x"][k][j] = state["x"][first][j]
    if known:
        beat_rhythm.remember(state, rr)
        beat_rhythm.settle(state, rr)
        state["long"] += (rr - state["long"]) / min(beat_rhythm.N_LONG, state["n_intervals"])
