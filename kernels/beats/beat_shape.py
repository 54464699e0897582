"""What one lead shows of a beat's shape, against the shapes it has shown before."""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

STEP_S = 0.004  # of the grid on which a beat is read
N_READ = 118  # points, from FIRST_S on
FIRST_S = -0.28  # against R
T_STEP_S = 0.008
N_T = 32  # points after the QRS complex, from T_FIRST_S on, T_STEP_S apart
T_FIRST_S = 0.18
T_GUARD_S = 0.1  # before the next R nothing belongs to the T wave any more

# Places on the grid of pairs of points, 8 ms each.
N_PAIRS = N_READ // 2
QRS_AT, N_QRS = 23, 32  # from 96 ms before R on
N_SHIFT, N_SHIFTS = 3, 7  # pairs that a complex may be moved to fit, each way; how many places that makes
P_AT, N_P = 4, 20  # from 248 ms before R on

N_SHAPES = 3
SAME, RESIDUE = 0.85, 0.6  # correlation and relative distance from which two complexes are of one shape
FADE = 0.985  # of a shape's weight, a beat
TAKE_OVER = 1.3  # times the weight of the dominant shape make another one dominant
N_MEAN, N_MEAN_WAVE = 12.0, 10.0  # beats over which shapes and waves are averaged

SHAPE = np.dtype(
    [
        ("qrs", "f8", (N_QRS,)),  # without its mean
        ("weight", "f8"),
        ("n", "f8"),  # beats
        ("early", "f8"),  # interval before it over the reference, mean
        ("width", "f8"),
        ("area", "f8"),
        ("slope", "f8"),
        ("ventricular", "f8"),  # mean probabilities
        ("supraventricular", "f8"),
    ],
    align=True,
)

LEAD = np.dtype(
    [
        ("shapes", SHAPE, (N_SHAPES,)),
        ("dominant", "i8"),
        ("p", "f8", (N_P,)),  # mean P wave of the dominant shape
        ("n_p", "f8"),
        ("p_same", "f8"),  # how well the P waves of the last beats agree with it
        ("t", "f8", (N_T,)),  # mean T wave
        ("n_t", "f8"),
        ("points", "f8", (N_READ,)),  # of the newest beat
        ("last", "f8", (N_PAIRS,)),  # the beat that is looked at
        ("before", "f8", (N_QRS,)),  # the complex before it, without its mean
        ("size", "f8"),  # of the complex before
        # of the beat that is looked at
        ("own", "i8"),  # its shape, -1: none of those known
        ("steepest", "f8"),
        ("base", "f8"),
        ("height", "f8"),
    ],
    align=True,
)

# Features of a beat in a lead.
(
    FIT, DISTANCE, SIZE, SPREAD, SPREAD_CHANGE, OWN_PART, OWN_IS_DOMINANT, OWN_FIT, OWN_EARLY, FIT_BEFORE, AREA,
    AREA_CHANGE, SLOPE_CHANGE, SHARP, P_SIZE, P_FIT, P_HIGH, UNREST, P_USUAL, SHIFT, DRIFT, OWN_COUNT, DOMINANT_PART,
    WIDTH, AREA_MS, LEAN, P_LOW, P_PLACE, P_DISTANCE, GROWTH, OWN_V, OWN_S, P_SAME,
) = range(33)  # fmt: skip
N_SHAPE = 33
# Those that need what comes after it.
T_FIT, T_LEAN, T_DISCORD, T_SIZE, T_CHANGE, N_AFTER_SHAPE = range(6)


@kernel
def forget(lead: np.void) -> None:
    """Begin anew, as with another lead."""
    for c in range(N_SHAPES):
        lead["shapes"][c]["weight"] = 0.0
        lead["shapes"][c]["n"] = 0.0
    lead["dominant"] = 0
    lead["p"][:] = 0.0
    lead["t"][:] = 0.0
    lead["before"][:] = 0.0
    lead["n_p"] = 0.0
    lead["n_t"] = 0.0
    lead["p_same"] = 0.0
    lead["size"] = 0.0


