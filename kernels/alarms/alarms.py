"""Alarms from what a chain says: raised, asserted again, acknowledged, latched, ended; held back where it must be.

Each alarm has a condition, which an event or the features of each second make true, and a state of its own:

    raised -> (acknowledged) -> ended        an alarm that does not latch ends when its condition is over
    raised -> latched -> acknowledged, ended one that latches stays until somebody has acknowledged it

Source: states and latching follow IEC 60601-1-8 as its public summaries give it.
"""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.alarms import burst, witness
from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel

# in the order of urgency
CODES = (
    codes.ASYSTOLE,
    codes.VENTRICULAR_FIBRILLATION,
    codes.VENTRICULAR_TACHYCARDIA,
    codes.EXTREME_BRADYCARDIA,
    codes.EXTREME_TACHYCARDIA,
    codes.VENTRICULAR_RUN,
    codes.PAUSE,
    codes.ATRIAL_FIBRILLATION,
    codes.HEART_RATE_HIGH,
    codes.HEART_RATE_LOW,
    codes.NO_USABLE_SIGNAL,
    codes.LEAD_DISCONNECTED,
    codes.NOISY_SIGNAL,
)
N = len(CODES)
ARREST, FIBRILLATION, VENTRICULAR, BRADYCARDIA, TACHYCARDIA = 0, 1, 2, 3, 4
HIGH, LOW = 8, 9
FIRST_TECHNICAL = 10
LOST, LEAD, NOISY = 10, 11, 12
AGAIN_S = 10  # a standing alarm is said again
LEAST_S = 5  # an alarm stands at least so long: a run that is over when it is said is seen by somebody
UNSURE = 0.25  # quality below which noise is told
BY_EVENT, BY_BURST = 1, 2  # bits: what meets a condition

PARAMS = np.dtype(
    [
        ("priority", "i8", (N,)),  # finding.HIGH, MEDIUM or LOW; 0: never raised
        ("latching", "i8", (N,)),
        ("limit", "f8", (N,)),  # of the heart rate per minute; of the others as they are said
        ("delay_s", "i8", (N,)),  # the features of so many seconds in a row must meet a condition
        ("burst", burst.PARAMS),
        ("witness", witness.PARAMS),
    ],
    align=True,
)

STATED = np.dtype(
    [
        ("t", "f8"),  # its physiology or technical cause began
        ("from", "f8"),  # evidence
        ("to", "f8"),
        ("end", "f8"),  # NaN while it lasts
        ("measured", "f8"),
        ("quality", "f8"),
        ("reasons", "i8"),
        ("channel", "i8"),
    ],
    align=True,
)

EACH = np.dtype(
    [
        ("met", "i8"),  # the condition is true now, by BY_EVENT or BY_BURST
        ("condition", STATED),
        ("n_in", "i8"),  # seconds in a row that meet it
        ("n_out", "i8"),  # and that do not
        ("stands", "i8"),  # finding.RAISED or ACKNOWLEDGED; 0: no alarm
        ("over", "i8"),  # it stands though its condition is over
        ("held", "i8"),  # its condition was met while it was held back
        ("asked", "i8"),  # to be acknowledged with the next tick
        ("alarm", STATED),  # as it was raised
        ("n_stood", "i8"),  # ticks since it was raised
        ("n_silent", "i8"),  # ticks since it was last said
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("each", EACH, (N,)),
        ("lost", "i8"),  # no usable signal, from the first second on
        ("lost_reasons", "i8"),
        ("lead_off", "i8"),  # first channel without contact since the last tick; -1: none
        ("lead_reasons", "i8"),
        ("burst", burst.STATE),
        ("witness", witness.STATE),
    ],
    align=True,
)


@kernel
def begin(state: np.void) -> None:
    """Make zeros a fresh memory."""
    state["lead_off"] = -1


@kernel
def place(code: int) -> int:
    """Find an alarm by its code; -1: there is none."""
    for i in range(N):
        if CODES[i] == code:
            return i
    return -1


