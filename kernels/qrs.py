"""QRS detection: peaks of the leads' energy, adaptive levels, a look back, R times at the signal's own rate.

Source: the decision rules follow what P. Hamilton, Open Source ECG Analysis, Computers in Cardiology 2002, describes
(median levels, T waves by steepness, look back after 1.5 intervals); band, fusion, waiting and R times are our own.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels import codes, energy, finding
from vitalcore.kernels.energy import ENERGIES, HIGHEST, LEVEL, N_HEAD, NOISE, TOP, USABLE
from vitalcore.kernels.kernel import kernel
from vitalcore.kernels.rpeak import PEAK, locate, wrap

N_LEVELS = 8  # peaks remembered for each level
N_WEAK = 8  # peaks remembered for the look back
FAR = 1 << 20  # work samples: longer ago than anything that matters
NEVER = 1 << 62

PARAMS = np.dtype(
    [
        ("energy", energy.PARAMS),
        # times in work samples
        ("settle", "i8"),  # a peak stands when no larger one follows in this time
        ("settle_unsure", "i8"),  # the same for peaks that may be a P wave before its QRS
        ("shadow_least", "i8"),  # a smaller peak so soon after another belongs to the same complex
        ("shadow_most", "i8"),
        ("t_wave", "i8"),  # until here after a beat a peak may be its T wave
        ("learn", "i8"),
        ("late", "i8"),  # a peak older than this is no longer said
        ("decay", "i8"),  # time in which the threshold sinks when no beat comes
        ("forget", "i8"),  # without a beat for so long the levels are learnt anew
    ],
    align=True,
)

THRESHOLD = 0.3  # between noise and signal level
LEARN_THRESHOLD = 0.5  # of the largest peak while learning
WEAK = 0.5  # of the threshold: what a look back accepts
LEAST = 0.2  # of the threshold: where its decay ends
SURE = 0.6  # of the signal level: peaks above need no longer wait
LOCATED = 0.15  # of the signal level: peaks below are never beats
LOOK_BACK = 1.5  # intervals
T_ENERGY, T_SLOPE = 0.5, 0.5  # of the beat before: peaks below, soon after it, are its T wave
SHADOW = 0.45  # of an interval

STATE = np.dtype(
    [
        ("energy", energy.STATE),
        ("n_seen", "i8"),  # samples, to the end of the work sample that is looked at
        ("w", "i8"),  # work samples looked at
        ("looked", "i8"),  # of the fresh ones
        ("level", "f8"),  # energy of the last work sample
        ("top", "f8"),  # the highest energy since the last peak
        ("top_w", "i8"),
        ("peak", "f8"),  # last peak
        ("peak_w", "i8"),
        ("learnt", "i8"),
        ("started", "i8"),  # work sample at which learning began
        ("last_w", "i8"),  # last beat
        ("last_t", "f8"),
        ("last_energy", "f8"),
        ("last_slope", "f8"),
        ("joined", "i8"),  # no gap since the last beat
        ("signal", "f8", (N_LEVELS,)),
        ("noise", "f8", (N_LEVELS,)),
        ("rr", "f8", (N_LEVELS,)),
        ("n_signal", "i8"),
        ("n_noise", "i8"),
        ("n_rr", "i8"),
        ("signal_level", "f8"),
        ("noise_level", "f8"),
        ("rr_level", "f8"),
        ("weak", PEAK, (N_WEAK,)),
        ("n_weak", "i8"),
    ],
    align=True,
)


@kernel
def begin(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Make zeros a fresh memory."""
    front = params["energy"]
    energy.begin(front, state["energy"], buffer)
    state["last_w"] = -FAR
    state["peak_w"] = -FAR
    state["rr_level"] = front["fs_hz"] / front["block"]


@kernel
def median(values: NDArray[np.float64], n: int) -> float:
    """Give the lower median of the first n values by counting ranks."""
    middle = (n - 1) // 2
    for i in range(n):
        v: float = values[i]
        below = same = 0
        for j in range(n):
            below += values[j] < v
            same += values[j] == v
        if below <= middle < below + same:
            return v
    return 0.0


