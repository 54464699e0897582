"""Train the forest of atrial fibrillation: python -m training.af [--cross-validate]."""

import argparse
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.accuracy.reading import data_folder
from training import forest
from training.intervals import FIBRILLATION, LEFT_OUT, OTHER, Series, afdb, cinc2017, made_up, mitdb
from vitalcore.kernels.rhythm import af

MOST = 1500  # windows of a record that count
KEEP = 0.15  # of the windows, which overlap


def windows(series: Series) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Measure the window that ends with each beat: features, time and label of the beat in its middle."""
    rr = np.concatenate([[np.nan], np.diff(series.t_s)])
    spoilt = series.ventricular | np.concatenate([[True], series.ventricular[:-1]])
    rr[spoilt | (rr < 0.2) | (rr > 3.0)] = np.nan
    scratch, x = np.empty(af.N_WINDOW), np.empty(af.N_FEATURES)
    features, times, labels = [], [], []
    for end in range(af.N_LEAST, len(rr) + 1):
        window = rr[max(0, end - af.N_WINDOW) : end]
        if af.measure(window, len(window), scratch, x):
            middle = end - len(window) + len(window) // 2
            features.append(x.copy())
            times.append(series.t_s[middle])
            labels.append(series.label[middle])
    return np.array(features).reshape(-1, af.N_FEATURES), np.array(times), np.array(labels, np.int64)


def episodes(odds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell where the kernel would be in an episode."""
    on = np.zeros(len(odds), bool)
    now, smooth = False, float(odds[0])
    for i, value in enumerate(odds):
        smooth += af.FOLLOW * (float(value) - smooth)
        now = smooth > (af.END if now else af.BEGIN)
        on[max(0, i - af.DELAY)] = now
    return on


def check(parts: Sequence[Any], rng: np.random.Generator) -> dict[str, str]:
    """Cross-validate by record: seconds of fibrillation found, missed and invented."""
    scores = {}
    groups = sorted({series.group for series, *_ in parts if series.group})
    for held in range(8):
        out = set(groups[held::8])
        model = train([part for part in parts if part[0].group not in out], rng)
        for series, x, t_s, y in parts:
            if series.group in out and len(x) and not series.name.startswith("cinc"):
                on = episodes(model.decision_function(x))
                length = np.minimum(np.diff(t_s, append=t_s[-1]), 3.0)
                right, missed, invented = (
                    float(length[hit & (y != LEFT_OUT)].sum())
                    for hit in (on & (y == FIBRILLATION), ~on & (y == FIBRILLATION), on & (y == OTHER))
                )
                if right + missed + invented > 0:
                    scores[series.name] = f"found {right:.0f} s, missed {missed:.0f} s, invented {invented:.0f} s"
                    print(series.name, scores[series.name], flush=True)
    return scores


def train(parts: Sequence[Any], rng: np.random.Generator) -> HistGradientBoostingClassifier:
    """Fit on a part of the windows of each record."""
    xs, ys, weights = [], [], []
    for series, x, _, y in parts:
        keep = (y != LEFT_OUT) & (rng.random(len(y)) < np.where(y == FIBRILLATION, 1.0, 600 / max(600, len(y))) * KEEP)
        if keep.any():
            xs.append(x[keep])
            ys.append(y[keep])
            weights.append(np.full(keep.sum(), series.weight * min(MOST, len(y)) / len(y)))
            weights[-1] *= np.where(ys[-1] == FIBRILLATION, 1.0, max(600, len(y)) / 600)
    return forest.balanced(np.concatenate(xs), np.concatenate(ys), np.concatenate(weights), 50)


def main() -> None:
    """Train, cross-validate and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cross-validate", action="store_true", help="cross-validate only")
    only = parser.parse_args().cross_validate
    folder = data_folder()
    rng = np.random.default_rng(7)
    series = [*mitdb(folder), *afdb(folder), *cinc2017(folder), *made_up(rng)]
    parts = [(each, *windows(each)) for each in series if len(each.t_s) > af.N_LEAST]
    scores = check(parts, rng)
    if not only:
        provenance = {
            "script": "training/af.py",
            "date": date.today().isoformat(),
            "data": "MIT-BIH Arrhythmia Database (24 records), MIT-BIH AF Database (3), CinC 2017 (135), made up",
            "cross-validated by record": scores,
        }
        model = train(parts, rng)
        print(forest.write("af", af.FEATURES, forest.outputs(model, ["fibrillation"]), provenance))


if __name__ == "__main__":
    main()