@kernel
def copy(stated: np.void, to: np.void) -> None:
    """Copy what is stated of a condition."""
    to["t"] = stated["t"]
    to["from"] = stated["from"]
    to["to"] = stated["to"]
    to["end"] = stated["end"]
    to["measured"] = stated["measured"]
    to["quality"] = stated["quality"]
    to["reasons"] = stated["reasons"]
    to["channel"] = stated["channel"]


@kernel
def say(params: np.void, each: np.void, i: int, what: int, t: float, row: np.void) -> None:
    """Write an alarm as it stands at time t."""
    alarm = each["alarm"]
    row["slot"] = 0
    row["what"] = finding.ALARM
    row["code"] = CODES[i]
    row["channel"] = alarm["channel"]
    row["t"] = alarm["t"]
    row["t_known"] = t
    row["quality"] = alarm["quality"]
    row["reasons"] = alarm["reasons"]
    body = row["body"]
    body[:] = np.nan
    body[finding.T_END] = alarm["end"]
    body[finding.EVIDENCE_FROM] = alarm["from"]
    body[finding.EVIDENCE_TO] = alarm["to"]
    body[finding.STATE] = what
    body[finding.PRIORITY] = params["priority"][i]
    body[finding.LATCHING] = params["latching"][i]
    body[finding.MEASURED] = alarm["measured"]
    body[finding.LIMIT] = params["limit"][i]
    each["n_silent"] = 0


@kernel
def suppressed(params: np.void, state: np.void, i: int, t: float) -> int:
    """Tell why a condition that is met must not make an alarm now: reasons, 0 for none."""
    if i < FIRST_TECHNICAL and state["lost"] == 1:
        return int(codes.SUPPRESSED | state["lost_reasons"])
    if i >= LEAD and state["lost"] == 1:
        return codes.SUPPRESSED  # the one alarm says both
    if i in (HIGH, LOW):
        urgent = state["each"][TACHYCARDIA if i == HIGH else BRADYCARDIA]
        if urgent["stands"] != 0 and urgent["over"] == 0:
            return codes.SUPPRESSED  # it says the same
    since = state["each"][i]["condition"]["from"]
    if i < FIRST_TECHNICAL and witness.contradicts(params["witness"], state["witness"], CODES[i], since, t):
        return codes.CONTRADICTED
    return 0


@kernel
def judge(params: np.void, state: np.void, i: int, t: float, out: NDArray[np.void], n: int) -> int:
    """Raise or end an alarm as its condition is at time t; returns the number of findings so far."""
    each = state["each"][i]
    why = suppressed(params, state, i, t) if each["met"] != 0 else 0
    if each["met"] != 0 and why == 0 and params["priority"][i] > 0:
        if each["stands"] == 0 or each["over"] == 1:
            copy(each["condition"], each["alarm"])
            if each["held"] == 1:
                each["alarm"]["to"] = t
            each["held"] = 0
            each["stands"] = finding.RAISED
            each["over"] = 0
            each["n_stood"] = 0
            say(params, each, i, finding.RAISED, t, out[n])
            n += 1
        return n
    each["held"] = 1 if why != 0 else 0
    if each["stands"] != 0 and each["over"] == 0:
        each["over"] = 1
        each["alarm"]["end"] = t if each["met"] != 0 else each["condition"]["end"]
        each["alarm"]["reasons"] |= why
        if params["latching"][i] == 1 and each["stands"] == finding.RAISED:
            say(params, each, i, finding.ASSERTED, t, out[n])
            n += 1
    return n


@kernel
def keep(params: np.void, each: np.void, i: int, t: float, out: NDArray[np.void], n: int) -> int:
    """Do what time brings to an alarm, once a second: acknowledgement, end, assertion; returns the findings so far."""
    if each["stands"] == 0:
        each["asked"] = 0
        return n
    each["n_stood"] += 1
    each["n_silent"] += 1
    if each["asked"] == 1:
        each["asked"] = 0
        each["stands"] = finding.ACKNOWLEDGED
        say(params, each, i, finding.ACKNOWLEDGED, t, out[n])
        n += 1
    free = params["latching"][i] == 0 or each["stands"] == finding.ACKNOWLEDGED
    if each["over"] == 1 and free and each["n_stood"] >= LEAST_S:
        each["stands"] = 0
        each["over"] = 0
        say(params, each, i, finding.ENDED, t, out[n])
        n += 1
    elif each["n_silent"] >= AGAIN_S:
        again = finding.ASSERTED if each["stands"] == finding.RAISED else finding.ACKNOWLEDGED
        say(params, each, i, again, t, out[n])
        n += 1
    return n


