"""QRS detection: peaks of the leads' energy, judged by learned trees, a look back, R times at the signal's own rate.

Source: the running levels follow what P. Hamilton, Open Source ECG Analysis, Computers in Cardiology 2002, describes;
band, fusion, likeness, the trees, waiting and R times are our own.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.core.order import median
from vitalcore.kernels.qrs import energy, likeness
from vitalcore.kernels.qrs import qrs_levels as levels
from vitalcore.kernels.qrs.energy import ENERGIES, HIGHEST, LEVEL, N_HEAD, NOISE, TOP, TOTAL
from vitalcore.kernels.qrs.qrs_levels import BEAT, N_LEVELS
from vitalcore.kernels.qrs.qrs_score import USUAL, at_once, looking_back
from vitalcore.kernels.qrs.rpeak import PEAK, locate, wrap

N_WEAK = 8  # peaks remembered for the look back
N_FUSED = 128  # work samples of the fused energy that are kept, a power of 2
NEVER = 1 << 62

PARAMS = np.dtype(
    [
        ("energy", energy.PARAMS),
        # times in work samples
        ("settle", "i8"),  # a peak stands when no larger one follows in this time
        ("settle_unsure", "i8"),  # the same for peaks that may be a P wave before its QRS
        ("shadow", "i8"),  # a smaller peak so soon after another belongs to the same complex
        ("t_wave", "i8"),  # until here after a beat a peak may be its T wave
        ("learn", "i8"),
        ("learn_most", "i8"),  # where nothing stands out
        ("late", "i8"),  # a peak older than this is no longer said
        ("again", "i8"),  # from one look back to the next
        ("forget", "i8"),  # without a beat for so long the levels are learnt anew
        ("around", "i8", (4,)),  # where around a peak its energy is compared
        ("patience", "i8"),  # without a beat for so long the levels sink
        ("smooth", "f8"),  # of the mean energy
        ("narrowest_s", "f8"),  # width of what can be a complex
    ],
    align=True,
)

LEARN_THRESHOLD = 0.5  # of the largest peak while learning
SURE, SURE_ANYWAY = 2.0, 5.0  # log-odds from which a peak like the usual complex, or any, need no longer wait
BEAT_AFTER_ALL = 0.0  # the same for one that is looked back at
LIKE_USUAL = 0.6
LOCATED = 0.12  # of the signal level: peaks below are never beats
SWING = 0.17  # mV: what swings less is never a complex ...
NARROW_SWING = 0.155  # ... or, if it is narrower than P waves are: the mean over the peak takes more away from it
WIDE_S = 0.045  # half width from which what is too small for a QRS is a P wave
LOOK_BACK = 1.5  # intervals
SINK_AFTER = 2.5  # intervals
SOUND = 1.0  # log-odds from which a beat teaches what beats are like
DOUBTS = 0.15  # how fast the doubt follows its peaks
NO_BEAT = -9.0  # log-odds of a peak that is not looked at

STATE = np.dtype(
    [
        ("energy", energy.STATE),
        ("likeness", likeness.STATE),
        ("n_seen", "i8"),  # samples, to the end of the work sample that is looked at
        ("w", "i8"),  # work samples looked at
        ("looked", "i8"),  # of the fresh ones
        ("level", "f8"),  # energy of the last work sample
        ("dip", "f8"),  # the lowest since the last beat
        ("mean", "f8"),  # over the last seconds
        ("top", "f8"),  # the highest since the last peak
        ("top_w", "i8"),
        ("judged_w", "i8"),  # the top that stands behind the weak peaks, judged
        ("compared_w", "i8"),  # the peak that was compared last
        ("peak", "f8"),  # last peak
        ("peak_w", "i8"),
        ("learnt", "i8"),
        ("started", "i8"),  # work sample at which learning began
        ("last_w", "i8"),  # last beat
        ("last_t", "f8"),
        ("last_energy", "f8"),
        ("last_slope", "f8"),
        ("joined", "i8"),  # no gap since the last beat
        ("back_w", "i8"),  # next look back
        ("fused", "f8", (N_FUSED,)),  # energies of the last work samples
        ("signal", "f8", (N_LEVELS,)),
        ("slopes", "f8", (N_LEVELS,)),
        ("amplitudes", "f8", (N_LEVELS,)),
        ("noise", "f8", (N_LEVELS,)),
        ("rr", "f8", (N_LEVELS,)),
        ("n_signal", "i8"),
        ("n_slope", "i8"),
        ("lead", "i8"),  # in which slopes and amplitudes were measured
        ("n_noise", "i8"),
        ("n_rr", "i8"),
        ("signal_level", "f8"),
        ("slope_level", "f8"),
        ("amplitude_level", "f8"),
        ("noise_level", "f8"),
        ("rr_level", "f8"),
        ("irregularity", "f8"),  # smoothed difference of neighbouring intervals, work samples
        ("trust", "f8"),  # smoothed likeness of beats to the usual complex
        ("doubt", "f8"),  # smoothed over the peaks: 0 each is a beat for sure or surely none, 1 nobody knows
        ("weak", PEAK, (N_WEAK + 1,)),  # rejected peaks; behind them the top, once it is judged
        ("n_weak", "i8"),
    ],
    align=True,
)


@kernel
def begin(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Make zeros a fresh memory."""
    front = params["energy"]
    energy.begin(front, state["energy"], buffer)
    state["last_w"] = -levels.FAR
    state["peak_w"] = -levels.FAR
    state["judged_w"] = -1
    state["rr_level"] = front["fs_hz"] / front["block"]


