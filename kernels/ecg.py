"""The ECG chain: cleaned wave, beats, rates once a second, quality of each lead, and when there is no signal."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.alarms import alarms
from vitalcore.kernels.beats import beat_class, waves
from vitalcore.kernels.core import ahead, codes, finding
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.filters import sos
from vitalcore.kernels.leads import edr, mains, pacer, quality, tape
from vitalcore.kernels.qrs import energy, qrs
from vitalcore.kernels.rhythm import af, fibrillation, hrv, rate, rhythm

MAX_LEADS = 12
N_SECTIONS = 2
READABLE = 0.25  # quality of a lead from which its rate is said
N_DEAD, DEAD_S, DEAD_MV = 125, 1.0, 0.001  # a lead without the least movement for so long shows no heart at rest
SMALL = 0.1  # of the energy of a QRS: peaks that may be complexes
LOST_S = 2  # seconds without a usable lead that make the event
NOISE_S = 30.0  # over which it is followed how much of the time noise has left no lead usable
CLEAN, CLEAN_S = 0.9, 3.0  # quality of a second that proves the beats, and how fast such seconds do
MOST_NOISE = 0.25  # of the time: more, and what was learnt of the beats was learnt from noise
MISTRUST = 0.1  # of the quality of a beat that stays

PARAMS = np.dtype(
    [
        ("qrs", qrs.PARAMS),
        ("quality", quality.PARAMS),
        ("tape", tape.PARAMS),
        ("rhythm", rhythm.PARAMS),
        ("hrv", hrv.PARAMS),
        ("edr", edr.PARAMS),
        ("mains", mains.PARAMS),
        ("pacer", pacer.PARAMS),
        ("sos", "f8", (N_SECTIONS, 6)),  # of the wave
        ("wait", "i8"),  # samples from an R peak until its waves are measured at the latest
        ("alarms", alarms.PARAMS),
        ("rate_num", "i8"),  # rate in Hz as a fraction: second k ends with sample ceil(k num / den)
        ("rate_den", "i8"),
    ],
    align=True,
)

LEAD = np.dtype(
    [
        ("n_missing", "i8"),  # in a row
        ("zi", "f8", (N_SECTIONS, 2)),
        ("mains", mains.STATE),
    ],
    align=True,
)

# What every chunk touches comes first, close together: in a large table memory is slower than arithmetic.
STATE = np.dtype(
    [
        ("n_seen", "i8"),  # samples
        ("second", "i8"),  # the one that is running, from 1
        ("second_begin", "i8"),  # its first sample
        ("second_end", "i8"),  # its last sample
        ("hums", "i8"),  # 1: hum is taken out of a lead
        ("open", "i8"),  # 1: a beat waits for its waves to be measured
        ("open_w", "i8"),  # work sample at which they are, if no beat comes before
        ("open_t", "f8"),  # its R peak
        ("open_interval_s", "f8"),
        ("open_label", "f8"),
        ("open_quality", "f8"),
        ("n_lost", "i8"),  # seconds in a row without a usable lead
        ("noise", "f8"),  # part of the last seconds in which noise left no lead usable, smoothed
        ("broken", "i8"),  # 1: there has been one since the last beat
        ("lost", "i8"),  # the event has been said
        ("lost_at", "i8"),  # its onset
        ("lost_from", "i8"),  # first sample that was not usable
        ("tape", tape.STATE),
        ("leads", LEAD, (MAX_LEADS,)),
        ("qrs", qrs.STATE),
        ("rhythm", rhythm.STATE),
        ("pacer", pacer.STATE),
        ("rate", rate.RATE),
        ("edr", edr.STATE),
        ("alarms", alarms.STATE),
        ("class", beat_class.STATE),
        ("waves", waves.STATE),
        ("hrv", hrv.STATE),
        ("fibrillation", fibrillation.STATE),
    ],
    align=True,
)


_FIELDS: Any = STATE.fields  # numpy's stubs know that a dtype may have none
_QRS_FIELDS: Any = qrs.STATE.fields
LEADS_AT, LEAD_BYTES = _FIELDS["leads"][1], LEAD.itemsize
QRS_AT, QRS_BYTES = _FIELDS["qrs"][1], _QRS_FIELDS["fused"][1]
RHYTHM_AT = _FIELDS["rhythm"][1]


@kernel
def begin(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Make zeros a fresh memory."""
    qrs.begin(params["qrs"], state["qrs"], buffer)
    tape.begin(params["tape"], state["tape"], buffer)
    beat_class.begin(state["class"], params["qrs"]["energy"]["n_leads"])
    rhythm.begin(state["rhythm"], -1.0)
    pacer.begin(params["pacer"], state["pacer"])
    fibrillation.begin(state["fibrillation"])
    q = params["qrs"]["energy"]
    for c in range(q["n_leads"]):
        head = buffer[c * q["stride"] : (c + 1) * q["stride"]]
        state["leads"][c]["n_missing"] = q["hold"] + 1  # the first sample ends a gap
        quality.begin(head)
    alarms.begin(state["alarms"])
    state["second"] = 1
    state["second_end"] = -(-params["rate_num"] // params["rate_den"])


@kernel
def clean(params: np.void, state: np.void, c: int, x: NDArray[np.float64], wave: NDArray[np.float64]) -> None:
    """Filter the samples of a lead; after a gap as if the first value had been there for ever."""
    sections = params["sos"]
    lead = state["leads"][c]
    zi = lead["zi"]
    b0, b1, b2, a1, a2 = sections[0, 0], sections[0, 1], sections[0, 2], sections[0, 4], sections[0, 5]
    d0, d1, d2, c1, c2 = sections[1, 0], sections[1, 1], sections[1, 2], sections[1, 4], sections[1, 5]
    z0, z1, w0, w1 = zi[0, 0], zi[0, 1], zi[1, 0], zi[1, 1]
    run: int = lead["n_missing"]
    for i in range(x.shape[0]):
        v = x[i]
        if abs(v) < energy.LARGEST:
            if run > 0:
                if run > params["qrs"]["energy"]["hold"]:
                    sos.settle(sections, zi, v)
                    z0, z1, w0, w1 = zi[0, 0], zi[0, 1], zi[1, 0], zi[1, 1]
                run = 0
            u = b0 * v + z0
            z0 = b1 * v - a1 * u + z1
            z1 = b2 * v - a2 * u
            y = d0 * u + w0
            w0 = d1 * u - c1 * y + w1
            w1 = d2 * u - c2 * y
            wave[i] = y
        else:
            run += 1
            wave[i] = np.nan
    zi[0, 0], zi[0, 1], zi[1, 0], zi[1, 1] = z0, z1, w0, w1
    lead["n_missing"] = run


@kernel
def measure(
    params: np.void, state: np.void, buffer: NDArray[np.float64], after_s: float, out: NDArray[np.void], n: int
) -> int:
    """Measure the waves of the beat that waits for it, in each usable lead; returns the number of findings so far.

    after_s : until the next beat, NaN where none has come
    """
    if state["open"] == 0:
        return n
    state["open"] = 0
    hrv.beat(
        params["hrv"],
        state["hrv"],
        state["open_t"],
        state["open_interval_s"],
        state["open_label"],
        state["open_quality"],
    )
    q = params["qrs"]["energy"]
    n_read = n_p = 0
    for c in range(q["n_leads"]):
        head = c * q["stride"]
        if buffer[head + energy.USABLE] == 0.0:
            continue
        row = out[n]
        row["slot"] = 0
        row["what"] = finding.WAVES
        row["code"] = codes.HEART_BEAT
        row["channel"] = c
        row["t"] = state["open_t"]
        row["t_known"] = state["qrs"]["n_seen"] - 1
        row["quality"] = state["open_quality"]
        row["reasons"] = int(buffer[head + quality.REASONS])
        row["body"][:] = np.nan
        row["body"][finding.RR_S] = state["open_interval_s"]
        row["body"][finding.CLASS] = state["open_label"]
        if buffer[head + energy.QUALITY] >= READABLE:
            n_seen, before_s = state["qrs"]["n_seen"], state["open_interval_s"]
            waves.tell(params["tape"], state["waves"], buffer, c, n_seen, q["fs_hz"], before_s, after_s, row)
            n_read += 1
            n_p += row["body"][finding.P_PEAK] == row["body"][finding.P_PEAK]
        n += 1
    if n_read > 0 and state["open_label"] != rhythm.VENTRICULAR:
        af.see(state["rhythm"]["af"], 2 * n_p >= n_read)
    return n


@kernel
def hear(params: np.void, state: np.void, buffer: NDArray[np.float64], out: NDArray[np.void], k: int, n: int) -> int:
    """Take the beat of row k into the rate and begin to wait for its waves; those of the beat before are measured now.

    Returns the number of findings so far.
    """
    q = params["qrs"]["energy"]
    beat = out[k]
    head = beat["channel"] * q["stride"]
    if state["broken"] == 1:  # beats may have gone unseen
        beat["body"][finding.INTERVAL_S] = np.nan
        state["broken"] = 0
    beat["quality"] *= buffer[head + energy.QUALITY] * (MISTRUST if state["noise"] > MOST_NOISE else 1.0)
    beat["reasons"] |= int(buffer[head + quality.REASONS])
    rate.add(state["rate"], beat["body"][finding.INTERVAL_S])
    edr.beat(state["edr"], beat)
    seen = state["qrs"]["n_seen"]
    beat_class.read(params["tape"], q, state["class"], buffer, beat["t"], seen)
    after_s = (beat["t"] - state["open_t"]) / q["fs_hz"]
    state["open_label"] = beat_class.decide(params["tape"], state["class"], buffer, q["fs_hz"], seen, after_s, 1)
    beat_class.admit(state["class"], beat["t"], beat["body"][finding.INTERVAL_S])
    state["class"]["paced"] = int(pacer.paces(state["pacer"], beat["t"], q["fs_hz"]))
    beat["body"][finding.LABEL] = beat_class.first(beat_class.FIRST, state["class"])
    n = rhythm.beat(params["rhythm"], state["rhythm"], beat, out, n)
    n = measure(params, state, buffer, after_s, out, n)
    state["open"] = 1
    state["open_w"] = int((beat["t"] + params["wait"]) // q["block"]) + 1
    state["open_t"] = beat["t"]
    state["open_interval_s"] = beat["body"][finding.INTERVAL_S]
    state["open_label"] = beat["body"][finding.LABEL]
    state["open_quality"] = beat["quality"]
    return n


@kernel
def still(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> bool:
    """Tell whether a usable lead is alive and shows no complexes, not even small ones; P waves and spikes are none."""
    q = params["qrs"]["energy"]
    beats = state["qrs"]
    n_small = 2 - 2 * beats["learnt"]  # while learning nobody knows
    for k in range(beats["n_weak"]):
        peak = beats["weak"][k]
        sharp: bool = params["qrs"]["narrowest_s"] <= peak["width_s"] < qrs.WIDE_S
        if (sharp or peak["score"] > qrs.NO_BEAT) and peak["energy"] > SMALL * beats["signal_level"]:
            n_small += 1
    if n_small > 1:
        return False
    x = state["fibrillation"]["x"][:N_DEAD]
    for c in range(q["n_leads"]):
        if buffer[c * q["stride"] + energy.USABLE] > 0.0:
            pace = DEAD_S * q["fs_hz"] / len(x)
            begin_t = beats["n_seen"] - (len(x) + 4) * pace
            if tape.snip(params["tape"], buffer, c, beats["n_seen"], begin_t, pace, x):
                for k in range(1, len(x)):
                    if abs(x[k] - x[0]) > DEAD_MV:
                        return True
    return False


@kernel
def ask(params: np.void, state: np.void, buffer: NDArray[np.float64], now: int, out: NDArray[np.void], n: int) -> int:
    """Decide whether the heart stands still where that is due; returns the number of findings so far."""
    if state["qrs"]["w"] < rhythm.due(params["rhythm"], state["rhythm"], params["qrs"]["energy"]["block"]):
        return n
    return rhythm.silence(state["rhythm"], now, still(params, state, buffer), out, n)


@kernel
def report(row: np.void, code: int, channel: int, t: int, value: float, q: float, reasons: int) -> None:
    """Write one feature."""
    row["slot"] = 0
    row["what"] = finding.FEATURE
    row["code"] = code
    row["channel"] = channel
    row["t"] = t
    row["t_known"] = t
    row["quality"] = q
    row["reasons"] = reasons
    row["body"][:] = np.nan
    row["body"][finding.VALUE] = value
    row["body"][finding.WINDOW_S] = 1.0


@kernel
def lose(state: np.void, t: int, end: float, reasons: int, row: np.void) -> None:
    """Write the event that no lead is usable, or its end."""
    row["slot"] = 0
    row["what"] = finding.EVENT
    row["code"] = codes.NO_USABLE_SIGNAL
    row["channel"] = -1
    row["t"] = state["lost_at"]
    row["t_known"] = t
    row["quality"] = 1.0
    row["reasons"] = reasons
    row["body"][:] = np.nan
    row["body"][finding.T_END] = end
    row["body"][finding.EVIDENCE_FROM] = state["lost_from"]
    row["body"][finding.EVIDENCE_TO] = t


@kernel
def end_second(params: np.void, state: np.void, buffer: NDArray[np.float64], out: NDArray[np.void], n: int) -> int:
    """Judge the leads, say the features, and the event where there is one; returns the number of findings so far."""
    q = params["qrs"]["energy"]
    beats = state["qrs"]
    begun = n
    t = state["second_end"]
    length = t - state["second_begin"] + 1
    best = -1.0
    best_lead = 0
    state["hums"] = 0
    age_s = (t - beats["last_t"]) / q["fs_hz"]
    averaged, instant = rate.averaged(state["rate"], age_s), rate.instant(state["rate"], age_s)
    for c in range(q["n_leads"]):
        head = buffer[c * q["stride"] : (c + 1) * q["stride"]]
        tape_at = params["tape"]["at"] + c * params["tape"]["n_ring"]
        quality.judge(
            params["quality"],
            head,
            length,
            q["floor"],
            beats["doubt"],
            60.0 / averaged,
            buffer[tape_at : tape_at + params["tape"]["n_ring"]],
            state["n_seen"] // params["tape"]["block"] - 1,
        )
        hum = state["leads"][c]["mains"]
        mains.judge(params["mains"], hum)
        if mains.is_taken_out(hum):
            state["hums"] = 1
        if hum["found"] > 0:
            head[quality.REASONS] = int(head[quality.REASONS]) | codes.MAINS
        if head[energy.QUALITY] > best:
            best = head[energy.QUALITY]
            best_lead = c
    energy.weigh(q, beats["energy"], buffer)
    usable = best >= quality.POOR
    lead_reasons = int(buffer[best_lead * q["stride"] + quality.REASONS])
    if best < READABLE:
        averaged = instant = np.nan
    reasons = lead_reasons if averaged == averaged or best < READABLE else lead_reasons | codes.TOO_FEW_BEATS
    report(out[n], codes.HEART_RATE, -1, t, averaged, best, reasons)
    report(out[n + 1], codes.HEART_RATE_INSTANT, -1, t, instant, best, reasons)
    n += 2
    for c in range(q["n_leads"]):
        head = buffer[c * q["stride"] : (c + 1) * q["stride"]]
        report(out[n], codes.SIGNAL_QUALITY, c, t, head[energy.QUALITY], 1.0, int(head[quality.REASONS]))
        n += 1
    edr.tell(params["edr"], state["edr"], t, best, lead_reasons, out[n])
    n += 1
    if state["second"] % hrv.EVERY_S == 0:
        atria = state["rhythm"]["af"]
        if atria["on"] == 1:
            hrv.fibrillate(params["hrv"], state["hrv"], atria["onset"])
        else:
            state["hrv"]["fibrillation"] = 0
        n = hrv.tell(params["hrv"], state["hrv"], t, t, out, n)
    drowned = not usable and lead_reasons & codes.NOISE != 0
    state["noise"] += ((1.0 if drowned else 0.0) - state["noise"]) / (CLEAN_S if best >= CLEAN else NOISE_S)
    if usable:
        state["n_lost"] = 0
        if state["lost"] == 1:
            state["lost"] = 0
            qrs.come_back(params["qrs"], beats, buffer)
            lose(state, t, state["second_begin"], lead_reasons, out[n])
            n += 1
    else:
        if state["n_lost"] == 0:
            state["lost_from"] = state["second_begin"]
        state["n_lost"] += 1
        state["broken"] = 1
        state["rhythm"]["since_t"] += length  # a silence that nobody could hear
        if state["n_lost"] >= LOST_S and state["lost"] == 0:
            state["lost"] = 1
            state["lost_at"] = state["second_begin"]  # the end of a recording alone must not make it
            lose(state, t, np.nan, lead_reasons, out[n])
            n += 1
    wild = state["fibrillation"]
    fibrillation.judge(wild, q, params["tape"], buffer, t, rhythm.steady(params["rhythm"], state["rhythm"], t))
    n = rhythm.tick(params["rhythm"], state["rhythm"], t, state["lost"] == 1, wild["code"], wild["t"], out, n)
    n = ask(params, state, buffer, t, out, n)
    n = alarms.follow_rows(params["alarms"], state["alarms"], out, begun, n)
    state["second"] += 1
    state["second_begin"] = t + 1
    state["second_end"] = -(-(state["second"] * params["rate_num"]) // params["rate_den"])
    return n


@kernel
def step(
    params: np.void,
    state: np.void,
    buffer: NDArray[np.float64],
    x: NDArray[np.float64],
    wave: NDArray[np.float64],
    out: NDArray[np.void],
) -> int:
    """Run the chain over a chunk.

    params : one row of PARAMS
    state  : one row of STATE, after `begin`
    buffer : [n_leads * stride]
    x      : samples in mV, [n, n_leads]; NaN is a missing sample
    wave   : cleaned, [n, n_leads]; NaN where a sample is missing
    out    : FINDING rows
    """
    q = params["qrs"]["energy"]
    beats = state["qrs"]
    stride = q["stride"]
    paced = params["pacer"]["n_leads"] > 0
    n = i = 0
    while i < x.shape[0]:
        end = min(x.shape[0], i + state["second_end"] + 1 - state["n_seen"])
        hums = state["hums"] == 1
        y = wave if paced or hums else x  # without pacemaker pulses and hum
        if paced:
            end = i + pacer.take(params["pacer"], state["pacer"], x, y, i, end)
        for c in range(q["n_leads"]):
            unpaced = y[i:end, c] if paced else x[i:end, c]
            mains.watch(params["mains"], state["leads"][c]["mains"], unpaced)
            if hums:
                mains.clean(params["mains"], state["leads"][c]["mains"], unpaced, y[i:end, c])
            quality.watch(buffer[c * stride : (c + 1) * stride], y[i:end, c])
        state["n_seen"] += end - i
        start = i
        while i < end:
            first = i
            i += energy.take(q, beats["energy"], buffer, y, i, end)
            tape.take(params["tape"], state["tape"], buffer, y, first, i)
            for c in range(q["n_leads"]):
                quality.watch_work(params["quality"], buffer[c * stride : (c + 1) * stride], beats["energy"]["n_fresh"])
            beats["looked"] = 0
            while beats["looked"] < beats["energy"]["n_fresh"]:
                begun = n
                until_w = state["open_w"] if state["open"] == 1 else qrs.NEVER
                until_w = min(until_w, rhythm.due(params["rhythm"], state["rhythm"], q["block"]))
                n = end_of_beats = qrs.search(params["qrs"], beats, buffer, until_w, out, n)
                for k in range(begun, end_of_beats):
                    n = hear(params, state, buffer, out, k, n)
                if state["open"] == 1 and beats["w"] >= state["open_w"]:
                    waited_s = params["wait"] / q["fs_hz"]
                    state["open_label"] = beat_class.decide(
                        params["tape"], state["class"], buffer, q["fs_hz"], beats["n_seen"], waited_s, 0
                    )
                    n = measure(params, state, buffer, np.nan, out, n)
                n = ask(params, state, buffer, beats["n_seen"] - 1, out, n)
                n = alarms.follow_rows(params["alarms"], state["alarms"], out, begun, n)
        for c in range(q["n_leads"]):
            clean(params, state, c, y[start:end, c], wave[start:end, c])
        if paced:
            n = pacer.say(state["pacer"], out, n)
        if state["n_seen"] > state["second_end"]:
            n = end_second(params, state, buffer, out, n)
    return n


@kernel
def fetch_state(states: NDArray[np.void], slot: int) -> None:
    """Fetch what a chunk touches of a stream's state, with one lead."""
    ahead.fetch_lines(states, slot, 0, LEADS_AT + LEAD_BYTES)
    ahead.fetch_lines(states, slot, QRS_AT, QRS_BYTES)
    ahead.fetch_lines(states, slot, RHYTHM_AT, ahead.LINE)


@kernel
def fetch_buffer(params: np.void, states: NDArray[np.void], buffers: NDArray[np.float64], slot: int) -> None:
    """Fetch what a chunk touches of a stream's buffer, with one lead; its state is there."""
    q, tapes = params["qrs"]["energy"], params["tape"]
    front = states[slot]["qrs"]["energy"]
    n_work = 2 * (2 * q["n_half"] + 1)
    band_at = energy.N_HEAD + q["n_ring"] + n_work + front["band_at"]
    ahead.fetch_lines(buffers, slot, 0, 8 * energy.N_HEAD)
    ahead.fetch_lines(buffers, slot, 8 * (energy.N_HEAD + front["ring_at"]), 2 * ahead.LINE)
    ahead.fetch_lines(buffers, slot, 8 * (energy.N_HEAD + q["n_ring"]), 8 * n_work)
    for at in (0, q["n_band"] - q["n_energy"], q["n_band"]):
        ahead.fetch_lines(buffers, slot, 8 * (band_at + at), ahead.LINE)
    ahead.fetch_lines(buffers, slot, 8 * (tapes["at"] + states[slot]["tape"]["ring_at"]), 2 * ahead.LINE)


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
    """Run the chain over the chunks of many streams.

    params  : one row of each kind of stream: few rows stay in the cache while thousands of streams go by
    kinds   : row of params of each slot
    states, buffers : the table, one row a slot
    slots   : whose chunks have come, [k]
    offsets : where each begins in x, [k + 1]
    x, wave : all chunks one after the other, [total, n_leads]
    """
    n = 0
    for i in range(slots.shape[0]):
        slot = slots[i]
        if i + 2 < slots.shape[0]:
            fetch_state(states, slots[i + 2])
        if i + 1 < slots.shape[0]:
            fetch_buffer(params[kinds[slots[i + 1]]], states, buffers, slots[i + 1])
        a = offsets[i]
        b = offsets[i + 1]
        m = step(params[kinds[slot]], states[slot], buffers[slot], x[a:b], wave[a:b], out[n:])
        for k in range(n, n + m):
            out[k]["slot"] = slot
        n += m
    return n
