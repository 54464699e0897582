"""Episodes of AF, VT and VF: MIT-BIH, the malignant ventricular ectopy database, AF in short records of CinC 2017.

python -m benchmarks accuracy rhythm [--each] [RECORD ...]
"""

import csv
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from benchmarks.accuracy import reading
from benchmarks.sidebyside import table
from vitalcore.kernels.rhythm import af
from vitalcore.operators.ecg import Ecg
from vitalcore.scoring import annotations, episodes, records
from vitalcore.scoring.marks import Marks
from vitalcore.scoring.records import RecordScore, Rules
from vitalcore.scoring.spans import Span, merge

HEAD = ("", "episodes", "found", "Se %", "said", "right", "+P %", "duration Se %", "duration +P %", "minutes", "said")


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    given = reading.options(__doc__).parse_args(arguments)
    _episodes(given.data / "mitdb", "MIT-BIH, both leads, first 5 min skipped", 300.0, given)
    _episodes(given.data / "vfdb", "Malignant ventricular ectopy, both leads, whole records", 0.0, given)
    if not given.records:
        _intervals(given.data / "afdb_rr")
        _short(given.data / "cinc2017")


def _episodes(folder: Path, title: str, skip_s: float, given: Namespace) -> None:
    scores: list[RecordScore] = []
    for path in reading.progress(reading.records(folder, given.records), f"episodes, {folder.name}"):
        x, fs_hz = reading.signal(path)
        test = reading.ours(path.name, x, fs_hz, Ecg())
        scores.append(records.compare(annotations.read(path, "atr"), test, Rules(skip_s=skip_s), len(x) / fs_hz))
    if not scores:
        return
    rows = []
    for kind in episodes.COMPARED:
        if given.each:
            rows += [
                _row(f"{kind} {score.name}", score.episodes[kind])
                for score in scores
                if score.episodes[kind] != episodes.EpisodeScore()
            ]
        rows.append(_row(kind, records.gross(scores).episodes[kind]))
    table(f"Episodes, {title}, {len(scores)} records, gross", HEAD, [*rows, _BAR])


_BAR = ("bar: AF", "", "", "", "", "", "", "97", "97", "", "")


def _intervals(folder: Path) -> None:
    """Compare episodes of AF told from beat times alone: the database's own beats, no waves."""
    rows = []
    whole = episodes.EpisodeScore()
    for path in reading.progress(reading.records(folder, pattern="*.mat"), "AF from intervals"):
        read = loadmat(path.with_suffix(".mat"))
        fs_hz = float(read["Fs"].item())
        t_s = read["qrs"].ravel() / fs_hz
        bounds = [(sample / fs_hz, kind) for sample, kind in read["afBounds"].tolist()]
        ends = [*(at_s for at_s, _ in bounds[1:]), float(t_s[-1])]
        true = merge((at_s, end_s) for (at_s, kind), end_s in zip(bounds, ends, strict=True) if kind == 1)
        score = episodes.compare(_marks(t_s, true), _marks(t_s, fibrillation(t_s)), "AF", 0.0, float(t_s[-1]))
        rows.append(_row(str(read["recordName"].item()), score))
        whole += score
    if rows:
        table("Episodes of AF from intervals alone, MIT-BIH AF", HEAD, [*rows, _row("gross", whole), _BAR])


def _marks(t_s: NDArray[np.float64], spans: tuple[Span, ...]) -> Marks:
    return Marks("", t_s, np.full(len(t_s), "N"), episodes={"AF": spans})


def fibrillation(t_s: NDArray[np.float64]) -> tuple[Span, ...]:
    """Tell the episodes that our rule finds in the times of beats."""
    state = np.zeros(1, af.STATE)
    af.begin(state[0])
    found: list[Span] = []
    on = False
    for at_s, interval_s in zip(t_s, np.diff(t_s, prepend=np.nan), strict=True):
        af.beat(state[0], at_s, interval_s)
        if on and not state[0]["on"]:
            found.append((float(state[0]["onset"]), float(state[0]["end"])))
        on = bool(state[0]["on"])
    if on:
        found.append((float(state[0]["onset"]), float(t_s[-1])))
    return merge(found)


def _row(name: str, score: episodes.EpisodeScore) -> tuple[object, ...]:
    shares = {
        item: f"{100 * part / whole:.1f}" if whole else "-" for item, (part, whole) in episodes.ratios(score).items()
    }
    return (
        name,
        score.n_reference,
        score.n_found,
        shares["Se"],
        score.n_test,
        score.n_right,
        shares["+P"],
        shares["duration Se"],
        shares["duration +P"],
        f"{score.reference_s / 60:.1f}",
        f"{score.test_s / 60:.1f}",
    )


def _short(folder: Path) -> None:
    """Count the records with an episode of AF, by what people called them."""
    labels = folder / "REFERENCE.csv"
    if not labels.is_file():
        print(f"cinc2017: no {labels}; VITALCORE_DATA names the folder of the real recordings")
        return
    called: dict[str, list[bool]] = {}
    lines = list(csv.reader(labels.read_text().splitlines()))
    for name, label in reading.progress(lines, "AF, CinC 2017"):
        if (folder / f"{name}.hea").is_file():
            x, fs_hz = reading.signal(folder / name)
            test = reading.ours(name, x, fs_hz, Ecg())
            called.setdefault(label, []).append(bool(test.episodes.get("AF")))
    words = {"A": "AF", "N": "normal", "O": "other rhythm", "~": "too noisy"}
    rows = [(words[label], len(called[label]), sum(called[label])) for label in words if label in called]
    table("AF in single-lead records of 9 to 61 s, CinC 2017", ("", "records", "with AF said"), rows)
    hit, wrong = sum(called.get("A", [])), sum(called.get("N", []))
    n_af, n_normal = len(called.get("A", [])), len(called.get("N", []))
    print(f"A against N: Se {100 * hit / max(n_af, 1):.1f} %, specificity {100 - 100 * wrong / max(n_normal, 1):.1f} %")