@kernel
def middle_of(params: np.void, w: int) -> int:
    """Tell around which work sample of the band-pass the energy of a peak comes from."""
    return w - params["energy"]["n_energy"] // 2


@kernel
def say(
    params: np.void,
    state: np.void,
    buffer: NDArray[np.float64],
    peak: np.void,
    back: int,
    out: NDArray[np.void],
    n: int,
) -> int:
    """Say a beat and learn from it.

    back : 1 where it was found by looking back
    """
    sound = peak["score"] >= SOUND or state["n_signal"] < levels.N_LEVELS
    interval_s = levels.remember(params, state, peak, sound)
    state["back_w"] = peak["w"] + int(LOOK_BACK * state["rr_level"]) + params["settle"]
    middle_w = middle_of(params, peak["w"])
    likes = state["likeness"]
    kept_w = params["energy"]["n_band"] - params["energy"]["n_shape"] - 2 * energy.SEGMENT
    if sound and state["w"] - middle_w <= kept_w:
        if back == 1 or state["compared_w"] != peak["w"]:
            likeness.compare(params["energy"], state["energy"], likes, buffer, middle_w)
            state["compared_w"] = peak["w"]
        state["trust"] += 0.1 * (likes["r"][likes["usual"]] - state["trust"])
        likeness.learn(params["energy"], state["energy"], likes, buffer, middle_w)
    row = out[n]
    row["slot"] = 0
    row["what"] = finding.BEAT
    row["code"] = codes.HEART_BEAT
    row["channel"] = state["energy"]["lead"]
    row["t"] = peak["t"]
    row["t_known"] = state["n_seen"] - 1
    noise = state["noise_level"]
    row["quality"] = 1.0 if 4.0 * noise <= peak["energy"] else max(0.0, (peak["energy"] / noise - 1.0) / 3.0)
    row["reasons"] = codes.LOOKED_BACK * back
    body = row["body"]
    body[:] = np.nan
    body[finding.INTERVAL_S] = interval_s
    body[finding.AMPLITUDE] = peak["amplitude"]
    body[finding.WIDTH_S] = peak["width_s"]
    body[finding.LABEL] = 81.0  # Q: not classified
    return n + 1


