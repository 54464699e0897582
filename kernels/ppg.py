"""The whole PPG chain over one stream or a table of them: display wave, pulses, rates, perfusion, quality, events."""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.pulses import ppg_channel, pulse
from vitalcore.kernels.rhythm import rate

UNUSABLE = 0.2  # quality below which no number is given
N_UNUSABLE_S = 3  # seconds in a row after which it is said that there is no usable signal
N_USABLE_S = 2
STALE_S = 3.0  # no pulse for longer (or for three intervals): the signal carries none
DEAD_S = 2.0  # a channel without a signal for longer is left for another
FLAT_S, NO_CONTACT_S, CLIPPED_S = 1.0, 3.0, 0.1  # the same value for so long
EXTREMES_S = 8  # a clipped sample lies at the extreme of the last 8 to 16 s
PARAMS = np.dtype(
    [
        ("pulse", pulse.PARAMS),
        ("sos", "f8", (2, 6)),  # band of the display wave
        ("level_rate", "f8"),  # share of a sample in the mean level of a channel
        ("channel", "i8"),  # column in which pulses are detected; -1: the first that lives
        ("num", "i8"),  # rate as a fraction in Hz
        ("den", "i8"),
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("n", "i8"),
        ("slot", "i8"),  # place in the channels' rings of the next sample
        ("next_at", "i8"),  # sample with which the next second is told
        ("n_same", "i8"),  # samples in a row with one value
        ("value", "f8"),  # that value
        ("n_missing", "i8"),  # in this second
        ("high", "f8"),  # extremes lately
        ("low", "f8"),
        ("most", "f8"),  # extremes of this second
        ("least", "f8"),
        ("channel", "i8"),  # in which pulses are detected now
        ("pulse", pulse.STATE),
        ("rate", rate.RATE),
        ("second", "i8"),  # seconds told
        ("last", "f8"),  # newest pulse; NaN: none yet
        ("quality", "f8"),  # of the last pulses
        ("n_pulses", "i8"),  # in a row whose quality could be told
        ("usual", "f8"),  # height of a pulse in the good seconds lately
        ("told", "i8"),  # reasons of the pulses of the last second that had any
        ("n_told", "i8"),  # pulses of this second
        ("n_clipped", "i8"),  # in this second
        ("n_jumps", "i8"),  # until the last second
        ("high_before", "f8"),  # extremes before that
        ("low_before", "f8"),
        ("n_bad_s", "i8"),  # unusable seconds in a row
        ("n_good_s", "i8"),
        ("begun", "i8"),  # first sample of this second, of the unusable stretch, of the usable one
        ("bad_from", "i8"),
        ("good_from", "i8"),
        ("lost", "i8"),  # the event "no usable signal" is open
    ],
    align=True,
)


@kernel
def take_pulse(p: np.void, s: np.void, channels: NDArray[np.float64]) -> None:
    """Learn from the pulse just said: intervals, quality, pulsatile part of each channel.

    channels : memory of each, [n_channels, ppg_channel.N_HEAD + n_ring]
    """
    found, design = s["pulse"], p["pulse"]
    quality: float = found["quality"]
    s["last"] = found["t"]
    s["n_pulses"] = 0 if found["reasons"] & codes.TOO_FEW_BEATS else s["n_pulses"] + 1
    s["quality"] += (quality - s["quality"]) / max(min(s["n_pulses"], 3), 1)
    if found["interval_s"] != found["interval_s"]:
        rate.clear(s["rate"])
    elif quality >= UNUSABLE:
        rate.add(s["rate"], found["interval_s"])
    if s["n_told"] == 0:
        s["told"] = 0
    s["n_told"] += 1
    s["told"] |= found["reasons"] & (codes.NOISE | codes.MOTION)
    if found["amplitude"] != found["amplitude"]:
        return
    top_at = math.floor(found["t"] + 0.5)
    low_at = max(found["p_low_at"] - math.floor(design["delay"] + 0.5), found["start"])
    if quality >= UNUSABLE:
        for c in range(channels.shape[0]):
            ppg_channel.take_pulse(p, channels[c], s["n"], s["slot"], top_at, low_at)


@kernel
def watch(p: np.void, s: np.void, x: float) -> None:
    """Note what one sample of the detection channel says about the signal: missing, repeated, at its extreme."""
    if not -pulse.LIMIT <= x <= pulse.LIMIT:
        s["n_missing"] += 1
        s["n_same"] = 0
        s["value"] = np.nan
        return
    fs_hz: float = p["pulse"]["fs_hz"]
    if x == s["value"]:
        s["n_same"] += 1
        if s["n_same"] >= CLIPPED_S * fs_hz and (
            x >= max(s["high"], s["high_before"]) or x <= min(s["low"], s["low_before"])
        ):
            s["n_clipped"] += int(CLIPPED_S * fs_hz) if s["n_same"] - 1 < CLIPPED_S * fs_hz else 1
    else:
        s["n_same"] = 1
        s["value"] = x
        s["high"] = max(s["high"], x)
        s["low"] = min(s["low"], x)
    s["most"] = max(s["most"], x)
    s["least"] = min(s["least"], x)


