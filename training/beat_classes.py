"""Train the forests of beat classes on MIT-BIH DS1.

    python -m training.beat_classes [--data DIR] [--folds N] [--rounds N] [--cross-validate]

Each recording is run through the detector with its first, its second and both leads; rhythms that DS1 lacks are made of
its own beats (training.retimed), and the scenarios of vitalcore.fixtures are added. A first model learns with the true
classes as what was said before; with it all recordings are judged, each by a model that never saw it (the scenarios by
one that did), and the final models learn from that.
`--cross-validate` only prints how recordings are classed by models that never saw them.
"""

import argparse
import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.accuracy.reading import data_folder
from training import forest as files
from training.beat_walk import walk
from training.retimed import pieces, retimed
from vitalcore.findings import beats
from vitalcore.fixtures.scenarios import SCENARIOS
from vitalcore.kernels.beats import beat_class, beat_rhythm, beat_shape
from vitalcore.kernels.models import forest
from vitalcore.operators.ecg import RPeaks
from vitalcore.plan import Plan, source
from vitalcore.scoring.marks import BEATS, MAPS
from vitalcore.scoring.pairing import pair

Array = NDArray[np.float64]
# DS1 of P. de Chazal et al., IEEE Trans Biomed Eng 51(7), 2004
RECORDS = (
    *("101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122"),
    *("124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230"),
)
LEADS: Mapping[str, list[int]] = {"first": [0], "second": [1], "both": [0, 1]}
CLASSES = "NSVQ"  # Q: what was no beat
MOST = {"N": 300, "S": 200, "V": 250, "Q": 120}  # rows taken of one class of one recording
MOST_MADE = {"N": 40, "S": 40, "V": 30, "Q": 0}
WORTH = {"N": 300.0, "S": 150.0, "V": 150.0, "Q": 60.0}  # what all of them weigh at most
WORTH_MADE = 0.3
SKIPPED_S, WITHIN_S = 300.0, 0.15
SEEDS = range(101, 104)  # of scenarios; tests have others
DELAY_S = 0.26  # usual, of a beat that is said


@dataclass(eq=False)
class Run:
    """Hold the beats found in one recording, and what the last walk over them brought.

    missed : classes of the beats of the reference that were not found
    """

    record: str
    name: str
    made: bool
    signal: Array
    fs_hz: float
    t: Array
    t_known: Array
    interval_s: Array
    labels: NDArray[np.str_]
    counted: NDArray[np.bool_]
    missed: NDArray[np.str_]
    x: Array
    seen: NDArray[np.int64]
    scores: Array


def read(folder: Path, record: str, seed: int, noises: list[Array], foreign: list[Array]) -> list[Run]:
    """Read one recording, find its beats with each choice of leads, and make others of it."""
    signal = wfdb.rdrecord(str(folder / record))
    notes = wfdb.rdann(str(folder / record), "atr")
    fs_hz = float(signal.fs)
    to_class = MAPS["ec57"][1]
    rows = [k for k, s in enumerate(notes.symbol) if s in BEATS]
    true_t = np.array([notes.sample[k] for k in rows], float)
    true = np.array([to_class[notes.symbol[k]] for k in rows])
    begins = [t for t, s in zip(notes.sample, notes.symbol, strict=True) if s == "["]
    ends = [t for t, s in zip(notes.sample, notes.symbol, strict=True) if s == "]"]
    runs = []
    for name, leads in LEADS.items():
        x = np.ascontiguousarray(signal.p_signal[:, leads])
        node = source("ecg", fs_hz, len(leads), unit="mV") | RPeaks()
        found = beats(Plan(beats=node).run(ecg=x)["beats"])
        found = found[np.argsort(found["t"], kind="stable")]
        t = np.ascontiguousarray(found["t"])
        pairs = pair(true_t / fs_hz, t / fs_hz, WITHIN_S)
        labels = np.full(len(t), "Q")
        labels[pairs[:, 1]] = true[pairs[:, 0]]
        counted, expected = np.ones(len(t), bool), true_t >= SKIPPED_S * fs_hz
        for a, b in zip(begins, ends, strict=False):
            counted &= (t < a) | (t > b)
            expected &= (true_t < a) | (true_t > b)
        expected[pairs[:, 0]] = False
        interval = np.ascontiguousarray(found["interval_s"])
        runs.append(run(record, name, False, x, fs_hz, t, found["t_known"], interval, labels, counted, true[expected]))
    for made in retimed(signal.p_signal, fs_hz, true_t, true, foreign, noises, seed):
        interval = np.concatenate([[np.nan], np.diff(made.t) / fs_hz])
        everything = np.ones(len(made.t), bool)
        runs.append(
            run(
                record,
                made.name,
                True,
                made.signal,
                fs_hz,
                made.t,
                made.t + DELAY_S * fs_hz,
                interval,
                made.labels,
                everything,
                made.labels[:0],
            )
        )
    return runs


