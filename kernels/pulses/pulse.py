"""Pulse detection in a photoplethysmogram: each pulse once, soon after its systolic peak, with its foot and shape.

A low-passed copy of the signal is followed from trough to top. A rise becomes a pulse when the steepest part of it (the
rise within 0.12 s, which respiration and drift hardly touch) is large beside the median of the last rises; the bar is
higher shortly after a pulse, where the dicrotic wave comes, and sinks when a pulse is overdue. What is measured of
a pulse is measured in the unfiltered samples around it, so that the filter moves nothing.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.pulses import pulse_rhythm, pulse_shape

ROUNDING = 1e-12  # of the level: a rise below it is noise of the arithmetic, which a dead sensor leaves in the filter
LIMIT = 1e12  # a sample beyond is no measurement: it counts as missing
JUMP = 4.0  # pulse amplitudes; a step from one sample to the next larger than this is no pulse
DEADLINE_S = 0.33  # a pulse is said so long after its peak even if it has not yet fallen to half its height
RAISE_S = 0.25  # so long a higher top replaces the last one
ALIKE = 0.6  # correlation with the template below which a shape teaches nothing
NOISY = 0.08  # standard deviation of the noise above the band, in pulse heights
STORM = 0.3
HYSTERESIS = 0.1  # of the pulse's amplitude: smaller reversals are noise

PARAMS = np.dtype(
    [
        ("fs_hz", "f8"),
        ("sign", "f8"),  # -1: pulses point down
        ("b0", "f8"),  # low-pass biquad; b1 = 2 b0, b2 = b0
        ("a1", "f8"),
        ("a2", "f8"),
        ("delay", "f8"),  # of the low-pass, in samples
        ("h0", "f8"),  # high-pass biquad that hears the noise; h1 = -2 h0, h2 = h0; 0 where the rate is too low
        ("g1", "f8"),
        ("g2", "f8"),
        ("noise_gain", "f8"),  # largest rise that noise of unit variance makes in the low-passed copy
        ("noise_rate", "f8"),  # share of a sample in the mean square of the noise
        ("overdue", "f8"),  # factor a sample by which the bar sinks when a pulse is overdue
        ("n_ring", "i8"),
        ("n_lag", "i8"),
        ("n_hold", "i8"),  # samples that are held over; after more, detection begins anew
        ("n_plateau", "i8"),  # a top that does not fall is settled after so many samples
        ("n_fit", "i8"),  # half window of fits
    ],
    align=True,
)

# Zeros, but for `start`, which is -1.
STATE = np.dtype(
    [
        ("n", "i8"),  # samples seen
        ("start", "i8"),  # first sample since the last gap; -1: none yet
        ("n_held", "i8"),  # samples in a row that are missing or jumped
        ("slot", "i8"),  # place in the ring of the next sample
        ("base", "f8"),  # the filters see the signal less its first sample
        ("held", "f8"),  # newest good sample
        ("z1", "f8"),
        ("z2", "f8"),
        ("y", "f8"),
        ("hz1", "f8"),
        ("hz2", "f8"),
        ("noise", "f8"),  # mean square of the high-passed signal
        ("jump", "f8"),  # step that counts as a jump; 0: none known
        ("hysteresis", "f8"),
        ("rising", "i8"),
        ("low", "f8"),  # the trough before, the top since, the rise within the lag and the steepest place
        ("low_at", "i8"),
        ("top", "f8"),
        ("top_at", "i8"),
        ("rise", "f8"),
        ("steep", "f8"),
        ("steep_at", "i8"),
        ("pending", "i8"),  # a pulse waits to be measured and said
        ("p_low", "f8"),
        ("p_top", "f8"),
        ("p_top_at", "i8"),
        ("rhythm", pulse_rhythm.RHYTHM),
        ("p_low_at", "i8"),
        ("p_rise", "f8"),
        ("p_steep", "f8"),
        ("p_steep_at", "i8"),
        ("n_jumps", "i8"),  # all that jumped
        ("template", "f8", (pulse_shape.N_TAPS,)),
        ("n_template", "i8"),
        ("n_unlike", "i8"),  # pulses in a row unlike the template
        ("floor", "f8"),  # level of the last pulse's trough and peak, less the base; NaN: none since the last gap
        ("value", "f8"),
        ("t", "f8"),  # the pulse just said
        ("onset", "f8"),
        ("amplitude", "f8"),
        ("width_s", "f8"),
        ("interval_s", "f8"),
        ("quality", "f8"),
        ("reasons", "i8"),
    ],
    align=True,
)


@kernel
def restart(s: np.void, v: float) -> None:
    """Begin anew with a sample: filters at rest on it, no trough, no pulse before; what pulses look like is kept."""
    s["start"] = s["n"]
    s["base"] = v
    s["held"] = v
    s["slot"] = 0
    s["z1"] = s["z2"] = s["y"] = s["hz1"] = s["hz2"] = 0.0
    s["rising"] = 0
    s["low"] = s["top"] = s["rise"] = s["steep"] = 0.0
    s["low_at"] = s["top_at"] = s["steep_at"] = s["n"]
    s["pending"] = 0
    s["floor"] = s["value"] = np.nan
    pulse_rhythm.restart(s["rhythm"], s["n"])
    s["hysteresis"] = HYSTERESIS * s["rhythm"]["height"]


@kernel
def forget(s: np.void) -> None:
    """Unlearn what pulses look like: the next sample is from elsewhere."""
    s["start"] = -1
    s["n_held"] = s["n_template"] = s["n_unlike"] = s["pending"] = 0
    s["jump"] = 0.0
    pulse_rhythm.forget(s["rhythm"])


@kernel
def accept(p: np.void, s: np.void) -> bool:
    """Judge the rise that just topped."""
    rise: float = s["rise"]
    if rise <= p["noise_gain"] * math.sqrt(s["noise"]):
        return False
    if rise <= ROUNDING * (abs(s["base"]) + abs(s["top"]) + abs(s["low"])):
        return False
    if s["low_at"] == s["start"] and s["top_at"] - s["start"] < p["n_lag"]:
        return False  # it begins on this rise, of which hardly anything is seen
    return pulse_rhythm.accept(s["rhythm"], p["fs_hz"], s["top_at"], rise)


@kernel
def judge(s: np.void, same: float, height: float, floor: float, value: float, known: bool) -> None:
    """Give the pulse just measured a quality, and the reasons.

    same         : correlation with the template
    height       : in the low-passed copy
    floor, value : of its trough and peak; both change slowly but for movement
    known        : there is a template and an expected height

    The rhythm has no say: an irregular pulse is no bad signal.
    """
    expected: float = s["rhythm"]["height"]
    s["reasons"] = 0
    quality = 0.5
    if known and same == same:
        shape = math.exp((same - 1.0) / 0.06)
        size = min(height / expected, expected / height)
        level = (abs(floor - s["floor"]) + abs(value - s["value"])) / expected
        steady = math.exp(-0.5 * level) if level == level else 1.0
        quality = shape * size * steady
        if shape < 0.5:
            s["reasons"] |= codes.NOISE
        if size * steady < 0.5:
            s["reasons"] |= codes.MOTION
    else:
        s["reasons"] |= codes.TOO_FEW_BEATS
    noise = math.sqrt(s["noise"]) / height
    if noise > NOISY:
        quality *= max(1.0 - 2.0 * (noise - NOISY), 0.0)
        s["reasons"] |= codes.NOISE
    s["quality"] = quality
    s["floor"], s["value"] = floor, value


@kernel
def say(p: np.void, s: np.void, buffer: NDArray[np.float64]) -> None:
    """Measure the waiting pulse, put it into the state and learn from it."""
    r = s["rhythm"]
    n_ring: int = p["n_ring"]
    fs_hz: float = p["fs_hz"]
    raw, low = buffer[:n_ring], buffer[n_ring : 2 * n_ring]
    # places in the rings: samples since `start`
    start: int = s["start"]
    now = s["n"] - start
    first = max(now - n_ring + 1, 0)
    top_at, low_at, steep_at = s["p_top_at"] - start, s["p_low_at"] - start, s["p_steep_at"] - start
    delay = math.floor(p["delay"] + 0.5)
    m: int = p["n_fit"]
    reach = max(1, int(0.05 * fs_hz))
    t, value = pulse_shape.peak(raw, top_at - delay, reach, m, first, now)
    floor = pulse_shape.mean_at(raw, max(low_at - delay, first), m, first, now)
    onset = pulse_shape.foot(raw, steep_at - delay, reach, m, floor, first, int(t))
    half = 0.5 * (s["p_low"] + s["p_top"])
    up = pulse_shape.crossing(low, half, max(low_at, first), top_at)
    down = now - 1 + (half - low[(now - 1) % n_ring]) / (s["y"] - low[(now - 1) % n_ring]) if s["y"] < half else np.nan
    height: float = s["p_top"] - s["p_low"]
    storm = s["n_template"] >= 3 and math.sqrt(s["noise"]) > STORM * height  # teaches nothing
    if r["slack"] < pulse_rhythm.ANOTHER and not storm:
        s["n_template"] = 0
    known = s["n_template"] >= 3
    same = pulse_shape.likeness(low, t + p["delay"], fs_hz, first, now, s["template"], s["n_template"], ALIKE, storm)
    s["t"] = start + t
    s["onset"] = start + onset if low_at > 0 and first < onset < t else np.nan
    s["amplitude"] = value - floor if low_at > 0 else np.nan  # of a first pulse only a part may be seen
    s["width_s"] = (down - up) / fs_hz
    s["interval_s"] = (s["t"] - r["last"]) / fs_hz

    judge(s, same, height, floor, value, known)
    if not storm:
        s["n_unlike"] = s["n_unlike"] + 1 if known and same < ALIKE else 0
        s["n_template"] = 0 if s["n_unlike"] >= 6 else min(s["n_template"] + 1, 10)
    alike = not storm and (not known or not same < ALIKE or s["n_unlike"] > 3)
    pulse_rhythm.take(r, fs_hz, s["p_top_at"], s["t"], s["p_rise"], height, alike)
    s["jump"] = JUMP * r["height"] if r["n_rises"] >= 3 else 0.0
    s["hysteresis"] = HYSTERESIS * r["height"]
    s["pending"] = 0


@kernel
def top_out(p: np.void, s: np.void, buffer: NDArray[np.float64]) -> bool:
    """Judge the rise that ended and turn downwards; True where that made the pulse before it certain."""
    said = False
    if s["pending"] != 0 and accept_after_pending(p, s):
        say(p, s, buffer)
        said = True
    if s["pending"] == 0 and accept(p, s):
        s["pending"] = 1
        s["p_low"], s["p_low_at"] = s["low"], s["low_at"]
        s["p_top"], s["p_top_at"] = s["top"], s["top_at"]
        s["p_rise"], s["p_steep"], s["p_steep_at"] = s["rise"], s["steep"], s["steep_at"]
    s["rising"] = 0
    s["low"], s["low_at"] = s["y"], s["n"]
    return said


@kernel
def accept_after_pending(p: np.void, s: np.void) -> bool:
    """Decide if a rise that topped while a pulse waits is the next one; a far larger one at once replaces it."""
    apart_s = (s["top_at"] - s["p_top_at"]) / p["fs_hz"]
    if apart_s >= pulse_rhythm.SHORTEST_S and s["rise"] > 0.5 * s["p_rise"]:
        return True
    if apart_s < pulse_rhythm.SHORTEST_S and s["rise"] > 1.5 * s["p_rise"]:
        s["pending"] = 0
    return False


@kernel
def tick(p: np.void, s: np.void, buffer: NDArray[np.float64], x: float) -> bool:
    """Take one sample; True where a pulse is said: it then stands in the state (t, onset, amplitude and so on)."""
    v = p["sign"] * x
    said = False
    missing = not -LIMIT <= v <= LIMIT
    jumped = not missing and s["start"] >= 0 and s["jump"] > 0.0 and abs(v - s["held"]) > s["jump"]
    if missing or jumped:
        s["n_held"] += 1
        s["n_jumps"] += jumped
        if s["start"] < 0:
            s["n"] += 1
            return False
        if s["n_held"] > p["n_hold"]:
            if s["pending"] != 0:
                s["n"] -= 1  # the rings end one sample ago
                say(p, s, buffer)
                s["n"] += 1
                said = True
            s["start"] = -1
            if jumped:
                s["jump"] *= 2.0  # if the signal has grown, it must be let in some time
            s["n"] += 1
            return said
        v = s["held"]
    else:
        s["n_held"] = 0
    if s["start"] < 0:
        restart(s, v)
    s["held"] = v
    v -= s["base"]

    # filters
    b0: float = p["b0"]
    y = b0 * v + s["z1"]
    s["z1"] = 2.0 * b0 * v - p["a1"] * y + s["z2"]
    s["z2"] = b0 * v - p["a2"] * y
    h0: float = p["h0"]
    h = h0 * v + s["hz1"]
    s["hz1"] = -2.0 * h0 * v - p["g1"] * h + s["hz2"]
    s["hz2"] = h0 * v - p["g2"] * h
    s["noise"] += (h * h - s["noise"]) * p["noise_rate"]
    n_ring: int = p["n_ring"]
    slot: int = s["slot"]
    n: int = s["n"]
    buffer[slot] = v
    buffer[n_ring + slot] = y
    slope = y - s["y"]
    s["y"] = y
    lag = min(p["n_lag"], n - s["start"])
    rise = y - buffer[n_ring + (slot - lag if slot >= lag else slot - lag + n_ring)]
    s["slot"] = slot + 1 if slot + 1 < n_ring else 0

    # trough and top
    r = s["rhythm"]
    if n - r["at"] > 2.0 * (r["interval"] if r["interval"] > 0.0 else p["fs_hz"]):
        r["slack"] *= p["overdue"]
        s["hysteresis"] *= p["overdue"]
    if s["pending"] != 0 and y > s["p_top"] and n - s["p_top_at"] < RAISE_S * p["fs_hz"]:
        s["pending"] = 0  # it still rises
        s["rising"] = 1
        s["low"], s["low_at"] = s["p_low"], s["p_low_at"]
        s["rise"], s["steep"], s["steep_at"] = s["p_rise"], s["p_steep"], s["p_steep_at"]
        s["top"], s["top_at"] = y, n
    if s["rising"] == 0:
        if y <= s["low"] or n - s["low_at"] >= n_ring:  # what has left the rings is no trough of a rise to come
            s["low"], s["low_at"] = y, n
            s["rise"] = s["steep"] = 0.0
        else:
            if rise > s["rise"]:
                s["rise"] = rise
            if slope > s["steep"]:
                s["steep"], s["steep_at"] = slope, n
            if y - s["low"] > s["hysteresis"]:
                s["rising"] = 1
                s["top"], s["top_at"] = y, n
    else:
        if rise > s["rise"]:
            s["rise"] = rise
        if slope > s["steep"]:
            s["steep"], s["steep_at"] = slope, n
        if y > s["top"]:
            s["top"], s["top_at"] = y, n
        else:
            fall = s["top"] - y
            settled = fall > HYSTERESIS * (s["top"] - s["low"]) and fall > 0.5 * s["hysteresis"]
            if settled or n - s["top_at"] > p["n_plateau"]:
                said = top_out(p, s, buffer)
    if s["pending"] != 0 and not said:
        fallen = y < 0.5 * (s["p_low"] + s["p_top"])
        if fallen or n - s["p_top_at"] + p["delay"] >= DEADLINE_S * p["fs_hz"]:
            say(p, s, buffer)
            said = True
    s["n"] = n + 1
    return said


@kernel
def write(s: np.void, t_known: float, channel: int, row: np.void) -> None:
    """Write the pulse just said as a finding."""
    row["slot"] = 0
    row["what"] = finding.BEAT
    row["code"] = codes.PULSE
    row["channel"] = channel
    row["t"] = s["t"]
    row["t_known"] = t_known
    row["quality"] = s["quality"]
    row["reasons"] = s["reasons"]
    body = row["body"]
    body[:] = np.nan
    body[finding.INTERVAL_S] = s["interval_s"]
    body[finding.AMPLITUDE] = s["amplitude"]
    body[finding.WIDTH_S] = s["width_s"]
    body[finding.ONSET] = s["onset"]
    body[finding.LABEL] = 81.0  # Q: a pulse wave does not tell where the beat arose


@kernel
def step(p: np.void, s: np.void, buffer: NDArray[np.float64], x: NDArray[np.float64], out: NDArray[np.void]) -> int:
    """Detect the pulses of a chunk.

    p      : PARAMS
    s      : STATE, as `fresh` of vitalcore.operators.ppg gives it
    buffer : rings, [2 n_ring]
    x      : samples, [n, 1], any unit; NaN is a missing one
    out    : FINDING, at least n / (0.15 fs_hz) + 2

    Gives the number of pulses. Missing samples up to n_hold are held over; after more, detection begins anew, keeping
    what it has learnt; no interval spans such a gap.
    Latency: 0.4 s after the peak.
    Source: bar after a pulse and its learning are our own; a rise within a fixed time as in Zong et al., CinC 2003.
    """
    n_out = 0
    for i in range(x.shape[0]):
        if tick(p, s, buffer, x[i, 0]):
            write(s, float(s["n"] - 1), 0, out[n_out])
            n_out += 1
    return n_out
