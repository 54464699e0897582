"""QRS detection on MIT-BIH and its noise stress records, by the rules of EC57, beside other detectors.

python -m benchmarks accuracy qrs [--each] [--peers none|quick|all] [--ecg] [RECORD ...]
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.accuracy import peers, reading
from benchmarks.sidebyside import table
from vitalcore.operators.ecg import Ecg, RPeaks
from vitalcore.scoring import annotations, records
from vitalcore.scoring.marks import Marks, Times
from vitalcore.scoring.records import RecordScore, Rules
from vitalcore.scoring.spans import shared

HEAD = ("", "Se %", "+P %", "F1 %", "missed", "invented", "error ms", "p95", "said after p95", "most s")
WHOLE = Rules(skip_s=0.0)
NOISE_BARS = {12: "99.0", 6: "92", 0: "78"}  # by dB


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = reading.options(__doc__)
    parser.add_argument("--ecg", action="store_true", help="run the whole chain, not detection alone")
    given = parser.parse_args(arguments)
    operator = Ecg() if given.ecg else RPeaks()
    _arrhythmia(reading.records(given.data / "mitdb", given.records), operator, given.peers, given.each)
    if not given.records:
        stressed = reading.records(given.data / "nstdb")
        _noise(stressed, operator, given.peers)
        _lies(stressed)
        if (given.data / "cinc2014").is_dir():
            _poor(reading.records(given.data / "cinc2014"), operator, given.peers)


def row(name: str, score: RecordScore) -> tuple[object, ...]:
    """Make a row of a table from a score."""
    found = {(figure.section, figure.item): figure.value for figure in records.figures(score)}
    matrix = score.beat.matrix
    missed, invented = int(matrix[:5, 5:].sum()), int(matrix[5:, :5].sum())
    cells = [f"{100 * found['QRS', item]:.2f}" for item in ("Se", "+P", "F1")]
    times = [
        *(f"{1e3 * found.get(('time', item), np.nan):.1f}" for item in ("error median", "|error| p95")),
        *(f"{found.get(('time', item), np.nan):.2f}".replace("nan", "") for item in ("delay p95", "delay most")),
    ]
    return name, *cells, missed, invented, *times


def _arrhythmia(found: list[Path], operator: Ecg | RPeaks, which: str, each: bool) -> None:
    if not found:
        return
    scores: dict[str, list[tuple[RecordScore, RecordScore]]] = {}
    for path in reading.progress(found, "QRS"):
        reference = annotations.read(path, "atr")
        x, fs_hz = reading.signal(path)
        tests = {
            "vitalcore, first lead": reading.ours(path.name, x[:, :1].copy(), fs_hz, operator),
            "vitalcore, both leads": reading.ours(path.name, x, fs_hz, operator),
        }
        for name, detect in peers.detectors(which).items():
            tests[name] = marks(path.name, detect(x[:, 0], fs_hz) / fs_hz)
        for name, test in tests.items():
            scores.setdefault(name, []).append(
                (records.compare(reference, test), records.compare(reference, test, WHOLE))
            )
    if each:
        for name in ("vitalcore, first lead", "vitalcore, both leads"):
            table(f"{name}, first 5 min skipped", HEAD, [row(score.name, score) for score, _ in scores[name]])
    bar = ("bar: first lead", "99.85", "99.85", "", "", "", "0.0±3", "10", "0.30", "1.4")
    bar_2 = ("bar: both leads", "99.92", "99.92", "", "", "", "", "", "", "")
    title = f"QRS, MIT-BIH, {len(found)} records, 150 ms, gross"
    rows = [row(name, records.gross([score for score, _ in all_])) for name, all_ in scores.items()]
    table(f"{title}, first 5 min skipped", HEAD, [*rows, bar, bar_2])
    rows = [row(name, records.gross([score for _, score in all_])) for name, all_ in scores.items()]
    table(f"{title}, whole records", HEAD, [*rows, ("bar: first lead", "", "", "99.80", *[""] * 6)])


def _noise(found: list[Path], operator: Ecg | RPeaks, which: str) -> None:
    scores: dict[str, dict[int, list[RecordScore]]] = {}
    for path in reading.progress(found, "noise stress"):
        reference = annotations.read(path, "atr")
        x, fs_hz = reading.signal(path)
        said = {"vitalcore, first lead": reading.ours(path.name, x[:, :1].copy(), fs_hz, operator)}
        said["vitalcore, both leads"] = reading.ours(path.name, x, fs_hz, operator)
        for name, detect in peers.detectors(which).items():
            said[name] = marks(path.name, detect(x[:, 0], fs_hz) / fs_hz)
        for name, test in said.items():
            scores.setdefault(name, {}).setdefault(_db(path.name), []).append(noisy(reference, test))
    levels = sorted({level for of_one in scores.values() for level in of_one}, reverse=True)
    if levels:
        rows = [(name, *(_noise_cell(of_one[level]) for level in levels)) for name, of_one in scores.items()]
        bars = ("bar: first lead", *(NOISE_BARS.get(level, "") for level in levels))
        title = "QRS, noise stress, the noisy 2-minute segments alone, gross: F1 (Se, +P) %"
        table(title, ("", *(f"{level} dB" for level in levels)), [*rows, bars])


def _noise_cell(scores: list[RecordScore]) -> str:
    found = {figure.item: 100 * figure.value for figure in records.figures(records.gross(scores))[:3]}
    return f"{found['F1']:.1f} ({found['Se']:.1f}, {found['+P']:.1f})"


def _lies(found: list[Path]) -> None:
    """Show what the whole chain says of the patient in noise: there is nothing but sinus rhythm and single beats."""
    rows: list[tuple[object, ...]] = []
    by_level = sorted(found, key=lambda path: _db(path.name), reverse=True)
    for path in reading.progress(by_level, "noise"):
        reference = annotations.read(path, "atr")
        x, fs_hz = reading.signal(path)
        for leads, n in (("first lead", 1), ("both leads", 2)):
            test = reading.ours(path.name, np.ascontiguousarray(x[:, :n]), fs_hz, Ecg())
            spans = [(begin, begin + 120.0) for begin in np.arange(300.0, reference.t_s[-1], 240.0)]
            calm = [(0.0, 300.0), *((end, end + 120.0) for _, end in spans)]
            shares = [
                100 * sum(shared(span, test.shutdown) for span in where) / sum(b - a for a, b in where)
                for where in (spans, calm)
            ]
            false = [len(test.episodes.get(kind, ())) for kind in ("asystole", "VF", "VT")]
            rows.append(
                (f"{_db(path.name):3d} dB {path.name[:3]}, {leads}", *(f"{share:.0f}" for share in shares), *false)
            )
    head = ("", "noisy, unusable %", "clean, unusable %", "asystoles", "VF", "VT")
    if rows:
        table("Noise stress: what is said of the patient, episodes in the whole record", head, [*rows, _NONE])


_NONE = ("bar, all false", "", "0", "0", "0", "0")


def _db(name: str) -> int:
    return -int(name[-1]) if name[-2] == "_" else int(name[-2:])


def _poor(found: list[Path], operator: Ecg | RPeaks, which: str) -> None:
    scores: dict[str, list[RecordScore]] = {}
    for path in reading.progress(found, "QRS"):
        reference = annotations.read(path, "atr")
        x, fs_hz = reading.signal(path, 1)
        said = {"vitalcore, first lead": reading.ours(path.name, x, fs_hz, operator)}
        for name, detect in peers.detectors(which).items():
            said[name] = marks(path.name, detect(x[:, 0], fs_hz) / fs_hz)
        for name, test in said.items():
            scores.setdefault(name, []).append(records.compare(reference, test, WHOLE))
    rows = [row(name, records.gross(many)) for name, many in scores.items()]
    table(f"QRS, CinC 2014, {len(found)} records, gross", HEAD, [*rows, ("bar", "", "", "90", *[""] * 6)])


def noisy(reference: Marks, test: Marks) -> RecordScore:
    """Compare the noisy segments alone: from the fifth minute on, 2 min of each 4."""
    parts = []
    for begin in np.arange(300.0, reference.t_s[-1], 240.0):
        parts.append(records.compare(reference, test, Rules(skip_s=begin, end_s=begin + 120.0)))
    return records.gross(parts)


def marks(name: str, t_s: Times) -> Marks:
    """Take the beats of a detector that says no classes."""
    return Marks(name, np.sort(t_s), np.full(len(t_s), "N"))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
