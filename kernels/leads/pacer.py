"""Pacemaker pulses: what jumps and is back within milliseconds, alone in a quiet signal, is none of the heart's.

A sudden jump is held back at once, so nothing is delayed: the last value stands in its place until it has come back,
or has stayed away too long to be a pulse. What a pulse leaves behind, as an electrode or an amplifier's input
discharges, is measured for some milliseconds and then taken off as it decays.
"""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.qrs.energy import LARGEST

MAX_LEADS = 12
JUMP_MV = 0.12  # least step from one sample to the next
SUDDEN = 4.0  # times the largest of the last steps: no QRS begins like that, and no noise goes on like that
LEAST_MV = 0.2  # height of a pulse
BACK = 0.35  # part of its height to which a pulse comes back
CALM = 0.3  # part of its height that no step behind a pulse reaches: in noise they do
RISE, EARLY = 3, 0.8  # samples, and the part of its height that a tail whose pulse is not seen has reached by then
CALM_TAIL = 0.12  # part of its height that no step of such a tail reaches
TAIL_MV = 0.03  # tail that is worth taking off
LASTING = 0.97  # what has kept this part of itself is a step, no tail
SPENT = 0.05  # a tail that has come down to this part while it was measured is over
END_MV = 0.005  # of a tail
UNKNOWN_MV = 1.0  # largest step while there is none to know

ALIKE = 0.4  # least part of each other that the heights of two pulses are
PACES_S = 0.14  # from a pulse in the ventricle to the R peak at most
ALONE = 0.4  # quality of a pulse without another: it may be a fault of the recorder

PARAMS = np.dtype(
    [
        ("fs_hz", "f8"),
        ("n_leads", "i8"),  # 0: there is nothing to do
        # in samples
        ("most", "i8"),  # width of a pulse
        ("most_steep", "i8"),  # the same for one that rises as nothing of the heart does, and overdrives an amplifier
        ("calm", "i8"),  # looked at behind a pulse, for noise and for a tail
        ("ring", "i8"),  # waited for before, behind a steep pulse
        ("apart", "i8"),  # pulses that are said
        ("recurs", "i8"),  # within this time after another
        ("steep", "f8"),  # step of such a one, mV
        ("edge", "f8"),  # step of one that may be seen by its tail alone, mV
        ("fade", "f8"),  # of the largest step, a sample
        ("slowest", "f8"),  # decay of a tail, a sample
    ],
    align=True,
)

QUIET, AWAY, BEHIND = 0, 1, 2

LEAD = np.dtype(
    [
        ("mode", "i8"),
        ("n", "i8"),  # samples in it
        ("before", "f8"),  # last sample, less the tail
        ("steps", "f8"),  # largest of the last, fading
        ("base", "f8"),  # sample before the jump
        ("most", "i8"),  # samples until it must be back
        ("height", "f8"),  # furthest from it, signed
        ("at", "i8"),  # when it was
        ("area", "f8"),
        ("edged", "i8"),  # 1: it rose so steeply that its tail alone tells it
        ("early", "f8"),  # height in the first samples
        ("unrest", "f8"),  # largest step behind the pulse
        ("back", "i8"),  # 1: it came back; 0: its tail is seen alone
        ("first", "f8"),  # the tail, where its measurement began
        ("tail", "f8"),  # is taken off
        ("decay", "f8"),  # of it, a sample
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("lead", LEAD, (MAX_LEADS,)),
        ("n_seen", "i8"),  # samples
        ("due", "i8"),  # samples until the leads' votes are counted; -1: there are none
        ("votes", "i8"),
        ("settled", "i8"),  # 1: a pulse is to be said
        ("channel", "i8"),  # whose pulse is the highest
        ("height", "f8"),
        ("width_s", "f8"),
        ("t", "i8"),
        ("last_t", "i8"),  # pulse said
        ("last_height", "f8"),
        ("quality", "f8"),
    ],
    align=True,
)


@kernel
def begin(params: np.void, state: np.void) -> None:
    """Make zeros a fresh memory."""
    for c in range(params["n_leads"]):
        state["lead"][c]["before"] = np.nan
    state["due"] = -1
    state["last_t"] = -params["recurs"]


@kernel
def vote(params: np.void, state: np.void, c: int, lead: np.void) -> None:
    """Let a lead vote for the pulse that it has seen."""
    if state["due"] < 0:
        state["due"] = params["most"] if params["n_leads"] > 1 else 0
        state["votes"] = 0
        state["height"] = 0.0
    state["votes"] += 1
    if abs(lead["height"]) > abs(state["height"]):
        state["channel"] = c
        state["height"] = lead["height"]
        state["width_s"] = lead["area"] / lead["height"] / params["fs_hz"]
        state["t"] = lead["at"]


@kernel
def settle(params: np.void, state: np.void) -> None:
    """Make a pulse ready to be said, and tell whether it resembles the one before."""
    state["settled"] = 1
    part = state["height"] / state["last_height"] if state["last_height"] != 0.0 else 0.0
    again = state["t"] - state["last_t"] <= params["recurs"] and ALIKE <= abs(part) <= 1.0 / ALIKE
    state["quality"] = 1.0 if again else ALONE
    state["last_t"] = state["t"]
    state["last_height"] = state["height"]