@kernel
def follow(params: np.void, each: np.void, i: int, here: bool, t: float, begun: float) -> None:
    """Count the seconds that meet a condition; it begins and ends after `delay_s` of them.

    here  : this second meets it
    t, begun : last and first sample of this second
    """
    condition = each["condition"]
    if here:
        if each["n_in"] == 0 and each["met"] == 0:
            condition["t"] = begun
        each["n_in"] += 1
        each["n_out"] = 0
        if each["met"] == 0 and each["n_in"] >= params["delay_s"][i]:
            each["met"] = 1
            condition["from"] = condition["t"]
            condition["to"] = t
            condition["end"] = np.nan
    else:
        if each["n_out"] == 0 and each["met"] != 0:
            condition["end"] = begun
        each["n_out"] += 1
        each["n_in"] = 0
        if each["met"] != 0 and each["n_out"] >= params["delay_s"][i]:
            each["met"] = 0


@kernel
def state_of(each: np.void, measured: float, quality: float, reasons: int, channel: int) -> None:
    """State what a condition that is not met yet would be raised with."""
    if each["met"] == 0:
        condition = each["condition"]
        condition["measured"] = measured
        condition["quality"] = quality
        condition["reasons"] = reasons
        condition["channel"] = channel


@kernel
def tick(params: np.void, state: np.void, row: np.void, out: NDArray[np.void], n: int) -> int:
    """End a second with its heart rate: follow what is counted in seconds, then see to every alarm."""
    each = state["each"]
    t: float = row["t_known"]
    rate: float = row["body"][finding.VALUE]
    begun = t + 1.0 - params["witness"]["fs_hz"] * row["body"][finding.WINDOW_S]
    known = state["lost"] == 0
    quality: float = row["quality"]
    reasons: int = row["reasons"]
    for i in (HIGH, LOW):
        outside = rate > params["limit"][i] if i == HIGH else rate < params["limit"][i]
        state_of(each[i], rate, quality, reasons, -1)
        follow(params, each[i], i, known and outside, t, begun)
    lead: int = state["lead_off"]
    state_of(each[LEAD], np.nan, 1.0, state["lead_reasons"], lead)
    follow(params, each[LEAD], LEAD, lead >= 0, t, begun)
    state_of(each[NOISY], quality, 1.0, reasons, -1)
    follow(params, each[NOISY], NOISY, known and quality < UNSURE and reasons & codes.NOISE != 0, t, begun)
    state["lead_off"] = -1
    state["lead_reasons"] = 0
    for i in range(N):
        n = judge(params, state, i, t, out, n)
        n = keep(params, each[i], i, t, out, n)
    return n


@kernel
def end_burst(params: np.void, state: np.void, end: float, t: float, out: NDArray[np.void], n: int) -> int:
    """End a burst at a time, as is known at time t; returns the number of findings so far."""
    each = state["each"][VENTRICULAR]
    state["burst"]["on"] = 0
    if each["met"] & BY_BURST:
        each["met"] &= ~BY_BURST
        if each["met"] == 0:
            each["condition"]["end"] = end
        n = judge(params, state, VENTRICULAR, t, out, n)
    return n