@kernel
def judge(p: np.void, s: np.void) -> tuple[float, int]:
    """Give quality (NaN: not known yet) and reasons of the second that ends now, and begin the next."""
    fs_hz: float = p["pulse"]["fs_hz"]
    found = s["pulse"]
    reasons = 0
    value = 1.0
    missing = s["n_missing"] / fs_hz
    clipped = min(s["n_clipped"] / fs_hz, 1.0)
    if missing > 0.02:
        reasons |= codes.MISSING
        value *= max(1.0 - 2.0 * missing, 0.0)
    if s["n_same"] >= FLAT_S * fs_hz:
        reasons |= codes.FLAT
        value = 0.0
        if s["n_same"] >= NO_CONTACT_S * fs_hz:
            reasons |= codes.LEAD_OFF
    if clipped > 0.02:
        reasons |= codes.SATURATED
        value *= 1.0 - clipped
    height: float = found["rhythm"]["height"]
    if height > 0.0:
        noise = math.sqrt(found["noise"]) / height
        if noise > pulse.NOISY:
            reasons |= codes.NOISE
        usual: float = s["usual"] if s["usual"] > 0.0 else height
        if found["n_jumps"] > s["n_jumps"] or s["most"] - s["least"] > 3.0 * usual:
            reasons |= codes.MOTION
            value *= 0.7
    s["n_jumps"] = found["n_jumps"]
    age_s = (s["n"] - s["last"]) / fs_hz
    stale = not age_s <= max(STALE_S, 3.0 * found["rhythm"]["interval"] / fs_hz)
    if s["n_pulses"] == 0 or stale:
        reasons |= codes.TOO_FEW_BEATS
    if stale:
        value = 0.0 if s["last"] == s["last"] or s["n"] >= STALE_S * fs_hz or value == 0.0 else np.nan
    else:
        reasons |= s["told"]
        value *= s["quality"]
        if value > 0.5:
            s["usual"] += (height - s["usual"]) / (8.0 if s["usual"] > 0.0 else 1.0)
    s["n_missing"] = s["n_clipped"] = s["n_told"] = 0
    s["most"], s["least"] = -np.inf, np.inf
    if (s["second"] + 1) % EXTREMES_S == 0:
        s["high_before"], s["low_before"] = s["high"], s["low"]
        s["high"], s["low"] = -np.inf, np.inf
    return value, reasons


@kernel
def feature(row: np.void, code: int, channel: int, n: int, value: float, quality: float, reasons: int) -> None:
    """Write one feature, told and true as of sample n."""
    row["slot"] = 0
    row["what"] = finding.FEATURE
    row["code"] = code
    row["channel"] = channel
    row["t"] = row["t_known"] = float(n)
    row["quality"] = quality
    row["reasons"] = reasons
    row["body"][:] = np.nan
    row["body"][finding.VALUE] = value


@kernel
def event(row: np.void, s: np.void, channel: int, t_end: float, reasons: int) -> None:
    """Write the event "no usable signal", open (t_end is NaN) or over."""
    row["slot"] = 0
    row["what"] = finding.EVENT
    row["code"] = codes.NO_USABLE_SIGNAL
    row["channel"] = channel
    row["t"] = float(s["bad_from"])
    row["t_known"] = float(s["n"])
    row["quality"] = 1.0
    row["reasons"] = reasons
    row["body"][:] = np.nan
    row["body"][finding.T_END] = t_end
    row["body"][finding.EVIDENCE_FROM] = float(s["bad_from"])
    row["body"][finding.EVIDENCE_TO] = float(s["n"])


@kernel
def tell(p: np.void, s: np.void, channels: NDArray[np.float64], out: NDArray[np.void]) -> int:
    """Write the features of the second that ends with this sample, and the event where one begins or ends."""
    n: int = s["n"]
    channel: int = s["channel"]
    value, reasons = judge(p, s)
    usable = value >= UNUSABLE
    known = value if value == value else 0.0
    age_s = (n - s["last"]) / p["pulse"]["fs_hz"]
    counted = usable and s["n_pulses"] > 0 and s["rate"]["n"] >= 2
    averaged = rate.averaged(s["rate"], age_s) if counted else np.nan
    instant = rate.instant(s["rate"], age_s) if counted else np.nan
    absent = reasons if averaged == averaged else reasons | codes.TOO_FEW_BEATS
    feature(out[0], codes.PULSE_RATE, channel, n, averaged, known, absent)
    feature(out[1], codes.PULSE_RATE_INSTANT, channel, n, instant, known, absent)
    k = 2
    for c in range(channels.shape[0]):
        index, why = ppg_channel.perfusion(channels[c])
        if c == channel:
            reasons |= why & codes.LOW_PERFUSION
        if not usable or s["n_pulses"] == 0:
            index = np.nan
            why |= reasons
        feature(out[k], codes.PERFUSION_INDEX, c, n, index, known, why)
        k += 1
    feature(out[k], codes.SIGNAL_QUALITY, channel, n, value, known, reasons)
    k += 1
    if usable or value != value:
        s["n_bad_s"] = 0
        if s["n_good_s"] == 0:
            s["good_from"] = s["begun"]
        s["n_good_s"] += 1
        if s["lost"] != 0 and s["n_good_s"] >= N_USABLE_S:
            s["lost"] = 0
            event(out[k], s, channel, float(s["good_from"]), reasons)
            k += 1
    else:
        s["n_good_s"] = 0
        if s["n_bad_s"] == 0 and s["lost"] == 0:
            s["bad_from"] = s["begun"]
        s["n_bad_s"] += 1
        if s["lost"] == 0 and s["n_bad_s"] >= N_UNUSABLE_S:
            s["lost"] = 1
            event(out[k], s, channel, np.nan, reasons)
            k += 1
    s["begun"] = n + 1
    return k