@kernel
def copy(peak: np.void, to: np.void) -> None:
    """Copy what is known of a peak."""
    to["w"] = peak["w"]
    to["energy"] = peak["energy"]
    to["t"] = peak["t"]
    to["amplitude"] = peak["amplitude"]
    to["width_s"] = peak["width_s"]
    to["slope"] = peak["slope"]


@kernel
def forget_until(state: np.void, w: int) -> None:
    """Drop the remembered peaks up to a time."""
    n = 0
    for k in range(state["n_weak"]):
        if state["weak"][k]["w"] > w:
            if n < k:
                copy(state["weak"][k], state["weak"][n])
            n += 1
    state["n_weak"] = n


@kernel
def note_leads(params: np.void, state: np.void, buffer: NDArray[np.float64], place: int) -> None:
    """Learn from the peak at the top what each lead's QRS (LEVEL) or other peaks (NOISE) are like."""
    for c in range(params["energy"]["n_leads"]):
        base = c * params["energy"]["stride"]
        if buffer[base + USABLE] > 0.0 and buffer[base + TOP] > 0.0:
            old = buffer[base + place]
            buffer[base + place] = old + 0.125 * (buffer[base + TOP] - old) if old > 0.0 else buffer[base + TOP]
    if params["energy"]["n_leads"] > 1:
        energy.weigh(params["energy"], state["energy"], buffer)


@kernel
def is_beat(params: np.void, state: np.void, peak: np.void, threshold: float) -> bool:
    """Judge a peak against the threshold and against the T wave of the beat before."""
    if peak["energy"] < threshold or peak["slope"] < 0.0:
        return False
    if peak["w"] - state["last_w"] >= params["t_wave"]:
        return True
    steep: bool = peak["slope"] >= T_SLOPE * state["last_slope"]
    return steep and peak["energy"] >= T_ENERGY * state["last_energy"]


@kernel
def say(params: np.void, state: np.void, peak: np.void, out: NDArray[np.void], n: int) -> int:
    """Say a beat and learn from it."""
    state["signal"][state["n_signal"] % N_LEVELS] = peak["energy"]
    state["n_signal"] += 1
    state["signal_level"] = median(state["signal"], min(state["n_signal"], N_LEVELS))
    interval_s = np.nan
    if state["joined"] == 1:
        interval_s = (peak["t"] - state["last_t"]) / params["energy"]["fs_hz"]
        state["rr"][state["n_rr"] % N_LEVELS] = peak["w"] - state["last_w"]
        state["n_rr"] += 1
        state["rr_level"] = median(state["rr"], min(state["n_rr"], N_LEVELS))
    state["joined"] = 1
    state["last_w"] = peak["w"]
    state["last_t"] = peak["t"]
    state["last_energy"] = peak["energy"]
    state["last_slope"] = peak["slope"]
    row = out[n]
    row["slot"] = 0
    row["what"] = finding.BEAT
    row["code"] = codes.HEART_BEAT
    row["channel"] = state["energy"]["lead"]
    row["t"] = peak["t"]
    row["t_known"] = state["n_seen"] - 1
    noise = state["noise_level"]
    row["quality"] = 1.0 if 4.0 * noise <= peak["energy"] else max(0.0, (peak["energy"] / noise - 1.0) / 3.0)
    row["reasons"] = 0
    body = row["body"]
    body[:] = np.nan
    body[finding.INTERVAL_S] = interval_s
    body[finding.AMPLITUDE] = peak["amplitude"]
    body[finding.WIDTH_S] = peak["width_s"]
    body[finding.LABEL] = 81.0  # Q: not classified
    return n + 1