@kernel
def pair_up(points: NDArray[np.float64], pairs: NDArray[np.float64]) -> None:
    """Average neighbouring points."""
    for k in range(pairs.shape[0]):
        pairs[k] = 0.5 * (points[2 * k] + points[2 * k + 1])


@kernel
def fit(pairs: NDArray[np.float64], shape: NDArray[np.float64]) -> tuple[float, float, float, int]:
    """Move a complex over a shape; returns the best correlation, relative distance and size, and the shift."""
    n = shape.shape[0]
    power = 0.0
    for k in range(n):
        power += shape[k] * shape[k]
    best, distance, size, shift = -1.0, 3.0, 1.0, 0
    if power <= 0.0:
        return 1.0, 0.0, 1.0, 0
    both_0 = both_1 = both_2 = both_3 = both_4 = both_5 = both_6 = 0.0  # one sum a shift: none waits for another
    total = square = 0.0
    a = QRS_AT - N_SHIFT
    for k in range(n):
        z = shape[k]
        both_0 += pairs[a + k] * z
        both_1 += pairs[a + k + 1] * z
        both_2 += pairs[a + k + 2] * z
        both_3 += pairs[a + k + 3] * z
        both_4 += pairs[a + k + 4] * z
        both_5 += pairs[a + k + 5] * z
        both_6 += pairs[a + k + 6] * z
        total += pairs[a + k]
        square += pairs[a + k] * pairs[a + k]
    for s in range(N_SHIFTS):
        both = (both_0, both_1, both_2, both_3, both_4, both_5, both_6)[s]
        own = square - total * total / n
        if own > 0.0:
            r = both / math.sqrt(own * power)
            if r > best:
                best, shift = r, s - N_SHIFT
                distance = math.sqrt(max(0.0, own - 2.0 * both + power) / power)
                size = math.sqrt(own / power)
        total += pairs[a + s + n] - pairs[a + s]
        square += pairs[a + s + n] * pairs[a + s + n] - pairs[a + s] * pairs[a + s]
    return best, distance, size, shift


@kernel
def straighten(pairs: NDArray[np.float64], k: int) -> tuple[float, float]:
    """Give the line, at its first point and a step, through the ends of the P window; `k` is its first place."""
    a = (pairs[k] + pairs[k + 1] + pairs[k + 2]) / 3.0
    b = (pairs[k + N_P - 1] + pairs[k + N_P - 2] + pairs[k + N_P - 3]) / 3.0
    rise = (b - a) / (N_P - 3)
    return a - rise, rise


@kernel
def log_ratio(a: float, b: float) -> float:
    """Give the logarithm of a ratio of two sizes in mV or ms, within bounds."""
    return min(3.0, max(-3.0, math.log(max(a, 1e-3) / max(b, 1e-3))))