@kernel
def away(params: np.void, t: int, lead: np.void, u: float) -> float:
    """Take a sample since the jump; returns what is shown in its place.

    A signal that stays away calmly is a tail whose pulse was too short to be seen.
    """
    base: float = lead["base"]
    far = u - base
    height = abs(lead["height"])
    step = abs(u - lead["before"])
    if step > params["steep"]:
        lead["most"] = params["most_steep"]
    if step > params["edge"]:
        lead["edged"] = 1
    back = abs(far) <= BACK * height
    if height >= LEAST_MV and (
        back or (lead["n"] == lead["most"] and lead["edged"] == 1 and lead["early"] >= EARLY * height)
    ):
        lead["mode"] = BEHIND
        lead["n"] = -params["ring"] if lead["most"] == params["most_steep"] else 0
        lead["unrest"] = 0.0
        lead["back"] = int(back)
        return base
    if lead["n"] == lead["most"]:
        lead["mode"] = QUIET
        lead["steps"] = height
        return u
    lead["n"] += 1
    lead["area"] += far
    if abs(far) > 1.01 * height:  # of an amplifier that swings between its limits the first counts
        lead["height"] = far
        lead["at"] = t
        if lead["n"] <= RISE:
            lead["early"] = abs(far)
    return base


@kernel
def behind(params: np.void, state: np.void, c: int, lead: np.void, u: float) -> float:
    """Take a sample behind a pulse; returns what is shown in its place."""
    base: float = lead["base"]
    far = u - base
    lead["n"] += 1
    if lead["n"] == 1:
        lead["first"] = far
    elif lead["n"] > 1:
        lead["unrest"] = max(lead["unrest"], abs(u - lead["before"]))
    if lead["n"] < params["calm"]:
        return base
    lead["mode"] = QUIET
    lead["steps"] = max(lead["steps"], lead["unrest"])
    left = far / lead["first"]
    if lead["unrest"] > (CALM if lead["back"] == 1 else CALM_TAIL) * abs(lead["height"]):
        return u
    if lead["back"] == 0 and not left < LASTING:
        return u
    vote(params, state, c, lead)
    if not left >= SPENT or abs(far) < TAIL_MV:
        return u
    lead["decay"] = min(params["slowest"], left ** (1.0 / (lead["n"] - 1)))
    lead["tail"] += far
    return base


@kernel
def take(params: np.void, state: np.void, x: NDArray[np.float64], y: NDArray[np.float64], first: int, end: int) -> int:
    """Take rows from first on, to end or to where a pulse is settled; returns how many.

    x : samples in mV, [n, n_leads]
    y : the same without pulses
    Then state["settled"] tells whether there is a pulse to `say`.
    """
    fade = params["fade"]
    leads = state["lead"]
    t = state["n_seen"]
    for i in range(first, end):
        for c in range(params["n_leads"]):
            lead = leads[c]
            v = x[i, c]
            if not abs(v) < LARGEST:
                lead["mode"] = QUIET
                lead["before"] = np.nan
                lead["tail"] = 0.0
                y[i, c] = v
                continue
            tail = lead["tail"]
            if tail != 0.0:
                tail *= lead["decay"]
                lead["tail"] = tail if abs(tail) > END_MV else 0.0
            u = v - tail
            step = abs(u - lead["before"])
            if lead["mode"] == QUIET and step > JUMP_MV and step > SUDDEN * lead["steps"]:
                lead["mode"] = AWAY
                lead["n"] = 0
                lead["base"] = lead["before"]
                lead["most"] = params["most"]
                lead["height"] = 0.0
                lead["area"] = 0.0
                lead["edged"] = 0
                lead["early"] = 0.0
            if lead["mode"] == QUIET:
                lead["steps"] = max(fade * lead["steps"], step) if step == step else UNKNOWN_MV
                shown = u
            elif lead["mode"] == AWAY:
                shown = away(params, t, lead, u)
            else:
                shown = behind(params, state, c, lead, u)
            y[i, c] = shown
            lead["before"] = v - lead["tail"]
        t += 1
        if state["due"] >= 0:
            state["due"] -= 1
            needed = min(2, (params["n_leads"] + 1) // 2)
            if state["due"] < 0 and state["votes"] >= needed and state["t"] - state["last_t"] >= params["apart"]:
                settle(params, state)
                state["n_seen"] = t
                return i + 1 - first
    state["n_seen"] = t
    return end - first


@kernel
def say(state: np.void, out: NDArray[np.void], n: int) -> int:
    """Say the pulse that is settled, if there is one; returns the number of findings so far."""
    if state["settled"] == 0:
        return n
    state["settled"] = 0
    row = out[n]
    row["slot"] = 0
    row["what"] = finding.BEAT
    row["code"] = codes.PACER_PULSE
    row["channel"] = state["channel"]
    row["t"] = state["t"]
    row["t_known"] = state["n_seen"] - 1
    row["quality"] = state["quality"]
    row["reasons"] = codes.SPIKES if state["quality"] < 1.0 else 0
    row["body"][:] = np.nan
    row["body"][finding.AMPLITUDE] = state["height"]
    row["body"][finding.WIDTH_S] = state["width_s"]
    return n + 1


@kernel
def paces(state: np.void, t: float, fs_hz: float) -> bool:
    """Tell whether the newest pulse, if it is a sure one, made the beat whose R peak is at t."""
    before: float = t - state["t"]
    return state["quality"] == 1.0 and 0.0 <= before <= PACES_S * fs_hz


@kernel
def step(params: np.void, state: np.void, x: NDArray[np.float64], y: NDArray[np.float64], out: NDArray[np.void]) -> int:
    """Find the pulses of a chunk and take them out.

    params : one row of PARAMS
    state  : one row of STATE, after `begin`
    x      : samples in mV, [n, n_leads]
    y      : the same without pulses
    out    : FINDING rows, one every params["apart"] samples at most
    """
    n = i = 0
    while i < x.shape[0]:
        i += take(params, state, x, y, i, x.shape[0])
        n = say(state, out, n)
    return n
