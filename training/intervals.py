"""Series of intervals for the training of atrial fibrillation: recordings, and heart rhythms made up."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import wfdb
from numpy.typing import NDArray
from scipy.io import loadmat

from vitalcore.fixtures.ecg_signals import beats as find_beats
from vitalcore.operators.ecg import RPeaks
from vitalcore.scoring import annotations

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
OTHER, FIBRILLATION, LEFT_OUT = 0, 1, -1


class Series(NamedTuple):
    """Hold the beats of one subject.

    weight : of a record among the others
    group  : what is left out together in cross-validation
    """

    name: str
    group: str
    t_s: Array
    ventricular: Flags
    label: NDArray[np.int64]
    weight: float


def mitdb(folder: Path) -> Iterator[Series]:
    """Read the reference beats of the MIT-BIH Arrhythmia Database; flutter is left out."""
    for path in sorted((folder / "mitdb").glob("*.atr")):
        marks = annotations.read(path.with_suffix(""), "atr")
        label = np.zeros(len(marks.t_s), np.int64)
        for name, value in (("AF", FIBRILLATION), ("AFL", LEFT_OUT)):
            for a, b in marks.episodes.get(name, ()):
                label[(marks.t_s >= a) & (marks.t_s < b)] = value
        yield Series(f"mitdb {path.stem}", path.stem, marks.t_s, np.isin(marks.symbols, ["V", "E", "!"]), label, 1.0)


def afdb(folder: Path) -> Iterator[Series]:
    """Read the beat times of MIT-BIH AF Database records."""
    for path in sorted((folder / "afdb_rr").glob("*.mat")):
        record = loadmat(path)
        t_s = record["qrs"].ravel() / 250.0
        label = record["targetsQRS"].ravel()[: len(t_s)].astype(np.int64)
        yield Series(f"afdb {path.stem}", path.stem, t_s, np.zeros(len(t_s), bool), label, 1.0)


def cinc2017(folder: Path) -> Iterator[Series]:
    """Find the beats of the short records of the CinC 2017 challenge; the noisy ones are left out."""
    with (folder / "cinc2017" / "REFERENCE.csv").open(encoding="utf-8") as file:
        reference = dict(csv.reader(file))
    for k, (name, letter) in enumerate(sorted(reference.items())):
        if letter in "NOA":
            record = wfdb.rdrecord(str(folder / "cinc2017" / name))
            found: Any = find_beats(record.p_signal[:, :1], record.fs, RPeaks())
            t_s = found["t"][2:] / record.fs
            label = np.full(len(t_s), FIBRILLATION if letter == "A" else OTHER)
            yield Series(f"cinc2017 {name}", f"c{k % 6}", t_s, np.zeros(len(t_s), bool), label, 0.5)


def drift(rng: np.random.Generator, n: int, memory: float, sd: float) -> Array:
    """Make a first-order autoregressive series."""
    x = np.zeros(n)
    noise = rng.normal(size=n) * sd * np.sqrt(1 - memory**2)
    for i in range(1, n):
        x[i] = memory * x[i - 1] + noise[i]
    return x


def sinus(rng: np.random.Generator, n: int) -> Array:
    """Make intervals that follow breathing and a slow drift."""
    mean = 60 / rng.uniform(45, 120)
    breathing, pace, phase = rng.choice([0.01, 0.03, 0.06, 0.1, 0.15]), rng.uniform(0.12, 0.35), rng.uniform(0, 6)
    slow = drift(rng, n, 0.97, 0.04) + rng.choice([0.005, 0.01, 0.02]) * rng.normal(size=n)
    rr, t = np.empty(n), 0.0
    for i in range(n):
        rr[i] = mean * (1 + breathing * np.sin(2 * np.pi * pace * t + phase) + slow[i])
        t += rr[i]
    return rr


def fibrillation(rng: np.random.Generator, n: int) -> tuple[Array, Flags]:
    """Make independent intervals above a shortest one, some ended early by a ventricular beat, labelled or not."""
    mean = 60 / rng.uniform(50, 150)
    sd = mean * rng.uniform(0.12, 0.30)
    least = max(0.24, 0.45 * mean)
    rr = least + rng.gamma(((mean - least) / sd) ** 2, sd**2 / (mean - least), n)
    rr *= np.exp(drift(rng, n, 0.97, 0.08))
    ventricular = rng.random(n) < rng.choice([0.0, 0.03, 0.1])
    rr[ventricular] = np.minimum(rr[ventricular], mean * rng.uniform(0.5, 0.8))
    return rr, ventricular & bool(rng.random() < 0.5)


def early_beats(rng: np.random.Generator, n: int, every: int, ventricular: bool) -> tuple[Array, Flags]:
    """Make a sinus rhythm with early beats, at random (0) or each 2nd, 3rd or 4th one."""
    rr = sinus(rng, n)
    flags = np.zeros(n, bool)
    odds = rng.choice([0.03, 0.1, 0.2, 0.3]) if every == 0 else 1 - rng.choice([0.0, 0.1, 0.2])
    coupling, varies = rng.uniform(0.5, 0.85), rng.choice([0.01, 0.04, 0.1])
    full = ventricular or rng.random() < 0.3
    i = 1
    while i < n - 1:
        if rng.random() < odds:
            usual = rr[i]
            rr[i] = usual * np.clip(coupling + varies * rng.normal(), 0.35, 0.95)
            rr[i + 1] = 2 * usual - rr[i] if full else usual * rng.uniform(0.98, 1.1)
            flags[i] = ventricular and rng.random() < 0.9
            i += 1
        i += max(1, every - 1)
    return rr, flags


def bursts(rng: np.random.Generator, n: int) -> tuple[Array, Flags]:
    """Make a sinus rhythm with short atrial tachycardias."""
    rr = sinus(rng, n)
    i = 5
    while i < n - 20:
        length = int(rng.integers(3, 15))
        rr[i : i + length] = 60 / rng.uniform(110, 180) * (1 + 0.05 * rng.normal(size=length))
        i += length + int(rng.integers(4, 30))
    return rr, np.zeros(n, bool)


def wenckebach(rng: np.random.Generator, n: int) -> tuple[Array, Flags]:
    """Make a sinus rhythm in which each 3rd to 5th beat is not conducted."""
    rr = sinus(rng, n)
    k = int(rng.integers(3, 6))
    for i in range(0, n - k, k):
        rr[i : i + k] *= 1 - np.linspace(0, 0.12, k)
        rr[i + k - 1] *= rng.uniform(1.4, 1.8)
    return rr, np.zeros(n, bool)


def misread(rng: np.random.Generator, n: int) -> tuple[Array, Flags]:
    """Make a sinus rhythm in which beats are missed and others invented."""
    odds = rng.choice([0.02, 0.05])
    out: list[float] = []
    for interval in sinus(rng, n):
        chance = rng.random()
        if chance < odds and out:
            out[-1] += interval
        elif chance < 2 * odds:
            early = interval * rng.uniform(0.3, 0.7)
            out += [early, interval - early]
        else:
            out.append(interval)
    return np.array(out), np.zeros(len(out), bool)


def made_up(rng: np.random.Generator) -> Iterator[Series]:
    """Make up rhythms of all kinds, 300 beats each."""
    n = 300
    kinds: dict[str, tuple[int, Callable[[], tuple[Array, Flags]]]] = {
        "fibrillation": (150, lambda: fibrillation(rng, n)),
        "sinus": (40, lambda: (sinus(rng, n), np.zeros(n, bool))),
        "atrial beats": (60, lambda: early_beats(rng, n, 0, False)),
        "ventricular beats": (30, lambda: early_beats(rng, n, 0, True)),
        "bigeminy": (20, lambda: early_beats(rng, n, 2, bool(rng.random() < 0.5))),
        "trigeminy": (20, lambda: early_beats(rng, n, 3, bool(rng.random() < 0.5))),
        "quadrigeminy": (15, lambda: early_beats(rng, n, 4, bool(rng.random() < 0.5))),
        "bursts": (20, lambda: bursts(rng, n)),
        "wenckebach": (15, lambda: wenckebach(rng, n)),
        "misread": (20, lambda: misread(rng, n)),
    }
    for kind, (count, make) in kinds.items():
        for _ in range(count):
            rr, ventricular = make()
            label = np.full(len(rr) + 1, FIBRILLATION if kind == "fibrillation" else OTHER)
            t_s = np.concatenate([[0.0], np.cumsum(rr)])
            yield Series(kind, "", t_s, np.concatenate([[False], ventricular]), label, 0.5)