@kernel
def judge(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> bool:
    """Judge the top and let it stand behind the weak peaks; False where it is nothing by itself."""
    top = state["top"]
    top_w = state["top_w"]
    floor = state["energy"]["floor"]
    if (top_w - state["peak_w"] < params["shadow"] and top < state["peak"]) or top < 0.5 * floor:
        return False
    if state["n_weak"] == N_WEAK:
        levels.forget_until(state, state["weak"][0]["w"])
    state["judged_w"] = top_w
    peak = state["weak"][state["n_weak"]]
    peak["w"] = top_w
    peak["energy"] = top
    peak["score"] = NO_BEAT
    peak["width_s"] = np.nan  # not measured
    if top < max(floor, LOCATED * state["signal_level"]):
        return True
    levels.change_lead(state)
    newest = state["n_seen"] - 1
    front, front_state = params["energy"], state["energy"]
    ring = front_state["lead"] * front["stride"] + N_HEAD
    middle = newest - (state["w"] - top_w) * front["block"] - front["delay"]
    at = wrap(front_state["ring_at"] - (front_state["n_taken"] - state["n_seen"]), front["n_ring"])
    locate(buffer[ring : ring + front["n_ring"]], at, newest, front["n_back"], front["fs_hz"], middle, peak)
    if peak["swing"] < (NARROW_SWING if peak["width_s"] < WIDE_S else SWING):
        return True
    narrow: bool = peak["width_s"] < params["narrowest_s"]
    if state["learnt"] == 1:
        likes = state["likeness"]
        likeness.compare(front, front_state, likes, buffer, middle_of(params, top_w))
        state["compared_w"] = top_w
        if not narrow or likes["r"][likes["usual"]] >= LIKE_USUAL:
            peak["score"] = at_once(params, state, peak)
    elif not narrow:
        peak["score"] = BEAT
        if top >= state["signal_level"]:  # the largest so far
            state["signal_level"] = top
            state["likeness"]["n"][:] = 0.0
            likeness.learn(front, front_state, state["likeness"], buffer, middle_of(params, top_w))
    return True


@kernel
def settle(params: np.void, state: np.void, buffer: NDArray[np.float64], out: NDArray[np.void], n: int) -> int:
    """Decide on the top, which has become a peak; returns the number of findings so far."""
    peak = state["weak"][state["n_weak"]]
    state["peak"], state["peak_w"], state["top"] = state["top"], state["top_w"], 0.0
    if peak["score"] > NO_BEAT and state["learnt"] == 1:
        state["doubt"] += DOUBTS * (2.0 / (1.0 + math.exp(abs(peak["score"]))) - state["doubt"])
    if state["learnt"] == 1 and peak["score"] >= BEAT:
        n = look_back(params, state, buffer, peak["w"], out, n)
        n = say(params, state, buffer, state["weak"][state["n_weak"]], 0, out, n)
        state["n_weak"] = 0
        levels.note_leads(params, state, buffer, LEVEL)
        return n
    state["n_weak"] += 1
    if state["learnt"] == 1:
        state["noise"][state["n_noise"] % N_LEVELS] = peak["energy"]
        state["n_noise"] += 1
        state["noise_level"] = median(state["noise"], min(state["n_noise"], N_LEVELS))
        levels.note_leads(params, state, buffer, NOISE)
    return n


@kernel
def learn(params: np.void, state: np.void, buffer: NDArray[np.float64], out: NDArray[np.void], n: int) -> int:
    """Set the levels from the peaks of the first seconds and say the beats among the newest of them."""
    top = 0.0
    for k in range(state["n_weak"]):
        top = max(top, state["weak"][k]["energy"])
    for c in range(params["energy"]["n_leads"]):
        base = c * params["energy"]["stride"]
        buffer[base + LEVEL] = buffer[base + HIGHEST] if buffer[base + HIGHEST] >= params["energy"]["floor"] else 0.0
        buffer[base + NOISE] = buffer[base + TOTAL] / max(1, state["w"] - state["started"])
        buffer[base + HIGHEST] = 0.0
        buffer[base + TOTAL] = 0.0
    if params["energy"]["n_leads"] > 1 and top > 0.0:
        energy.weigh(params["energy"], state["energy"], buffer)
        scale = energy.FUSED_LEVEL / top
        for k in range(state["n_weak"]):
            state["weak"][k]["energy"] *= scale
        for k in range(N_FUSED):
            state["fused"][k] *= scale
        state["dip"] *= scale
        state["mean"] *= scale
        state["top"] *= scale
        top = energy.FUSED_LEVEL
        likeness.forget(state["likeness"])  # what was learnt with other weights
    state["learnt"] = 1
    state["judged_w"] = -1
    state["n_signal"] = 0
    state["n_slope"] = 0
    state["n_noise"] = 0
    state["n_rr"] = 0
    state["rr_level"] = params["energy"]["fs_hz"] / params["energy"]["block"]
    state["irregularity"] = 0.0
    state["trust"] = 1.0
    state["signal_level"] = top
    state["noise_level"] = 0.0
    state["back_w"] = state["w"] + params["again"]
    threshold = max(LEARN_THRESHOLD * top, state["energy"]["floor"])
    for k in range(state["n_weak"]):
        peak = state["weak"][k]
        if state["w"] - peak["w"] <= params["late"] and levels.is_first(params, state, peak, threshold):
            n = say(params, state, buffer, peak, 1, out, n)
    levels.forget_until(state, state["last_w"])
    return n


@kernel
def look_back(
    params: np.void, state: np.void, buffer: NDArray[np.float64], next_w: int, out: NDArray[np.void], n: int
) -> int:
    """Say those of the rejected peaks since the last beat that are beats after all; returns the number of findings.

    next_w : of the beat that has just been found; -1: none has, for long
    """
    k = 0
    while k < state["n_weak"]:
        peak = state["weak"][k]
        k += 1
        if (
            peak["score"] == NO_BEAT
            or state["w"] - peak["w"] > params["late"]
            or peak["w"] - state["last_w"] < params["settle"]
        ):
            continue
        score = looking_back(params, state, peak, next_w)
        if score >= BEAT_AFTER_ALL:
            peak["score"] = score
            n = say(params, state, buffer, peak, 1, out, n)
    n_weak = state["n_weak"]
    levels.forget_until(state, state["last_w"])
    if state["n_weak"] < n_weak:
        levels.copy(state["weak"][n_weak], state["weak"][state["n_weak"]])
    return n


@kernel
def is_sure(state: np.void) -> bool:
    """Tell whether the judged top is a beat for sure: then it need not wait whether something larger follows."""
    peak = state["weak"][state["n_weak"]]
    sure: bool = peak["score"] >= (SURE if peak["x"][USUAL] >= LIKE_USUAL else SURE_ANYWAY)
    return sure and state["learnt"] == 1


@kernel
def decide(params: np.void, state: np.void, buffer: NDArray[np.float64], out: NDArray[np.void], n: int) -> int:
    """Judge what is due at the work sample that is looked at; returns the number of findings so far."""
    w = state["w"]
    if state["top"] > 0.0 and w - state["top_w"] >= params["settle"]:
        if state["judged_w"] == state["top_w"] or judge(params, state, buffer):
            if is_sure(state) or w - state["top_w"] >= params["settle_unsure"]:
                n = settle(params, state, buffer, out, n)
        else:
            state["top"] = 0.0
    if state["learnt"] == 0:
        begun = w - state["started"]
        if begun >= params["learn"] and (begun >= params["learn_most"] or levels.stands_out(params, state, buffer)):
            n = learn(params, state, buffer, out, n)
        return n
    if w > state["back_w"]:
        state["back_w"] = w + params["again"]
        if state["n_weak"] > 0:
            n = look_back(params, state, buffer, -1, out, n)
        since = w - state["last_w"]
        if since > params["patience"] and since > SINK_AFTER * state["rr_level"]:
            levels.sink(state)
        if since > params["forget"] and w - state["started"] > params["forget"]:
            levels.restart(params, state, buffer)
    return n


@kernel
def come_back(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Begin anew behind a stretch without a usable signal, unless the beats before it are still remembered."""
    if state["learnt"] == 0 or state["w"] - state["last_w"] > params["forget"]:
        levels.restart(params, state, buffer)
    else:
        state["started"] = state["w"]  # and forget them no sooner than after as long a silence


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
    dip, mean, smooth = state["dip"], state["mean"], params["smooth"]
    due_w = state["back_w"] if state["learnt"] == 1 else 0
    while k < n_fresh and w < until_w and n == before_n:
        w += 1
        e = energy.fuse(params["energy"], buffer, k)
        if e < 0.0:
            state["joined"] = 0
            e = 0.0
        state["fused"][w & (N_FUSED - 1)] = e
        dip = min(dip, e)
        mean += smooth * (e - mean)
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
                buffer[lead + TOTAL] += max(0.0, buffer[lead + ENERGIES + k])
        k += 1
        if (top > 0.0 and w - top_w >= settle_w) or w > due_w:
            state["w"], state["top"], state["top_w"], state["dip"], state["mean"] = w, top, top_w, dip, mean
            state["n_seen"] = n_seen + (w - begun) * params["energy"]["block"]
            n = decide(params, state, buffer, out, n)
            top, dip, mean = state["top"], state["dip"], state["mean"]
            due_w = state["back_w"] if state["learnt"] == 1 else 0
    state["level"], state["top"], state["top_w"], state["w"] = before, top, top_w, w
    state["dip"], state["mean"] = dip, mean
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