@kernel
def settle(
    params: np.void, state: np.void, buffer: NDArray[np.float64], threshold: float, out: NDArray[np.void], n: int
) -> int:
    """Judge the top, which has become a peak; returns the number of findings so far."""
    top = state["top"]
    top_w = state["top_w"]
    state["top"] = 0.0
    shadow = min(max(SHADOW * state["rr_level"], params["shadow_least"]), params["shadow_most"])
    if (top_w - state["peak_w"] < shadow and top < state["peak"]) or top < WEAK * state["energy"]["floor"]:
        return n
    state["peak"] = top
    state["peak_w"] = top_w
    if state["n_weak"] == N_WEAK:
        forget_until(state, state["weak"][0]["w"])
    peak = state["weak"][state["n_weak"]]
    peak["w"] = top_w
    peak["energy"] = top
    peak["slope"] = -1.0
    if top >= max(WEAK * state["energy"]["floor"], LOCATED * state["signal_level"]):
        newest = state["n_seen"] - 1
        front, front_state = params["energy"], state["energy"]
        ring = front_state["lead"] * front["stride"] + N_HEAD
        middle = newest - (state["w"] - top_w) * front["block"] - front["delay"]
        at = wrap(front_state["ring_at"] - (front_state["n_taken"] - state["n_seen"]), front["n_ring"])
        locate(buffer[ring : ring + front["n_ring"]], at, newest, front["n_back"], front["fs_hz"], middle, peak)
    if state["learnt"] == 1 and is_beat(params, state, peak, threshold):
        n = say(params, state, peak, out, n)
        state["n_weak"] = 0
        note_leads(params, state, buffer, LEVEL)
        return n
    state["n_weak"] += 1
    if state["learnt"] == 1:
        state["noise"][state["n_noise"] % N_LEVELS] = top
        state["n_noise"] += 1
        state["noise_level"] = median(state["noise"], min(state["n_noise"], N_LEVELS))
        note_leads(params, state, buffer, NOISE)
    return n


@kernel
def learn(params: np.void, state: np.void, buffer: NDArray[np.float64], out: NDArray[np.void], n: int) -> int:
    """Set the levels from the peaks of the first seconds and say the beats among the newest of them."""
    top = 0.0
    for k in range(state["n_weak"]):
        top = max(top, state["weak"][k]["energy"])
    for c in range(params["energy"]["n_leads"]):
        base = c * params["energy"]["stride"]
        buffer[base + LEVEL] = buffer[base + HIGHEST]
        buffer[base + NOISE] = 0.0
        buffer[base + HIGHEST] = 0.0
    if params["energy"]["n_leads"] > 1 and top > 0.0:
        energy.weigh(params["energy"], state["energy"], buffer)
        for k in range(state["n_weak"]):
            state["weak"][k]["energy"] *= energy.FUSED_LEVEL / top
        state["top"] *= energy.FUSED_LEVEL / top
        top = energy.FUSED_LEVEL
    state["learnt"] = 1
    state["n_signal"] = 0
    state["n_noise"] = 0
    state["n_rr"] = 0
    state["rr_level"] = params["energy"]["fs_hz"] / params["energy"]["block"]
    state["signal_level"] = top
    state["noise_level"] = 0.0
    threshold = max(LEARN_THRESHOLD * top, state["energy"]["floor"])
    for k in range(state["n_weak"]):
        peak = state["weak"][k]
        if state["w"] - peak["w"] <= params["late"] and is_beat(params, state, peak, threshold):
            n = say(params, state, peak, out, n)
    forget_until(state, state["last_w"])
    return n


@kernel
def look_back(params: np.void, state: np.void, threshold: float, out: NDArray[np.void], n: int) -> int:
    """Say the largest of the weak peaks since the last beat if it is one after all."""
    best = -1
    most = max(state["energy"]["floor"], WEAK * threshold)
    for k in range(state["n_weak"]):
        peak = state["weak"][k]
        if (
            peak["energy"] >= most
            and peak["slope"] >= 0.0
            and peak["w"] - state["last_w"] >= params["t_wave"]
            and state["w"] - peak["w"] <= params["late"]
        ):
            best = k
            most = peak["energy"]
    if best >= 0:
        w = state["weak"][best]["w"]
        n = say(params, state, state["weak"][best], out, n)
        forget_until(state, w)
    return n


