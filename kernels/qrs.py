"""QRS detection: band-pass energy of all usable leads, adaptive levels, a look back, R times at the signal's own rate.

Each lead is averaged to work samples of about 125 Hz, passed through a symmetric band-pass around 12 Hz and rectified;
its moving mean is the energy of that lead. The weighted sum over the leads is searched for peaks. All filters are of
finite length and summed anew, so nothing drifts and nothing bad is remembered longer than they are.

Source: the decision rules follow what P. Hamilton, Open Source ECG Analysis, Computers in Cardiology 2002, describes
(median levels, T waves by steepness, look back after 1.5 intervals); band, fusion, waiting and R times are our own.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels import codes, finding
from vitalcore.kernels.kernel import kernel
from vitalcore.kernels.rpeak import PEAK, locate, wrap

N_LEVELS = 8  # peaks remembered for each level
N_WEAK = 8  # peaks remembered for the look back
MAX_TAPS = 16  # half of the symmetric band-pass, centre included
FUSED_LEVEL = 0.3  # QRS energy to which several leads are weighted, about that of 1 mV
FAR = 1 << 20  # work samples: longer ago than anything that matters
LARGEST = 1e6  # what is larger is missing: no rounding error of it may stay in a sum

PARAMS = np.dtype(
    [
        ("fs_hz", "f8"),
        ("n_leads", "i8"),
        ("block", "i8"),  # samples averaged to one work sample
        ("per_block", "f8"),  # 1 / block
        ("n_half", "i8"),  # taps on each side of the centre, even
        ("taps", "f8", (MAX_TAPS,)),  # from the centre outwards
        ("n_energy", "i8"),  # work samples in the energy's window
        ("per_energy", "f8"),  # 1 / n_energy
        ("n_ring", "i8"),  # samples kept for the R time
        ("n_back", "i8"),  # those of them that are kept surely, however the samples come
        ("stride", "i8"),  # of a lead's part of the buffer
        ("delay", "f8"),  # samples from the newest one back to the middle of what the energy has seen
        ("hold", "i8"),  # samples: a gap up to here is bridged by the last value
        # from here on times are in work samples
        ("settle", "i8"),  # a peak stands when no larger one follows in this time
        ("settle_unsure", "i8"),  # the same for peaks that may be a P wave before its QRS
        ("shadow_least", "i8"),  # a smaller peak so soon after another belongs to the same complex
        ("shadow_most", "i8"),
        ("t_wave", "i8"),  # until here after a beat a peak may be its T wave
        ("learn", "i8"),
        ("late", "i8"),  # a peak older than this is no longer said
        ("decay", "i8"),  # time in which the threshold sinks when no beat comes
        ("forget", "i8"),  # without a beat for so long the levels are learnt anew
        ("floor", "f8"),  # mV: energy that is never a QRS
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
        ("n_taken", "i8"),  # samples
        ("n_seen", "i8"),  # samples, to the end of the work sample that is looked at
        ("phase", "i8"),  # samples in the block
        ("ring_at", "i8"),
        ("work_at", "i8"),
        ("energy_at", "i8"),
        ("n_fresh", "i8"),  # work samples ready to be looked at
        ("w", "i8"),  # work samples looked at
        ("energy", "f8"),
        ("floor", "f8"),  # of the weighted sum
        ("lead", "i8"),  # in which R peaks are timed
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
        ("n_beats", "i8"),
        ("signal", "f8", (N_LEVELS,)),
        ("noise", "f8", (N_LEVELS,)),
        ("rr", "f8", (N_LEVELS,)),
        ("n_signal", "i8"),
        ("n_noise", "i8"),
        ("n_rr", "i8"),
        ("signal_level", "f8"),
        ("noise_level", "f8"),
        ("rr_level", "f8"),
        ("interval_s", "f8"),  # of the last beat; NaN: unknown
        ("weak", PEAK, (N_WEAK,)),
        ("n_weak", "i8"),
    ],
    align=True,
)

SEGMENT = 16  # work samples that are condensed before they are looked at
USUAL_HALF = 8
ROUND = 1.5 * 2.0**26  # added and taken away it leaves multiples of 2^-26 mV, of which 2^27 mV can be summed exactly
UNKNOWN = -1.0  # energy while the filters fill

# Head of a lead's part of the buffer; the ring of samples, the ring of work samples (twice, so that a window lies in
# one piece) and the ring of rectified band-pass follow.
HELD, RUN, GOOD, SUM = 0, 1, 2, 3  # last value, missing ones in a row, work samples since a gap, sum of the block
ENERGY = 4  # sum of what the energy's window holds
TOP, HIGHEST = 5, 6  # energy at the fused top, highest while learning
LEVEL, NOISE = 7, 8  # energy of QRS, of other peaks
GAIN, USABLE = 9, 10  # weight in the sum; 0 unusable, 1 poor, 2 good
QUALITY = 11  # here begins what `quality` keeps
MEANS = 30  # of the fresh work samples
ENERGIES = MEANS + SEGMENT
N_HEAD = ENERGIES + SEGMENT


@kernel
def begin(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Make zeros a fresh memory."""
    state["last_w"] = -FAR
    state["peak_w"] = -FAR
    state["rr_level"] = params["fs_hz"] / params["block"]
    state["interval_s"] = np.nan
    for c in range(params["n_leads"]):
        buffer[c * params["stride"] + USABLE] = 2.0
    weigh(params, state, buffer)


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
def weigh(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Weigh the leads: the poor only where no good one is left, the clear ones most; a QRS has FUSED_LEVEL in all.

    One lead alone keeps its own unit.
    """
    n_leads = params["n_leads"]
    stride = params["stride"]
    best = 0.0
    for c in range(n_leads):
        best = max(best, buffer[c * stride + USABLE])
    total = 0.0
    sum_of_gains = 0.0
    lead = -1
    for c in range(n_leads):
        base = c * stride
        gain = 0.0
        if best > 0.0 and buffer[base + USABLE] == best:
            if lead < 0:
                lead = c
            level = buffer[base + LEVEL]
            gain = 1.0
            if n_leads > 1 and level > 0.0:
                noise = max(buffer[base + NOISE], 0.1 * level)
                gain = level / (noise * noise)
                total += gain * level
        buffer[base + GAIN] = gain
    if total > 0.0:
        for c in range(n_leads):
            base = c * stride
            if buffer[base + LEVEL] > 0.0:
                buffer[base + GAIN] *= FUSED_LEVEL / total
            else:
                buffer[base + GAIN] = 0.0  # its unit is not known before its first beat
            sum_of_gains += buffer[base + GAIN]
        state["floor"] = params["floor"] * sum_of_gains
    else:
        state["floor"] = params["floor"]
    if lead >= 0:
        state["lead"] = lead


@kernel
def condense(
    params: np.void,
    lead: NDArray[np.float64],
    x: NDArray[np.float64],
    phase: int,
    ring_at: int,
    work_at: int,
    energy_at: int,
) -> int:
    """Turn samples of a lead into the energies of their work samples; returns how many are complete.

    lead : the lead's part of the buffer
    x    : [n]
    The rest says where in their rings the leads are.
    """
    block = params["block"]
    n_ring = params["n_ring"]
    n_half = params["n_half"]
    n_taps = 2 * n_half + 1
    n_energy = params["n_energy"]
    taps = params["taps"]
    scale, per_energy = params["per_block"], params["per_energy"]
    ring = lead[N_HEAD : N_HEAD + n_ring]
    work = lead[N_HEAD + n_ring : N_HEAD + n_ring + 2 * n_taps]
    rectified = lead[N_HEAD + n_ring + 2 * n_taps : N_HEAD + n_ring + 2 * n_taps + n_energy]
    held, run, good, total, energy = lead[HELD], lead[RUN], lead[GOOD], lead[SUM], lead[ENERGY]
    done = 0
    for i in range(x.shape[0]):
        v = x[i]
        if not abs(v) < LARGEST:  # NaN too
            v = held
            run += 1.0
        elif run > 0.0:
            if run > params["hold"]:
                good = 0.0
            run = 0.0
        held = v
        ring[ring_at] = v
        ring_at = ring_at + 1 if ring_at + 1 < n_ring else 0
        total += v
        phase += 1
        if phase == block:
            phase = 0
            v = total * scale
            total = 0.0
            work[work_at] = v
            work[work_at + n_taps] = v
            window = work[work_at + 1 : work_at + 1 + n_taps]
            y0 = taps[0] * window[n_half]
            y1 = 0.0
            if n_half == USUAL_HALF:  # the same with a length that the compiler knows
                for k in range(0, USUAL_HALF, 2):
                    y0 += taps[USUAL_HALF - k] * (window[k] + window[2 * USUAL_HALF - k])
                    y1 += taps[USUAL_HALF - k - 1] * (window[k + 1] + window[2 * USUAL_HALF - 1 - k])
            else:
                for k in range(0, n_half, 2):  # from the ends inwards; two sums wait half as long for each other
                    y0 += taps[n_half - k] * (window[k] + window[2 * n_half - k])
                    y1 += taps[n_half - k - 1] * (window[k + 1] + window[2 * n_half - 1 - k])
            y = (abs(y0 + y1) + ROUND) - ROUND  # so that the moving sum is exact
            energy += y - rectified[energy_at]
            rectified[energy_at] = y
            work_at = work_at + 1 if work_at + 1 < n_taps else 0
            energy_at = energy_at + 1 if energy_at + 1 < n_energy else 0
            good += 1.0
            lead[MEANS + done] = v
            lead[ENERGIES + done] = energy * per_energy if good > n_taps + n_energy else UNKNOWN
            done += 1
    lead[HELD], lead[RUN], lead[GOOD], lead[SUM], lead[ENERGY] = held, run, good, total, energy
    return done


@kernel
def take(
    params: np.void, state: np.void, buffer: NDArray[np.float64], x: NDArray[np.float64], first: int, end: int
) -> int:
    """Take rows from first on, at most to end and at most SEGMENT work samples; returns how many rows.

    Then state["n_fresh"] work samples are ready for `decide`.
    """
    block = params["block"]
    stride = params["stride"]
    n = min(end - first, SEGMENT * block - state["phase"])
    done = 0
    for c in range(params["n_leads"]):
        done = condense(
            params,
            buffer[c * stride : (c + 1) * stride],
            x[first : first + n, c],
            state["phase"],
            state["ring_at"],
            state["work_at"],
            state["energy_at"],
        )
    state["n_fresh"] = done
    state["phase"] += n - done * block
    state["ring_at"] = (state["ring_at"] + n) % params["n_ring"]
    state["work_at"] = (state["work_at"] + done) % (2 * params["n_half"] + 1)
    state["energy_at"] = (state["energy_at"] + done) % params["n_energy"]
    state["n_taken"] += n
    return n


@kernel
def fuse(params: np.void, state: np.void, buffer: NDArray[np.float64], k: int) -> float:
    """Sum up the leads' energies of the k-th fresh work sample; UNKNOWN where none is known."""
    stride = params["stride"]
    fused = 0.0
    known = 0
    for c in range(params["n_leads"]):
        energy = buffer[c * stride + ENERGIES + k]
        if energy >= 0.0:
            known += 1
            fused += buffer[c * stride + GAIN] * energy
    return fused if known > 0 else UNKNOWN


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
    for c in range(params["n_leads"]):
        base = c * params["stride"]
        if buffer[base + USABLE] > 0.0 and buffer[base + TOP] > 0.0:
            old = buffer[base + place]
            buffer[base + place] = old + 0.125 * (buffer[base + TOP] - old) if old > 0.0 else buffer[base + TOP]
    if params["n_leads"] > 1:
        weigh(params, state, buffer)


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
        interval_s = (peak["t"] - state["last_t"]) / params["fs_hz"]
        state["rr"][state["n_rr"] % N_LEVELS] = peak["w"] - state["last_w"]
        state["n_rr"] += 1
        state["rr_level"] = median(state["rr"], min(state["n_rr"], N_LEVELS))
    state["joined"] = 1
    state["interval_s"] = interval_s
    state["n_beats"] += 1
    state["last_w"] = peak["w"]
    state["last_t"] = peak["t"]
    state["last_energy"] = peak["energy"]
    state["last_slope"] = peak["slope"]
    row = out[n]
    row["slot"] = 0
    row["what"] = finding.BEAT
    row["code"] = codes.HEART_BEAT
    row["channel"] = state["lead"]
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
    if (top_w - state["peak_w"] < shadow and top < state["peak"]) or top < WEAK * state["floor"]:
        return n
    state["peak"] = top
    state["peak_w"] = top_w
    if state["n_weak"] == N_WEAK:
        forget_until(state, state["weak"][0]["w"])
    peak = state["weak"][state["n_weak"]]
    peak["w"] = top_w
    peak["energy"] = top
    peak["slope"] = -1.0
    if top >= max(WEAK * state["floor"], LOCATED * state["signal_level"]):
        newest = state["n_seen"] - 1
        ring = state["lead"] * params["stride"] + N_HEAD
        middle = newest - (state["w"] - top_w) * params["block"] - params["delay"]
        at = wrap(state["ring_at"] - (state["n_taken"] - state["n_seen"]), params["n_ring"])
        ring_of_lead = buffer[ring : ring + params["n_ring"]]
        locate(ring_of_lead, at, newest, params["n_back"], params["fs_hz"], middle, peak)
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
    for c in range(params["n_leads"]):
        base = c * params["stride"]
        buffer[base + LEVEL] = buffer[base + HIGHEST]
        buffer[base + NOISE] = 0.0
        buffer[base + HIGHEST] = 0.0
    if params["n_leads"] > 1 and top > 0.0:
        weigh(params, state, buffer)
        for k in range(state["n_weak"]):
            state["weak"][k]["energy"] *= FUSED_LEVEL / top
        state["top"] *= FUSED_LEVEL / top
        top = FUSED_LEVEL
    state["learnt"] = 1
    state["n_signal"] = 0
    state["n_noise"] = 0
    state["n_rr"] = 0
    state["rr_level"] = params["fs_hz"] / params["block"]
    state["signal_level"] = top
    state["noise_level"] = 0.0
    threshold = max(LEARN_THRESHOLD * top, state["floor"])
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
    most = max(state["floor"], WEAK * threshold)
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
    for c in range(params["n_leads"]):
        buffer[c * params["stride"] + LEVEL] = 0.0
        buffer[c * params["stride"] + HIGHEST] = 0.0
    weigh(params, state, buffer)


@kernel
def threshold_at(params: np.void, state: np.void) -> float:
    """Tell what energy makes a peak a beat now."""
    noise: float = state["noise_level"]
    threshold = noise + THRESHOLD * (state["signal_level"] - noise)
    since = state["w"] - state["last_w"] - LOOK_BACK * state["rr_level"]
    if since > 0.0:
        threshold *= max(LEAST, 1.0 - since / params["decay"])
    floor: float = state["floor"]
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
def search(params: np.void, state: np.void, buffer: NDArray[np.float64], out: NDArray[np.void], n: int) -> int:
    """Look at the fresh work samples; returns the number of findings so far."""
    settle_w = params["settle"]
    before, top, top_w, w = state["energy"], state["top"], state["top_w"], state["w"]
    begun = w
    n_seen = state["n_seen"]
    due_w = due(params, state)
    for k in range(state["n_fresh"]):
        w += 1
        energy = fuse(params, state, buffer, k)
        if energy < 0.0:
            state["joined"] = 0
            energy = 0.0
        if energy > top and energy > before:
            top = energy
            top_w = w
            for c in range(params["n_leads"]):
                lead = c * params["stride"]
                buffer[lead + TOP] = max(0.0, buffer[lead + ENERGIES + k])
        before = energy
        if state["learnt"] == 0:
            for c in range(params["n_leads"]):
                lead = c * params["stride"]
                buffer[lead + HIGHEST] = max(buffer[lead + HIGHEST], buffer[lead + ENERGIES + k])
        if (top > 0.0 and w - top_w >= settle_w) or w > due_w:
            state["w"], state["top"], state["top_w"] = w, top, top_w
            state["n_seen"] = n_seen + (w - begun) * params["block"]
            n = decide(params, state, buffer, out, n)
            top = state["top"]
            due_w = due(params, state)
    state["energy"], state["top"], state["top_w"], state["w"] = before, top, top_w, w
    state["n_seen"] = n_seen + (w - begun) * params["block"]
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
        i += take(params, state, buffer, x, i, x.shape[0])
        n = search(params, state, buffer, out, n)
    return n
