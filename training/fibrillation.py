"""Train the forest of ventricular fibrillation and tachycardia by their waves: python -m training.fibrillation."""

import argparse
import csv
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import wfdb
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.accuracy.reading import data_folder
from training import forest
from vitalcore.kernels.rhythm import fibrillation
from vitalcore.scoring import annotations

Array = NDArray[np.float64]
HZ = 1 / fibrillation.STEP_S
W = fibrillation.N_WINDOW
NO_ECG = ("PLETH", "ABP", "RESP", "ART", "CVP", "PAP", "ICP")
FOLDS = 6


class Windows(NamedTuple):
    """Hold windows of one lead: features, what they are (-1: mixed), when they end in s."""

    group: str
    x: Array
    y: NDArray[np.int64]
    end_s: Array


def grid(x: Array, fs_hz: float) -> Array:
    """Put a lead on the grid, as the tape does."""
    block = max(1, round(fs_hz / 250))
    n = len(x) // block
    means = np.nan_to_num(x[: n * block]).reshape(n, block).mean(axis=1)
    at = np.arange(int(len(x) * HZ / fs_hz)) / HZ * fs_hz
    return np.interp(at, np.arange(n) * block + (block - 1) / 2, means)


def windows(group: str, x: Array, ends: NDArray[np.int64], y: NDArray[np.int64]) -> Windows:
    """Measure the windows of a lead that end at these places."""
    out = np.empty((len(ends), fibrillation.N_FEATURES))
    scratch, plane = np.empty(W), np.empty(fibrillation.PLANE**2, np.int64)
    for k, end in enumerate(ends):
        fibrillation.measure(x[end - W : end].copy(), scratch, plane, True, out[k])
    return Windows(group, out, y, ends / HZ)


