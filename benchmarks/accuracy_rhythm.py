"""Episodes of AF, VT and VF: MIT-BIH, the malignant ventricular ectopy database, AF in short records of CinC 2017.

python -m benchmarks accuracy rhythm [--each] [RECORD ...]
"""

import csv
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks import reading
from benchmarks.sidebyside import table
from vitalcore.ecg import Ecg
from vitalcore.scoring import annotations, episodes, records
from vitalcore.scoring.records import RecordScore, Rules

HEAD = ("", "episodes", "found", "Se %", "said", "right", "+P %", "duration Se %", "duration +P %", "minutes", "said")


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    given = reading.options(__doc__).parse_args(arguments)
    _episodes(given.data / "mitdb", "MIT-BIH, both leads, first 5 min skipped", 300.0, given)
    _episodes(given.data / "vfdb", "Malignant ventricular ectopy, both leads, whole records", 0.0, given)
    if not given.records:
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
