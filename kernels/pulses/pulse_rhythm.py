"""What the next pulse is expected to look like: how large, when, and what may follow it that is no pulse.

The dicrotic wave is the rub. Mostly it is far smaller than its pulse, but behind a sensor with its own high-pass it
rises half as high, as a weak early beat may elsewhere. What tells them apart is that the wave follows every pulse: so
the largest rise soon after each is remembered, said or not, and an early pulse must be larger than those.
"""

import numpy as np

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.core.order import median

N = 7  # pulses remembered
SHORTEST_S = 0.15  # 400 /min
LONGEST_S = 4.5  # 13 /min
HUGE = 4.0  # times the expected rise: an artefact unless a second one follows
ANOTHER = 0.7  # slack below which nothing has come for so long that what comes now is another signal
EARLY = 0.6  # of an interval
WEAK = 0.8  # of the expected rise

RHYTHM = np.dtype(
    [
        ("at", "i8"),  # the last pulse, or the beginning
        ("interval", "f8"),  # expected, in samples; 0: not known
        ("slack", "f8"),  # 1, less when a pulse is overdue
        ("rises", "f8", (N,)),
        ("heights", "f8", (N,)),
        ("n_rises", "i8"),
        ("rise", "f8"),  # expected
        ("height", "f8"),
        ("huge", "f8"),  # the last rise too large to believe
        ("intervals", "f8", (N,)),
        ("n_intervals", "i8"),
        ("echoes", "f8", (N,)),
        ("n_echoes", "i8"),
        ("echo", "f8"),  # expected: the largest rise soon after a pulse, relative to the pulse's
        ("echo_now", "f8"),  # since the anchor
        ("anchor", "f8"),  # the last pulse that was not both weak and early; NaN: none since the last gap
        ("anchor_rise", "f8"),
        ("last", "f8"),  # likewise, exactly; NaN: none since the last gap
        ("last_rise", "f8"),
        ("last_interval", "f8"),
        ("n_early", "i8"),  # weak early pulses in a row
        ("n_pairs", "i8"),  # pairs of a strong and a weak early one in a row
    ],
    align=True,
)


@kernel
def restart(r: np.void, n: int) -> None:
    """Begin anew at sample n: no pulse before; what pulses look like is kept."""
    r["at"] = n
    r["last"] = r["anchor"] = np.nan
    r["echo_now"] = 0.0
    r["n_early"] = r["n_pairs"] = 0
    r["slack"] = 1.0


@kernel
def forget(r: np.void) -> None:
    """Unlearn size and rhythm."""
    r["n_rises"] = r["n_intervals"] = r["n_echoes"] = 0
    r["rise"] = r["height"] = r["interval"] = r["echo"] = r["last_rise"] = r["last_interval"] = 0.0


@kernel
def bar(r: np.void, fs_hz: float, at: int) -> float:
    """Give how large a rise that tops at a sample must be, relative to the expected one."""
    since = at - r["at"]
    if r["interval"] == 0.0:
        return 0.7 if since < 0.6 * fs_hz and r["last"] == r["last"] else 0.5 * r["slack"]
    u = since / r["interval"]
    if u >= 1.0:
        return 0.22 * r["slack"]
    weak = max(min(r["last_rise"] / r["rise"], 1.0), 0.4)  # a weak pulse has a weak dicrotic wave
    early = 0.7 if r["n_echoes"] < 3 else min(max(0.45, 1.5 * r["echo"] + 0.05), 0.9)
    if u >= EARLY:
        return 0.22 + (early - 0.22) * (1.0 - u) / (1.0 - EARLY)
    return max(early, min(0.85, 1.35 - 2.0 * u)) * weak


@kernel
def accept(r: np.void, fs_hz: float, at: int, rise: float) -> bool:
    """Judge a rise that tops at a sample."""
    since = at - r["at"]
    if r["last"] == r["last"] and since < SHORTEST_S * fs_hz:
        return False
    if r["anchor"] == r["anchor"] and at - r["anchor"] < EARLY * r["interval"]:
        r["echo_now"] = max(r["echo_now"], rise / r["anchor_rise"])
    if r["n_rises"] >= 3 and rise > HUGE * r["rise"] and r["slack"] > 0.5:
        again = 0.5 * r["huge"] < rise < 2.0 * r["huge"]
        r["huge"] = rise
        if not again:
            return False
        r["n_rises"] = 0  # everything has become larger
    return rise > bar(r, fs_hz, at) * r["rise"]


@kernel
def learn_size(r: np.void, rise: float, height: float) -> None:
    """Learn from one pulse how large the next ones are."""
    if r["slack"] < ANOTHER:
        r["n_rises"] = 0
    k = r["n_rises"] % N
    r["rises"][k] = min(rise, 3.0 * r["rise"]) if r["n_rises"] >= 3 else rise
    r["heights"][k] = height
    r["n_rises"] += 1
    held = min(r["n_rises"], N)
    r["rise"] = median(r["rises"], held)
    if held < 5:  # the first may be a dicrotic wave
        for j in range(held):
            r["rise"] = max(r["rise"], r["rises"][j])
    r["height"] = median(r["heights"], held)


@kernel
def learn_interval(r: np.void, fs_hz: float, interval: float) -> None:
    """Learn from one interval, in samples, when the next pulse comes."""
    if not interval < LONGEST_S * fs_hz:
        return
    r["intervals"][r["n_intervals"] % N] = interval
    r["n_intervals"] += 1
    if r["n_intervals"] >= 3:
        r["interval"] = median(r["intervals"], min(r["n_intervals"], N))


@kernel
def take(r: np.void, fs_hz: float, at: int, t: float, rise: float, height: float, alike: bool) -> None:
    """Take the pulse that was said: at sample `at`, exactly at t.

    alike : its shape is that of the others; if not, nothing is learnt of its size
    """
    interval = t - r["last"]
    early = at - r["at"] < EARLY * r["interval"] and rise < WEAK * r["rise"] and r["n_early"] < 2
    if early:
        r["n_early"] += 1
    else:
        learn_interval(r, fs_hz, t - r["anchor"] if r["n_early"] <= 1 else interval)
        if alike:
            learn_size(r, rise, height)
        if r["anchor"] == r["anchor"]:
            r["echoes"][r["n_echoes"] % N] = r["echo_now"]
            r["n_echoes"] += 1
            r["echo"] = median(r["echoes"], min(r["n_echoes"], N))
        r["echo_now"] = 0.0
        r["anchor"], r["anchor_rise"] = t, rise
        r["n_early"] = 0
    # strong, weak, strong, weak, each weak one early: dicrotic waves have been taken for pulses
    if rise > 1.6 * r["last_rise"] and interval > r["last_interval"]:
        r["n_pairs"] += 1
    elif rise > 0.6 * r["last_rise"]:
        r["n_pairs"] = 0
    if r["n_pairs"] >= 3 and r["n_early"] == 0 and rise > 1.6 * r["last_rise"]:
        r["n_pairs"] = 0
        r["interval"] = r["intervals"][0] = r["intervals"][1] = r["intervals"][2] = interval + r["last_interval"]
        r["n_intervals"] = 3
        r["rises"][0] = r["rise"] = rise
        r["heights"][0] = r["height"] = height
        r["n_rises"] = 1
        r["echoes"][0] = r["echoes"][1] = r["echoes"][2] = r["echo"] = r["last_rise"] / rise
        r["n_echoes"] = 3
    r["at"], r["last"] = at, t
    r["last_rise"], r["last_interval"] = rise, interval
    r["slack"] = 1.0