@kernel
def choose(p: np.void, s: np.void, channels: NDArray[np.float64]) -> None:
    """Move to the first channel that lives where the one in use has been dead for long enough."""
    fs_hz: float = p["pulse"]["fs_hz"]
    if not ppg_channel.dead(channels[s["channel"]], DEAD_S * fs_hz):
        return
    for c in range(channels.shape[0]):
        if ppg_channel.alive(channels[c], fs_hz):
            s["channel"] = c
            s["n_same"] = s["n_pulses"] = 0
            s["value"] = np.nan
            s["usual"] = 0.0
            s["high"] = s["high_before"] = -np.inf
            s["low"] = s["low_before"] = np.inf
            pulse.forget(s["pulse"])
            return


@kernel
def step(
    p: np.void,
    s: np.void,
    buffer: NDArray[np.float64],
    x: NDArray[np.float64],
    wave: NDArray[np.float64],
    out: NDArray[np.void],
) -> int:
    """Run the chain on a chunk.

    p      : PARAMS
    s      : STATE, made by vitalcore.operators.ppg
    buffer : rings of the detector, [2 n_ring], then the memory of each channel: see ppg_channel
    x      : samples of each wavelength, [n, n_channels], any unit; NaN is a missing one
    wave   : band-passed, [n, n_channels], NaN where x is missing
    out    : FINDING, enough for the chunk: see vitalcore.operators.ppg

    Gives the number of findings.
    Latency: pulses 0.4 s after their peak; features none; events as long as the stretch that proves them.
    """
    n_out = 0
    n_ring: int = p["pulse"]["n_ring"]
    n_channels = x.shape[1]
    stride = ppg_channel.N_HEAD + n_ring
    for i in range(x.shape[0]):
        for c in range(n_channels):
            start = 2 * n_ring + c * stride
            wave[i, c] = ppg_channel.tick(p, buffer[start : start + stride], s["slot"], x[i, c])
        v = x[i, s["channel"]]
        watch(p, s, v)
        if pulse.tick(p["pulse"], s["pulse"], buffer[: 2 * n_ring], v):
            pulse.write(s["pulse"], float(s["n"]), s["channel"], out[n_out])
            n_out += 1
            take_pulse(p, s, buffer[2 * n_ring :].reshape(n_channels, stride))
        if s["n"] == s["next_at"]:
            n_out += tell(p, s, buffer[2 * n_ring :].reshape(n_channels, stride), out[n_out:])
            if p["channel"] < 0:
                choose(p, s, buffer[2 * n_ring :].reshape(n_channels, stride))
            s["second"] += 1
            s["next_at"] = ((s["second"] + 1) * p["num"] + p["den"] - 1) // p["den"]
        s["slot"] = s["slot"] + 1 if s["slot"] + 1 < n_ring else 0
        s["n"] += 1
    return n_out


@kernel
def step_many(
    params: NDArray[np.void],
    kinds: NDArray[np.int64],
    states: NDArray[np.void],
    buffers: NDArray[np.float64],
    slots: NDArray[np.int64],
    offsets: NDArray[np.int64],
    x: NDArray[np.float64],
    wave: NDArray[np.float64],
    out: NDArray[np.void],
) -> int:
    """Run the chain on one chunk of each of k streams of a table.

    params  : a row each kind of stream
    kinds   : row of params of each slot
    states, buffers : a row each slot
    slots   : whose chunks they are, [k]
    offsets : where each begins in x, and the end, [k + 1]
    """
    n_out = 0
    for k in range(len(slots)):
        slot, a, b = slots[k], offsets[k], offsets[k + 1]
        n = step(params[kinds[slot]], states[slot], buffers[slot], x[a:b], wave[a:b], out[n_out:])
        for j in range(n_out, n_out + n):
            out[j]["slot"] = slot
        n_out += n
    return n_out