def simulated(name: str, seed: int) -> Run:
    """Make a scenario, with the beats where they are."""
    fs_hz = float(np.random.default_rng(seed).choice([250, 360, 500]))
    made = SCENARIOS[name].make(fs_hz=fs_hz, n_leads=2, seed=seed)
    rng = np.random.default_rng(seed)
    t = (made.r_s + 0.002 * rng.normal(size=len(made.beats))) * fs_hz
    labels = np.array([beat.label for beat in made.beats])
    counted = np.ones(len(t), bool)
    for a, b in (*made.fibrillation, *made.unusable, *made.shaky):
        counted &= (made.r_s < a - 0.3) | (made.r_s > b + 0.3)
    interval = np.concatenate([[np.nan], np.diff(t) / fs_hz])
    x = np.nan_to_num(made.x)
    return run(name, "simulated", True, x, fs_hz, t, t + DELAY_S * fs_hz, interval, labels, counted, labels[:0])


def run(
    record: str, name: str, made: bool, signal: Array, fs_hz: float, t: Array, t_known: Array, interval_s: Array,
    labels: NDArray[np.str_], counted: NDArray[np.bool_], missed: NDArray[np.str_],
) -> Run:  # fmt: skip
    """Walk over a recording with the truth."""
    rng = np.random.default_rng(len(t))
    doubt = rng.beta(1, 8, (2, len(t)))
    v = np.where(labels == "V", 1 - doubt[0], np.where(labels == "F", 0.5, 0.3 * doubt[0]))
    s = np.where(labels == "S", 1 - doubt[1], 0.3 * doubt[1])
    x, seen, scores = walk(signal, fs_hz, t, t_known, interval_s, (v, s), None)
    return Run(record, name, made, signal, fs_hz, t, t_known, interval_s, labels, counted, missed, x, seen, scores)


def table(runs: Iterable[Run], n_features: int) -> tuple[Array, NDArray[np.int64], Array]:
    """Gather features, classes and weights."""
    rng = np.random.default_rng(1)
    x, y, w = [], [], []
    for each in runs:
        most = MOST_MADE if each.made else MOST
        for lead in range(each.signal.shape[1]):
            for k, name in enumerate(CLASSES):
                rows = np.flatnonzero((each.seen[:, lead] == 1) & each.counted & (each.labels == name))
                worth = min(float(len(rows)), WORTH[name])
                rows = rng.permutation(rows)[: most[name]]
                x.append(each.x[rows, lead, :n_features])
                y.append(np.full(len(rows), k))
                w.append(np.full(len(rows), WORTH_MADE if each.made else worth / max(1, len(rows))))
    return np.vstack(x), np.concatenate(y), np.concatenate(w)


def fit(runs: Iterable[Run], n_features: int, n_rounds: int) -> HistGradientBoostingClassifier:
    """Train one model."""
    x, y, w = table(runs, n_features)
    model = HistGradientBoostingClassifier(
        max_iter=n_rounds, learning_rate=0.13, max_leaf_nodes=12, min_samples_leaf=25, l2_regularization=2.0,
        max_features=0.35, early_stopping=False, random_state=1,
    )  # fmt: skip
    return model.fit(x, y, sample_weight=w)


def trees(model: HistGradientBoostingClassifier) -> forest.Sieve:
    """Turn a model into what the kernels read."""
    return forest.sieve(forest.from_outputs(outputs(model)))


def outputs(model: HistGradientBoostingClassifier) -> list[dict[str, Any]]:
    """Spell a model with five digits a number; no feature of a beat is known so well."""
    spelled = files.outputs(model, CLASSES)
    for output in spelled:
        for tree in output["trees"]:
            tree["threshold"] = [float(f"{value:.5g}") for value in tree["threshold"]]
    return spelled


def judge(runs: Iterable[Run], models: Sequence[forest.Sieve]) -> None:
    """Walk over recordings with models."""
    for each in runs:
        each.x, each.seen, each.scores = walk(
            each.signal, each.fs_hz, each.t, each.t_known, each.interval_s, None, models
        )


def figures(runs: Iterable[Run], answer: int) -> dict[str, int]:
    """Count the pairs of true and said class of the first (0) or final (1) answer, the first 5 min skipped."""
    counts: dict[str, int] = {}
    for each in runs:
        rows = each.counted & (each.t >= SKIPPED_S * each.fs_hz)
        said = np.array(list(CLASSES))[np.argmax(each.scores[answer], axis=1)]
        said[each.seen.max(axis=1) == 0] = "Q"
        for true, test in zip(each.labels[rows], said[rows], strict=True):
            counts[true + test] = counts.get(true + test, 0) + 1
        for true in each.missed:
            counts[true + "-"] = counts.get(true + "-", 0) + 1
    return counts