@kernel
def look(lead: np.void, points: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    """Measure a beat that has been read, [N_READ], against what is known of the lead.

    x : its features, [N_SHAPE] and more
    """
    pairs = lead["last"]
    pair_up(points, pairs)
    shapes = lead["shapes"]
    top = lead["dominant"]
    own = -1
    own_fit, most, total = 0.0, -2.0, 0.0
    x[FIT], x[DISTANCE], x[SIZE], x[SHIFT] = 1.0, 0.0, 0.0, 0.0
    for c in range(N_SHAPES):
        if shapes[c]["weight"] > 0.0:
            total += shapes[c]["weight"]
            r, distance, size, shift = fit(pairs, shapes[c]["qrs"])
            if c == top:
                x[FIT], x[DISTANCE], x[SIZE], x[SHIFT] = r, min(distance, 4.0), log_ratio(size, 1.0), shift
            if r > SAME and distance < RESIDUE and r - 0.25 * distance > most:
                most, own, own_fit = r - 0.25 * distance, c, r
    lead["own"] = own
    x[OWN_FIT] = own_fit
    x[OWN_IS_DOMINANT] = 1.0 if own == top else 0.0
    x[OWN_PART] = x[OWN_COUNT] = x[OWN_V] = x[OWN_S] = 0.0
    x[OWN_EARLY] = 1.0
    if own >= 0:
        x[OWN_PART] = shapes[own]["weight"] / total
        x[OWN_EARLY] = shapes[own]["early"]
        x[OWN_COUNT] = min(shapes[own]["n"], 50.0)
        x[OWN_V] = shapes[own]["ventricular"]
        x[OWN_S] = shapes[own]["supraventricular"]
    x[DOMINANT_PART] = shapes[top]["weight"] / total if total > 0.0 else 1.0
    x[FIT_BEFORE] = fit(pairs, lead["before"])[0]
    measure_complex(lead, points, x)
    measure_p(lead, pairs, x)


@kernel
def measure_complex(lead: np.void, points: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    """Measure width, slope, area and rest of the complex itself."""
    power = moment = moment_2 = steepest = 0.0
    for k in range(40, N_READ - 4):
        d = points[k + 2] - points[k - 2]
        power += d * d
        moment += d * d * k
        moment_2 += d * d * k * k
        steepest = max(steepest, abs(d))
    begin = end = 40
    for k in range(40, N_READ - 4):
        if abs(points[k + 2] - points[k - 2]) > 0.2 * steepest:
            begin = k if begin == 40 else begin
            end = k
    base = 0.0
    for k in range(46, 54):
        base += 0.125 * points[k]
    above = below = high = low = 0.0
    for k in range(46, N_READ):
        y = points[k] - base
        above += max(y, 0.0)
        below -= min(y, 0.0)
        high = max(high, y)
        low = min(low, y)
    height = max(high - low, 1e-3)
    unrest = 0.0
    for k in range(6, 46):
        unrest += abs(points[k - 1] - 2.0 * points[k] + points[k + 1])
    usual = lead["shapes"][lead["dominant"]]
    known = usual["n"] > 0.0
    spread = 4.0 * math.sqrt(max(0.0, moment_2 / power - (moment / power) ** 2)) if power > 0.0 else 0.0
    area = (above - below) / (above + below + 1e-6)
    x[SPREAD] = spread
    x[SPREAD_CHANGE] = log_ratio(spread, usual["width"]) if known else 0.0
    x[WIDTH] = 4.0 * (end - begin)
    x[AREA] = area
    x[AREA_CHANGE] = area - usual["area"] if known else 0.0
    x[SLOPE_CHANGE] = log_ratio(steepest, usual["slope"]) if known else 0.0
    x[SHARP] = steepest / height
    x[AREA_MS] = 4.0 * (above + below) / height
    x[LEAN] = (high + low) / height
    x[UNREST] = unrest / (40.0 * height)
    x[DRIFT] = (lead["last"][24] - lead["last"][4]) / height
    x[GROWTH] = log_ratio(height, lead["size"]) if lead["size"] > 0.0 else 0.0
    lead["steepest"], lead["base"], lead["height"] = steepest, base, height


@kernel
def measure_p(lead: np.void, pairs: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    """Measure what stands where the P wave should."""
    height = lead["height"]
    usual = lead["p"]
    start, rise = straighten(pairs, P_AT)
    both = power = own = high = low = apart = 0.0
    place = 0
    for k in range(N_P):
        y = pairs[P_AT + k] - start - rise * k
        both += y * usual[k]
        power += usual[k] * usual[k]
        own += y * y
        apart += (y - usual[k]) ** 2
        low = min(low, y)
        if y > high:
            high, place = y, k
    known = lead["n_p"] > 0.0 and power > 1e-9
    x[P_SIZE] = min(3.0, max(-3.0, both / power)) if known else 1.0
    x[P_FIT] = both / math.sqrt(power * own) if known and own > 1e-9 else 1.0
    x[P_HIGH] = min(3.0, high / height)
    x[P_LOW] = max(-3.0, low / height)
    x[P_PLACE] = place
    x[P_DISTANCE] = min(3.0, math.sqrt(apart / N_P) / height)
    x[P_USUAL] = min(3.0, math.sqrt(power / N_P) / height)
    x[P_SAME] = lead["p_same"]


@kernel
def look_after(lead: np.void, points: NDArray[np.float64], n: int, lean: float, x: NDArray[np.float64]) -> None:
    """Measure what follows the complex.

    points : [N_T], of which the first n are the beat's own
    lean   : AREA of the beat
    x      : its features, [N_AFTER_SHAPE]
    """
    x[T_FIT], x[T_LEAN], x[T_DISCORD], x[T_SIZE], x[T_CHANGE] = 1.0, 0.0, 0.0, 0.0, 0.0
    if n < 12:
        return
    mean = usual_mean = 0.0
    for k in range(n):
        mean += points[k] / n
        usual_mean += lead["t"][k] / n
    both = own = power = 0.0
    high = low = points[0] - lead["base"]
    for k in range(n):
        y = points[k] - mean
        z = lead["t"][k] - usual_mean
        both += y * z
        own += y * y
        power += z * z
        high = max(high, points[k] - lead["base"])
        low = min(low, points[k] - lead["base"])
    height = lead["height"]
    known = lead["n_t"] > 0.0
    x[T_FIT] = both / math.sqrt(own * power) if known and own * power > 1e-12 else 1.0
    x[T_LEAN] = min(3.0, max(-3.0, (high + low) / height))
    x[T_DISCORD] = x[T_LEAN] * lean
    x[T_SIZE] = min(3.0, math.sqrt(own / n) / height)
    x[T_CHANGE] = log_ratio(math.sqrt(own), math.sqrt(power)) if known else 0.0


@kernel
def learn(
    lead: np.void,
    x: NDArray[np.float64],
    after: NDArray[np.float64],
    n_after: int,
    early: float,
    ventricular: float,
    supraventricular: float,
) -> None:
    """Take the beat that was looked at last into the shapes of the lead, before the next one is looked at.

    x     : its features
    after : what followed, [N_T], n_after of them its own
    early : interval before it over the reference
    The probabilities say how much it counts for the rhythm of the patient.
    """
    shapes = lead["shapes"]
    own = lead["own"]
    least = 0
    for c in range(N_SHAPES):
        shapes[c]["weight"] *= FADE
        if shapes[c]["weight"] < shapes[least]["weight"]:
            least = c
    if own < 0:
        own = least
        lead["own"] = own
        shapes[own]["n"] = 0.0
        shapes[own]["weight"] = 0.0
    shape = shapes[own]
    pairs = lead["last"]
    shift = 0
    if shape["n"] > 0.0:
        shift = fit(pairs, shape["qrs"])[3]
    a = 1.0 / min(shape["n"] + 1.0, N_MEAN)
    mean = mean_before = 0.0
    for k in range(N_QRS):
        mean += pairs[QRS_AT + shift + k] / N_QRS
        mean_before += pairs[QRS_AT + k] / N_QRS
    for k in range(N_QRS):
        old = shape["qrs"][k] if shape["n"] > 0.0 else 0.0
        shape["qrs"][k] = old + a * (pairs[QRS_AT + shift + k] - mean - old)
        lead["before"][k] = pairs[QRS_AT + k] - mean_before
    shape["width"] += a * (x[SPREAD] - shape["width"])
    shape["area"] += a * (x[AREA] - shape["area"])
    shape["slope"] += a * (lead["steepest"] - shape["slope"])
    shape["early"] += a * (early - shape["early"])
    shape["ventricular"] += a * (ventricular - shape["ventricular"])
    shape["supraventricular"] += a * (supraventricular - shape["supraventricular"])
    shape["n"] += 1.0
    shape["weight"] += 1.0 - 0.8 * ventricular
    lead["size"] = lead["height"]
    for c in range(N_SHAPES):
        if shapes[c]["weight"] > TAKE_OVER * shapes[lead["dominant"]]["weight"]:
            lead["dominant"] = c
    if own == lead["dominant"] and ventricular + supraventricular < 0.5:
        lead["p_same"] += (x[P_FIT] - lead["p_same"]) / min(lead["n_p"] + 1.0, 16.0)
        lead["n_p"] += 1.0
        a = 1.0 / min(lead["n_p"], N_MEAN_WAVE)
        start, rise = straighten(pairs, P_AT)
        for k in range(N_P):
            lead["p"][k] += a * (pairs[P_AT + k] - start - rise * k - lead["p"][k])
        if n_after == N_T:
            lead["n_t"] += 1.0
            a = 1.0 / min(lead["n_t"], N_MEAN_WAVE)
            for k in range(N_T):
                lead["t"][k] += a * (after[k] - lead["t"][k])