@kernel
def take_beat(params: np.void, state: np.void, row: np.void, out: NDArray[np.void], n: int) -> int:
    """Follow the beats: a burst is a ventricular tachycardia while it lasts; returns the number of findings so far."""
    change = burst.beat(params["burst"], state["burst"], row)
    t: float = row["t_known"]
    if change < 0:
        return end_burst(params, state, row["t"], t, out, n)
    if change > 0:
        each = state["each"][VENTRICULAR]
        if each["met"] == 0:
            condition = each["condition"]
            condition["t"] = condition["to"] = row["t"]
            condition["from"] = burst.first_t(params["burst"], state["burst"])
            condition["end"] = np.nan
            per_sample = 60.0 * params["witness"]["fs_hz"] * (params["burst"]["n_beats"] - 1)
            condition["measured"] = per_sample / (row["t"] - condition["from"])
            condition["quality"] = row["quality"]
            condition["reasons"] = row["reasons"]
            condition["channel"] = row["channel"]
        each["met"] |= BY_BURST
        n = judge(params, state, VENTRICULAR, t, out, n)
    return n


@kernel
def take_event(params: np.void, state: np.void, row: np.void, out: NDArray[np.void], n: int) -> int:
    """Follow an event: its alarm's condition is met while it lasts; returns the number of findings so far."""
    i = place(row["code"])
    if i < 0:
        return n
    each = state["each"][i]
    condition = each["condition"]
    t: float = row["t_known"]
    body = row["body"]
    if each["met"] == 0 or body[finding.T_END] != body[finding.T_END]:
        condition["t"] = body[finding.EVIDENCE_TO]
        condition["from"] = body[finding.EVIDENCE_FROM]
        condition["to"] = body[finding.EVIDENCE_TO]
        condition["measured"] = body[finding.MEASURED]
        condition["quality"] = row["quality"]
        condition["reasons"] = row["reasons"]
        condition["channel"] = row["channel"]
    condition["end"] = body[finding.T_END]
    if condition["end"] < condition["t"]:  # by less than a sample: the rule was met with the last beat
        condition["end"] = condition["t"]
    each["met"] |= BY_EVENT
    if i in (ARREST, FIBRILLATION, LOST):  # there are no beats that could end it
        n = end_burst(params, state, t, t, out, n)
    if i == LOST:
        condition["t"] = condition["from"]
        ends = condition["end"] == condition["end"]
        state["lost"] = 0 if ends else 1
        state["lost_reasons"] = row["reasons"]
    n = judge(params, state, i, t, out, n)
    if condition["end"] == condition["end"]:
        each["met"] &= ~BY_EVENT
        n = judge(params, state, i, t, out, n)
    if i == LOST:
        for k in range(N):
            n = judge(params, state, k, t, out, n)
    return n


@kernel
def take(params: np.void, state: np.void, row: np.void, out: NDArray[np.void], n: int) -> int:
    """Take one finding of the chain or of a witness; returns the number of findings so far.

    params : one row of PARAMS
    state  : one row of STATE, after `begin`
    row    : FINDING; the slot is 0 for the chain's own, 1 or 2 for a witness whose times are in the chain's samples
    out, n : where ALARM rows go
    """
    if row["slot"] > 0:
        witness.take(state["witness"], row)
    elif row["what"] == finding.BEAT and row["code"] == codes.HEART_BEAT:
        n = take_beat(params, state, row, out, n)
    elif row["what"] == finding.EVENT:
        n = take_event(params, state, row, out, n)
    elif row["what"] == finding.FEATURE:
        if row["code"] == codes.HEART_RATE:
            n = tick(params, state, row, out, n)
        elif row["code"] == codes.SIGNAL_QUALITY and row["reasons"] & codes.LEAD_OFF and state["lead_off"] < 0:
            state["lead_off"] = row["channel"]
            state["lead_reasons"] = row["reasons"]
    return n


@kernel
def follow_rows(params: np.void, state: np.void, out: NDArray[np.void], first: int, n: int) -> int:
    """Take the findings out[first:n] in order and say alarms behind them; returns the number of findings so far."""
    last = n
    for k in range(first, last):
        n = take(params, state, out[k], out, n)
    return n


@kernel
def step(params: np.void, state: np.void, x: NDArray[np.void], out: NDArray[np.void]) -> int:
    """Take findings, [n], in order of t_known, and say alarms."""
    n = 0
    for k in range(x.shape[0]):
        n = take(params, state, x[k], out, n)
    return n
