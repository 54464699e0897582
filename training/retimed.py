"""Put P waves and complexes of real beats into rhythms that a few recordings can't show, with their truth.

Sinus rhythm that wanders, speeds up, slows down and pauses; early atrial beats, alone, in pairs, bigeminy and runs; a
sick sinus node between atrial runs; junctional rhythm; atrial fibrillation; ventricular beats in all usual patterns.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Random = np.random.Generator
Plan = list[tuple[float, str, str, float]]  # interval before it in s, class, P wave, how much slower its complex is

BEFORE_S, P_END_S = 0.26, 0.085  # before R
N_BEATS = 160


@dataclass(frozen=True, eq=False)
class Retimed:
    """Hold a recording that was made: samples [n, n_leads], R times in samples, class letters."""

    name: str
    signal: Array
    t: Array
    labels: NDArray[np.str_]


def pieces(
    signal: Array, fs_hz: float, t: Array, labels: NDArray[np.str_], rng: Random
) -> tuple[list[Array], list[Array]]:
    """Cut normal beats between normal ones and lone ventricular ones out of a recording, from BEFORE_S before R on."""
    normal: list[Array] = []
    ventricular: list[Array] = []
    rr = np.diff(t) / fs_hz
    for i in range(1, len(t) - 1):
        end = min(0.50, rr[i] - 0.27)
        plain = labels[i - 1] == labels[i] == labels[i + 1] == "N" and 0.45 < rr[i - 1] < 1.6
        lone = labels[i] == "V" != labels[i - 1]
        a, b = round(t[i] - BEFORE_S * fs_hz), round(t[i] + end * fs_hz)
        if end < 0.3 or a < 0 or b > len(signal) or not (plain or lone):
            continue
        piece = signal[a:b]
        first, last = piece[:7].mean(axis=0), piece[-7:].mean(axis=0)
        piece = piece - (first + (last - first) * np.linspace(0, 1, len(piece))[:, None])
        if np.abs(piece).max() < 6:
            (normal if plain else ventricular).append(piece)
    some = [normal[i] for i in rng.permutation(len(normal))[:250]]
    return some, [ventricular[i] for i in rng.permutation(len(ventricular))[:100]]


def stretched(piece: Array, factor: float) -> Array:
    """Return a piece that lasts longer or shorter."""
    at = np.linspace(0, len(piece) - 1, max(4, round(len(piece) * factor)))
    return np.column_stack([np.interp(at, np.arange(len(piece)), lead) for lead in piece.T])


def tapered(piece: Array, rise: int, fall: int) -> Array:
    """Return a piece that begins and ends with nothing."""
    window = np.ones(len(piece))
    window[:rise] = np.linspace(0, 1, rise + 2)[1:-1]
    window[len(piece) - fall :] *= np.linspace(1, 0, fall + 2)[1:-1]
    return piece * window[:, None]


def put(signal: Array, at: float, piece: Array) -> None:
    """Add a piece to a signal at a time between two samples."""
    i = int(at)
    if i >= 0 and i + len(piece) + 1 < len(signal):
        signal[i : i + len(piece)] += piece * (1 - at + i)
        signal[i + 1 : i + 1 + len(piece)] += piece * (at - i)


def compose(
    plan: Plan, normal: list[Array], ventricular: list[Array], fs_hz: float, rng: Random
) -> tuple[Array, Array]:
    """Put pieces together as planned; returns samples and R times in samples."""
    times = 3.0 + np.cumsum([beat[0] for beat in plan])
    n_leads = normal[0].shape[1]
    signal = np.zeros((int((times[-1] + 4) * fs_hz), n_leads))
    before, p_end = int(BEFORE_S * fs_hz), int(P_END_S * fs_hz)
    p_len = before - p_end
    size = rng.uniform(-1.2, 1.2, n_leads)  # of another P wave
    shift = rng.uniform(-0.04, 0.05) * fs_hz
    for (rr, kind, p_wave, slower), time in zip(plan, times, strict=True):
        pool = ventricular if kind == "V" else normal
        piece = pool[rng.integers(len(pool))]
        at = time * fs_hz
        if kind == "V":
            put(signal, at - p_end - 20, tapered(piece[p_len - 20 :], 12, 10))
            continue
        qrs_t = tapered(piece[p_len:], 8, 10)
        lead_in = p_end
        if slower > 0:
            end = p_end + int(0.09 * fs_hz)
            qrs_t = np.vstack([stretched(qrs_t[:end], 1 + slower), qrs_t[end:]])
            lead_in = int(p_end * (1 + slower))
        end = lead_in + int(0.1 * fs_hz)
        shorter = np.clip((rr / 0.9) ** 0.35, 0.65, 1.15)
        put(signal, at - lead_in, np.vstack([qrs_t[:end], stretched(qrs_t[end:], shorter)]))
        p, move = tapered(piece[: p_len + 8], 8, 8), 0.0
        if p_wave == "none":
            continue
        if p_wave == "other":
            p, move = stretched(p * size, 0.85), shift + 0.15 * len(p)
        elif p_wave == "retrograde":
            p, move = -0.8 * p * np.abs(size), 0.06 * fs_hz
        elif p_wave == "similar":
            p, move = p * (0.7 + 0.3 * size), 0.5 * shift
        put(signal, at - before + move - (lead_in - p_end), p)
    return signal, times * fs_hz


def sinus(rng: Random, base_s: float, depth: float) -> Iterator[tuple[float, str, str, float]]:
    """Give normal beats without end, which breathe."""
    pace, phase = 2 * np.pi / rng.uniform(4, 9), rng.uniform(0, 6)
    i = 0
    while True:
        i += 1
        yield base_s * (1 + depth * np.sin(pace * i + phase) + 0.015 * rng.normal()), "N", "own", 0.0


def some(beats: Iterator[tuple[float, str, str, float]], n: int | np.integer[Any]) -> Plan:
    """Take n beats."""
    return [next(beats) for _ in range(int(n))]


def repeated(part: Callable[[], Plan]) -> Plan:
    """Fill a recording with parts."""
    plan: Plan = []
    while len(plan) < N_BEATS:
        plan += part()
    return plan[:N_BEATS]


def sick_sinus(rng: Random) -> Plan:
    """Plan a slow sinus between atrial runs with pauses after them."""
    base = rng.uniform(0.9, 1.5)
    run = rng.uniform(0.5, 0.8) * base
    beats, p_wave = sinus(rng, base, 0.05), str(rng.choice(["other", "similar", "own"]))
    length, rare = rng.choice([2, 4, 8]), rng.choice([0.7, 0.2])

    def part() -> Plan:
        rr = run * rng.uniform(0.85, 1.15)
        plan = some(beats, rng.geometric(rare))
        plan += [(rr * (1 + 0.05 * rng.normal()), "S", p_wave, 0.0) for _ in range(1 + rng.geometric(1 / length))]
        return [*plan, (max(base * rng.uniform(0.95, 1.2), rr * rng.uniform(1.3, 2.6)), "N", "own", 0.0)]

    return repeated(part)


def atrial(rng: Random) -> Plan:
    """Plan early atrial beats, alone and in pairs, some with aberrant conduction."""
    base = rng.uniform(0.6, 1.1)
    beats = sinus(rng, base, rng.uniform(0.01, 0.06))
    p_wave = str(rng.choice(["other", "similar", "own", "none"], p=[0.4, 0.25, 0.2, 0.15]))

    def part() -> Plan:
        early = base * rng.uniform(0.5, 0.85)
        plan = some(beats, rng.integers(2, 18))
        plan.append((early, "S", p_wave, rng.uniform(0.3, 0.7) if rng.uniform() < 0.12 else 0.0))
        if rng.uniform() < 0.2:
            plan.append((early * rng.uniform(0.9, 1.1), "S", p_wave, 0.0))
        return [*plan, (base * rng.uniform(1.0, 1.25), "N", "own", 0.0)]

    return repeated(part)


def atrial_runs(rng: Random) -> Plan:
    """Plan supraventricular tachycardia that comes and goes at once."""
    base = rng.uniform(0.6, 1.0)
    beats, fast = sinus(rng, base, 0.03), base * rng.uniform(0.5, 0.72)
    p_wave = str(rng.choice(["other", "similar", "own"]))

    def part() -> Plan:
        rr, jitter = max(0.3, fast * rng.uniform(0.92, 1.08)), rng.uniform(0.01, 0.04)
        plan = some(beats, rng.integers(10, 40))
        plan += [(rr * (1 + jitter * rng.normal()), "S", p_wave, 0.0) for _ in range(rng.choice([3, 5, 10, 25, 50]))]
        return [*plan, (base * rng.uniform(1.0, 1.3), "N", "own", 0.0)]

    return repeated(part)


def atrial_bigeminy(rng: Random) -> Plan:
    """Plan each second, third or fourth beat as an early atrial one for a while."""
    base, early, each = rng.uniform(0.6, 1.0), rng.uniform(0.55, 0.8), rng.integers(0, 3)
    beats, p_wave = sinus(rng, base, 0.03), str(rng.choice(["other", "similar", "own"]))

    def part() -> Plan:
        plan = some(beats, rng.integers(3, 12))
        for _ in range(rng.integers(3, 15)):
            plan.append((base * early * (1 + 0.03 * rng.normal()), "S", p_wave, 0.0))
            plan += [(base * rng.uniform(1.05, 1.2), "N", "own", 0.0), *some(beats, each)]
        return plan

    return repeated(part)


def fibrillation(rng: Random) -> Plan:
    """Plan irregular beats without P waves, with a few ventricular ones."""
    base, spread = rng.uniform(0.5, 0.95), rng.uniform(0.12, 0.28)
    plan: Plan = []
    for _ in range(N_BEATS):
        rr = max(0.3, base * np.exp(spread * rng.normal() - spread**2 / 2))
        plan.append((rr, "V" if rng.uniform() < 0.03 else "N", "none", 0.0))
    return plan


def sinus_arrhythmia(rng: Random) -> Plan:
    """Plan normal beats that breathe deeply."""
    return some(sinus(rng, rng.uniform(0.65, 1.2), rng.uniform(0.1, 0.2)), N_BEATS)


def changing_rate(rng: Random) -> Plan:
    """Plan a sinus that speeds up and slows down within some beats, and misses one now and then."""
    slow, fast = rng.uniform(0.8, 1.1), rng.uniform(0.45, 0.65)
    rr = slow
    plan: Plan = []
    while len(plan) < N_BEATS:
        goal = rng.choice([slow, fast])
        for _ in range(rng.integers(15, 40)):
            rr += (goal - rr) * 0.06
            plan.append((rr * (1 + 0.012 * rng.normal()) * (1.9 if rng.uniform() < 0.02 else 1.0), "N", "own", 0.0))
    return plan[:N_BEATS]


def junctional(rng: Random) -> Plan:
    """Plan escape beats and rhythms of the junction."""
    base = rng.uniform(0.7, 1.1)
    beats, p_wave = sinus(rng, base, 0.04), str(rng.choice(["none", "retrograde"]))
    escape = base * rng.uniform(0.95, 1.5)

    def part() -> Plan:
        plan = some(beats, rng.integers(8, 30))
        n = rng.choice([1, 1, 2, 6, 15, 30])
        return plan + [(escape * (1 + 0.015 * rng.normal()), "S", p_wave, 0.0) for _ in range(n)]

    return repeated(part)


def ventricular(rng: Random) -> Plan:
    """Plan ventricular beats: with a pause after them, between two normal ones, in pairs, runs and bigeminy."""
    base = rng.uniform(0.6, 1.0)
    beats = sinus(rng, base, 0.04)

    def part() -> Plan:
        plan = some(beats, rng.integers(1, 9))
        kind, early = rng.uniform(), rng.uniform(0.5, 0.9)
        v = (base * early, "V", "none", 0.0)
        normal = (base * rng.uniform(1.0, 1.5), "N", "own", 0.0)
        if kind < 0.6:
            return [*plan, v, (base * (2 - early), "N", "own", 0.0)]
        if kind < 0.75:
            return [*plan, v, (base * rng.uniform(0.45, 0.8), "V", "none", 0.0), normal]
        if kind < 0.85:
            return [*plan, (base * 0.52, "V", "none", 0.0), (base * 0.55, "N", "own", 0.0)]
        if kind < 0.93:
            n = rng.integers(2, 12)
            return [*plan, v, *((base * rng.uniform(0.5, 0.9), "V", "none", 0.0) for _ in range(n)), normal]
        for _ in range(rng.integers(4, 12)):
            plan += [v, (base * (2 - early) * rng.uniform(0.95, 1.05), "N", "own", 0.0)]
        return plan

    return repeated(part)


RHYTHMS: tuple[Callable[[Random], Plan], ...] = (
    sick_sinus, sick_sinus, atrial, atrial, atrial_runs, atrial_runs, atrial_bigeminy, fibrillation, sinus_arrhythmia,
    changing_rate, junctional, ventricular,
)  # fmt: skip


def retimed(
    signal: Array,
    fs_hz: float,
    t: Array,
    labels: NDArray[np.str_],
    foreign: list[Array],
    noises: list[Array],
    seed: int,
) -> Iterator[Retimed]:
    """Make a recording of each rhythm out of the beats of one; none where it has too few normal ones.

    foreign : ventricular pieces of another recording, for one without
    noises  : recordings of noise alone, as many leads
    """
    rng = np.random.default_rng(seed)
    normal, own = pieces(signal, fs_hz, t, labels, rng)
    if len(normal) < 30:
        return
    if len(own) < 5:
        n_leads = signal.shape[1]
        own = [piece * rng.choice([-1, 1], n_leads) * rng.uniform(0.7, 1.3, n_leads) for piece in foreign]
    for rhythm in RHYTHMS:
        plan = rhythm(rng)
        x, times = compose(plan, normal, own, fs_hz, rng)
        size = np.percentile(np.abs(x), 99)
        noise = noises[rng.integers(len(noises))]
        at = rng.integers(0, len(noise) - len(x))
        x += noise[at : at + len(x)] / noise.std(axis=0) * size * rng.choice([0.006, 0.015, 0.03, 0.06])
        if rhythm is fibrillation:
            s = np.arange(len(x)) / fs_hz
            wave = np.sin(2 * np.pi * (rng.uniform(4.5, 8) * s + 0.3 * np.sin(0.8 * np.pi * s)))
            x += wave[:, None] * size * rng.uniform(0.002, 0.06, x.shape[1])
        yield Retimed(
            rhythm.__name__, x, times + 0.002 * fs_hz * rng.normal(size=len(times)), np.array([b[1] for b in plan])
        )
