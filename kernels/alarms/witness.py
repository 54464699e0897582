"""Pulses of the subject from other signals, which may say that an alarm of the ECG can't be true."""

import numpy as np

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.kernel import kernel

N_WITNESSES = 2
N_PULSES = 16  # remembered of each
SOUND = 0.5  # quality of a pulse that is believed
LONGEST_S = 2.0  # between two pulses that belong together
REGULAR = 1.6  # longest over shortest interval
STEADY, SHRUNK = 1.25, 0.6  # longest over shortest interval, least over largest amplitude of pulses that don't change
SURE = 0.8

PARAMS = np.dtype(
    [
        ("fs_hz", "f8"),  # of the chain's samples
        ("bradycardia", "f8"),  # limits of the extreme alarms, per minute
        ("tachycardia", "f8"),
        ("ventricular", "f8"),  # least rate of a ventricular tachycardia
    ],
    align=True,
)

PULSES = np.dtype(
    [
        ("t", "f8", (N_PULSES,)),  # ring
        ("quality", "f8", (N_PULSES,)),
        ("amplitude", "f8", (N_PULSES,)),
        ("n", "i8"),  # pulses so far
    ],
    align=True,
)

STATE = np.dtype([("each", PULSES, (N_WITNESSES,))], align=True)


@kernel
def take(state: np.void, row: np.void) -> None:
    """Take a finding of a witness, whose number is its slot, from 1."""
    if row["what"] == finding.BEAT and row["code"] == codes.PULSE and row["slot"] <= N_WITNESSES:
        pulses = state["each"][row["slot"] - 1]
        at = pulses["n"] % N_PULSES
        pulses["t"][at] = row["t"]
        pulses["quality"][at] = row["quality"]
        pulses["amplitude"][at] = row["body"][finding.AMPLITUDE]
        pulses["n"] += 1


@kernel
def regular(
    params: np.void, pulses: np.void, most: int, sound: float, since: float, t: float
) -> tuple[int, float, bool]:
    """Count the newest pulses of a sound quality that follow one another regularly, up to `most` and back to `since`.

    Gives also their rate per minute, and whether neither their intervals nor their amplitudes change much.
    """
    count = 0
    newest = after = t
    shortest, longest = np.inf, 0.0
    smallest, largest = np.inf, 0.0
    for k in range(min(pulses["n"], N_PULSES)):
        at = (pulses["n"] - 1 - k) % N_PULSES
        interval_s = (after - pulses["t"][at]) / params["fs_hz"]
        if pulses["quality"][at] < sound or interval_s > LONGEST_S or pulses["t"][at] < since:
            break
        if count > 0:
            if max(longest, interval_s) > REGULAR * min(shortest, interval_s):
                break
            shortest = min(shortest, interval_s)
            longest = max(longest, interval_s)
        else:
            newest = pulses["t"][at]
        amplitude = pulses["amplitude"][at]
        if amplitude < smallest:
            smallest = amplitude
        if amplitude > largest:
            largest = amplitude
        after = pulses["t"][at]
        count += 1
        if count == most:
            break
    rate = 60.0 * params["fs_hz"] * (count - 1) / (newest - after) if count > 1 else np.nan
    return count, rate, longest <= STEADY * shortest and smallest >= SHRUNK * largest


@kernel
def contradicts(params: np.void, state: np.void, code: int, since: float, t: float) -> bool:
    """Tell whether a witness says at time t that what a code names, and what is seen since a time, is not so."""
    for k in range(N_WITNESSES):
        pulses = state["each"][k]
        no = False
        if code in (codes.ASYSTOLE, codes.PAUSE):
            no = regular(params, pulses, 3, SOUND, -np.inf, t)[0] == 3
        elif code == codes.VENTRICULAR_FIBRILLATION:
            no = regular(params, pulses, 4, SOUND, -np.inf, t)[0] == 4
        elif code == codes.VENTRICULAR_TACHYCARDIA:
            count, rate, steady = regular(params, pulses, 6, SOUND, since, t)
            no = count == 6 and (steady or rate < params["ventricular"])
        elif code == codes.EXTREME_BRADYCARDIA:
            count, rate, _ = regular(params, pulses, 5, SOUND, -np.inf, t)
            no = count == 5 and rate > 1.2 * params["bradycardia"]
        elif code == codes.EXTREME_TACHYCARDIA:  # at which pulses may well be missing: only the best are believed
            count, rate, _ = regular(params, pulses, 10, SURE, -np.inf, t)
            no = count == 10 and rate < 0.7 * params["tachycardia"]
        if no:
            return True
    return False