@kernel
def restart(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Begin to learn the levels anew."""
    state["learnt"] = 0
    state["started"] = state["w"]
    state["n_weak"] = 0
    state["joined"] = 0
    state["last_w"] = state["w"] - FAR
    state["signal_level"] = 0.0
    for c in range(params["energy"]["n_leads"]):
        buffer[c * params["energy"]["stride"] + LEVEL] = 0.0
        buffer[c * params["energy"]["stride"] + HIGHEST] = 0.0
    energy.weigh(params["energy"], state["energy"], buffer)


@kernel
def threshold_at(params: np.void, state: np.void) -> float:
    """Tell what energy makes a peak a beat now."""
    noise: float = state["noise_level"]
    threshold = noise + THRESHOLD * (state["signal_level"] - noise)
    since = state["w"] - state["last_w"] - LOOK_BACK * state["rr_level"]
    if since > 0.0:
        threshold *= max(LEAST, 1.0 - since / params["decay"])
    floor: float = state["energy"]["floor"]
    return max(threshold, floor)


@kernel
def decide(params: np.void, state: np.void, buffer: NDArray[np.float64], out: NDArray[np.void], n: int) -> int:
    """Judge what is due at the work sample that is looked at; returns the number of findings so far."""
    w = state["w"]
    if state["top"] > 0.0 and w - state["top_w"] >= params["settle"]:
        sure = state["top"] >= SURE * state["signal_level"]
        if sure or w - state["top_w"] >= params["settle_unsure"]:
            n = settle(params, state, buffer, threshold_at(params, state), out, n)
    if state["learnt"] == 0:
        if w - state["started"] >= params["learn"]:
            n = learn(params, state, buffer, out, n)
        return n
    since = w - state["last_w"]
    if since > LOOK_BACK * state["rr_level"] + params["settle"]:
        if state["n_weak"] > 0:
            n = look_back(params, state, threshold_at(params, state), out, n)
        if since > params["forget"] and w - state["started"] > params["forget"]:
            restart(params, state, buffer)
    return n


@kernel
def due(params: np.void, state: np.void) -> int:
    """Tell before which work sample there is nothing to look back for."""
    if state["learnt"] == 0:
        return 0
    wait = LOOK_BACK * state["rr_level"] + params["settle"]
    return int(state["last_w"] + math.floor(wait))


@kernel
def search(
    params: np.void, state: np.void, buffer: NDArray[np.float64], until_w: int, out: NDArray[np.void], n: int
) -> int:
    """Look at fresh work samples up to the first beat or to until_w; returns the number of findings so far.

    state["looked"] tells how many of state["energy"]["n_fresh"] have been looked at.
    """
    settle_w = params["settle"]
    before, top, top_w, w = state["level"], state["top"], state["top_w"], state["w"]
    n_fresh, begun, before_n = state["energy"]["n_fresh"], w, n
    k = state["looked"]
    n_seen = state["n_seen"]
    due_w = due(params, state)
    while k < n_fresh and w < until_w and n == before_n:
        w += 1
        e = energy.fuse(params["energy"], buffer, k)
        if e < 0.0:
            state["joined"] = 0
            e = 0.0
        if e > top and e > before:
            top = e
            top_w = w
            for c in range(params["energy"]["n_leads"]):
                lead = c * params["energy"]["stride"]
                buffer[lead + TOP] = max(0.0, buffer[lead + ENERGIES + k])
        before = e
        if state["learnt"] == 0:
            for c in range(params["energy"]["n_leads"]):
                lead = c * params["energy"]["stride"]
                buffer[lead + HIGHEST] = max(buffer[lead + HIGHEST], buffer[lead + ENERGIES + k])
        k += 1
        if (top > 0.0 and w - top_w >= settle_w) or w > due_w:
            state["w"], state["top"], state["top_w"] = w, top, top_w
            state["n_seen"] = n_seen + (w - begun) * params["energy"]["block"]
            n = decide(params, state, buffer, out, n)
            top = state["top"]
            due_w = due(params, state)
    state["level"], state["top"], state["top_w"], state["w"] = before, top, top_w, w
    state["looked"] = k
    state["n_seen"] = n_seen + (w - begun) * params["energy"]["block"]
    return n


@kernel
def step(
    params: np.void, state: np.void, buffer: NDArray[np.float64], x: NDArray[np.float64], out: NDArray[np.void]
) -> int:
    """Find the beats of a chunk.

    params : one row of PARAMS
    state  : one row of STATE, after `begin`
    buffer : [n_leads * stride]
    x      : samples in mV, [n, n_leads]
    out    : FINDING rows for the beats, at least 8 + n / (0.1 s)
    """
    n = i = 0
    while i < x.shape[0]:
        i += energy.take(params["energy"], state["energy"], buffer, x, i, x.shape[0])
        state["looked"] = 0
        while state["looked"] < state["energy"]["n_fresh"]:
            n = search(params, state, buffer, NEVER, out, n)
    return n