def labels(path: Path, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tell of each window whether at least 0.9 of it are fibrillation, flutter or tachycardia (1) or none (0)."""
    marks = annotations.read(path, "atr")
    share = np.zeros(len(ends))
    for kind in ("VT", "VF"):
        for a, b in marks.episodes.get(kind, ()):
            share += np.clip(np.minimum(b, ends / HZ) - np.maximum(a, (ends - W) / HZ), 0, None) * HZ / W
    return np.where(share > 0.9, 1, np.where(share < 0.1, 0, -1)).astype(np.int64)


def databases(folder: Path, noises: Sequence[Array], rng: np.random.Generator) -> Iterator[Windows]:
    """Read the annotated records, as they are and with noise added."""
    for name, every in (("vfdb", 1), ("mitdb", 4)):
        for header in sorted((folder / name).glob("*.hea")):
            path = header.with_suffix("")
            record = wfdb.rdrecord(str(path))
            for lead in range(2):
                x = grid(record.p_signal[:, lead], record.fs)
                ends = np.arange(W, len(x), 125)
                y = labels(path, ends)
                keep = (y > 0) | (np.arange(len(y)) % every == 0)
                yield windows(path.name, x, ends[keep], y[keep])
                spans = np.ptp(x[: len(x) // 125 * 125].reshape(-1, 125), axis=1)
                for snr_db in (6, 0, -6):
                    noise = np.roll(np.resize(noises[int(rng.integers(len(noises)))], len(x)), rng.integers(len(x)))
                    gain = np.median(spans) / np.sqrt(8) / 10 ** (snr_db / 20) / np.std(noise)
                    some = rng.random(len(y)) < 0.1
                    some &= (y == 0) | (snr_db == 6)
                    yield windows(path.name, x + gain * noise, ends[some], y[some])


def alarms(folder: Path) -> Iterator[Windows]:
    """Read what the monitors of the CinC 2015 challenge took for something: the last seconds before the alarm."""
    with (folder / "cinc2015" / "ALARMS").open(encoding="utf-8") as file:
        truth = {row[0]: row[2] == "1" for row in csv.reader(file)}
    for name, true in sorted(truth.items()):
        record = wfdb.rdrecord(str(folder / "cinc2015" / name))
        for lead, label in enumerate(record.sig_name):
            if not any(word in label.upper() for word in NO_ECG):
                x = grid(record.p_signal[: 300 * record.fs, lead], record.fs)
                ends = np.arange(W, len(x) + 1, 125)
                end_s = ends / HZ
                if name[0] in "fv" and true:
                    keep = end_s >= (296 if name[0] == "f" else 299)
                else:
                    keep = (end_s >= 290) | ((end_s % 10 < 1) & (name[0] != "f"))
                yield windows(name, x, ends[keep], np.full(keep.sum(), int(name[0] in "fv" and true)))


def noise_alone(folder: Path) -> dict[str, Array]:
    """Read the noises of the Noise Stress Test Database."""
    found = {}
    for name in ("em", "ma", "bw"):
        record = wfdb.rdrecord(str(folder / "nstdb" / name))
        for lead in range(2):
            found[f"{name}{lead}"] = grid(record.p_signal[:, lead], record.fs)
    return found


def sines(rng: np.random.Generator) -> Windows:
    """Make up regular waves as in monomorphic tachycardia and flutter, at 130 to 320 per minute."""
    t = np.arange(W) / HZ
    made = []
    for _ in range(150):
        phase = 2 * np.pi * (rng.uniform(2.2, 5.3) * t + rng.random())
        wave = np.sin(phase) + rng.uniform(0, 0.5) * np.sin(2 * phase + rng.uniform(0, 6))
        made.append(rng.uniform(0.4, 2) * wave + rng.uniform(0.005, 0.05) * rng.normal(size=W))
    return windows("sines", np.concatenate(made), np.arange(W, 151 * W, W), np.ones(150, np.int64))


def train(parts: Sequence[Windows]) -> HistGradientBoostingClassifier:
    """Fit the trees; each record counts by the root of its windows, both answers the same."""
    xs, ys, weights = [], [], []
    for part in parts:
        for value in (0, 1):
            keep = part.y == value
            if keep.any():
                xs.append(part.x[keep])
                ys.append(part.y[keep])
                weights.append(np.full(keep.sum(), keep.sum() ** -0.5))
    x, y, weight = np.concatenate(xs), np.concatenate(ys), np.concatenate(weights)
    return forest.balanced(x, y, weight, 60)


def check(parts: Sequence[Windows]) -> dict[str, str]:
    """Cross-validate by record: share of windows judged right, of those with and those without."""
    names = sorted({part.group for part in parts})
    right: dict[str, list[Any]] = {}
    for held in range(FOLDS):
        out = set(names[held::FOLDS])
        model = train([part for part in parts if part.group not in out])
        for part in parts:
            if part.group in out and len(part.y):
                hit = (model.decision_function(part.x) > 0) == (part.y == 1)
                right.setdefault(part.group, []).append((hit[part.y == 1], hit[part.y == 0]))
    scores = {}
    for name, pairs in right.items():
        with_, without = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
        scores[name] = f"{with_.sum()}/{len(with_)} {without.sum()}/{len(without)}"
        print(name, scores[name], flush=True)
    return scores


def main() -> None:
    """Train, cross-validate and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cross-validate", action="store_true", help="cross-validate only")
    only = parser.parse_args().cross_validate
    folder = data_folder()
    rng = np.random.default_rng(7)
    noises = noise_alone(folder)
    parts = [*databases(folder, list(noises.values())[:4], rng), *alarms(folder), sines(rng)]
    for name, x in noises.items():
        ends = np.arange(W, len(x), 250)
        parts.append(windows(name[:2], x, ends, np.zeros(len(ends), np.int64)))
    if not only:
        provenance = {
            "script": "training/fibrillation.py",
            "date": date.today().isoformat(),
            "data": "MIT-BIH Malignant Ventricular Ectopy (11 records), Arrhythmia (24), Noise Stress, CinC 2015 (98)",
            "cross-validated by record, windows right with and without": check(parts),
        }
        trees = forest.outputs(train(parts), ["fibrillation"])
        print(forest.write("fibrillation", fibrillation.FEATURES, trees, provenance))
        return
    check(parts)


if __name__ == "__main__":
    main()