def line(name: str, counts: Mapping[str, int]) -> str:
    """Say how well V and S were told: Se, +P, and beats right, missed, false."""
    parts = [f"{name:18}"]
    for kind, free in (("V", "F"), ("S", "")):
        right = counts.get(kind + kind, 0)
        true = sum(n for key, n in counts.items() if key[0] == kind)
        false = sum(n for key, n in counts.items() if key[1] == kind and key[0] not in kind + free)
        se, pp = 100 * right / max(true, 1), 100 * right / max(right + false, 1)
        parts.append(f"{kind} Se {se:5.1f} +P {pp:5.1f} ({right:4} right {true - right:4} missed {false:4} false)")
    return "  ".join(parts)


def show(runs: Sequence[Run], each_record: bool) -> None:
    """Print the gross figures, and those of each recording."""
    for name in LEADS:
        for answer, said in enumerate(("at once", "finally")):
            print(
                line(f"{name} {said}", figures([r for r in runs if r.name == name and not r.made], answer)), flush=True
            )
    if each_record:
        for record in RECORDS:
            for name in LEADS:
                mine = [r for r in runs if r.record == record and r.name == name]
                print(line(f"{record} {name}", figures(mine, 1)))


def feature_names() -> list[str]:
    """Name the features as the kernels do, in their order."""
    names = []
    for module, first, n in (
        (beat_shape, "FIT", beat_shape.N_SHAPE),
        (beat_rhythm, "OVER_MEDIAN", beat_rhythm.N_FIRST - beat_shape.N_SHAPE),
        (beat_shape, "T_FIT", beat_shape.N_AFTER_SHAPE),
        (beat_class, "NEXT_OVER_MEDIAN", beat_class.N_FINAL - beat_rhythm.N_FIRST - beat_shape.N_AFTER_SHAPE),
    ):
        known = list(vars(module))
        names += [name.lower() for name in known[known.index(first) :][:n]]
    return names


def main(arguments: Sequence[str] = ()) -> None:
    """Cross-validate, then train and write the models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--cross-validate", action="store_true")
    given = parser.parse_args(arguments or None)
    folder = given.data / "mitdb"
    noises = [wfdb.rdrecord(str(given.data / "nstdb" / name)).p_signal for name in ("bw", "ma", "em")]
    foreign: dict[str, list[Array]] = {}
    for record in ("208", "119"):
        notes = wfdb.rdann(str(folder / record), "atr")
        known = [k for k, s in enumerate(notes.symbol) if s in BEATS]
        labels = np.array([MAPS["ec57"][1][notes.symbol[k]] for k in known])
        signal = wfdb.rdrecord(str(folder / record)).p_signal
        t = notes.sample[known].astype(float)
        foreign[record] = pieces(signal, 360.0, t, labels, np.random.default_rng(0))[1]
    runs: dict[str, list[Run]] = {}
    for k, record in enumerate(RECORDS):
        runs[record] = read(folder, record, k, noises, foreign["208" if k % 2 else "119"])
    made = [simulated(name, seed) for name in SCENARIOS if not name.startswith("paced") for seed in SEEDS]
    made = [each for each in made if len(each.t) > 10]
    print("read", flush=True)
    folds = [RECORDS[k :: given.folds] for k in range(given.folds)]

    def others(fold: Sequence[str]) -> list[Run]:
        return [each for record in RECORDS if record not in fold for each in runs[record]] + made

    final, first = beat_class.N_FINAL, beat_rhythm.N_FIRST
    before = [trees(fit(others(fold), final, given.rounds)) for fold in folds]
    for fold, model in zip(folds, before, strict=True):
        for record in fold:
            judge(runs[record], (model, model))
    judge(made, (before[0], before[0]))
    print("judged once", flush=True)
    everything = others([])
    models = (
        (fit(everything, first, given.rounds), fit(everything, final, given.rounds))
        if not given.cross_validate
        else None
    )
    pairs = [(trees(fit(others(f), first, given.rounds)), trees(fit(others(f), final, given.rounds))) for f in folds]
    for fold, pair_of_models in zip(folds, pairs, strict=True):
        for record in fold:
            judge(runs[record], pair_of_models)
    everything = others([])
    show(everything, True)
    if models is not None:
        names = feature_names()
        provenance = {
            "data": "MIT-BIH Arrhythmia Database 1.0.0, noise of the MIT-BIH Noise Stress Test Database 1.0.0",
            "licence": "ODC-By 1.0, PhysioNet",
            "records": " ".join(RECORDS),
            "simulated": f"every scenario without a pacemaker, seeds {SEEDS.start} to {SEEDS.stop - 1}",
            "script": "training/beat_classes.py",
            "date": datetime.date.today().isoformat(),
            "cross_validated": [
                line(f"{name} {said}", figures([r for r in everything if r.name == name and not r.made], answer))
                for name in LEADS
                for answer, said in enumerate(("at once", "finally"))
            ],
        }
        for name, model, n in (("beat_first", models[0], first), ("beat_final", models[1], final)):
            print(files.write(name, names[:n], outputs(model), provenance))


if __name__ == "__main__":
    main()
