"""Arrhythmia alarms of the PhysioNet/CinC challenge 2015, in real time: the first 300 s alone.

python -m benchmarks accuracy alarms [--each] [--window S] [RECORD ...]
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.accuracy import reading
from benchmarks.sidebyside import table
from vitalcore.analyze import analyze
from vitalcore.readers import read
from vitalcore.readers.recording import Recording
from vitalcore.results import tables
from vitalcore.scoring import alarms, results
from vitalcore.scoring.alarms import AlarmScore, Said

HEAD = ("", "true, called true", "true, called false", "false, called true", "false, called false", "score")


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    parser = reading.options(__doc__)
    parser.add_argument("--window", type=float, default=alarms.WINDOW_S, help="s before the alarm that count")
    given = parser.parse_args(arguments)
    folder = given.data / "cinc2015"
    truths = [truth for truth in alarms.truths(folder) if not given.records or truth.record in given.records]
    if not truths:
        print(f"cinc2015: no ALARMS in {folder}; VITALCORE_DATA names the folder of the real recordings")
        return
    calls = {
        truth.record: alarms.raised(truth, said(folder / truth.record), given.window)
        for truth in reading.progress(truths, "alarms")
    }
    if given.each:
        for truth in truths:
            if calls[truth.record] != truth.true:
                print(f"{truth.record} {truth.kind}: {truth.true} called {calls[truth.record]}")
    scores = alarms.compare(truths, calls)
    rows = [_row(kind.replace("_", " "), scores[kind]) for kind in alarms.CODES if kind in scores]
    rows.append(_row("all", sum(scores.values(), AlarmScore())))
    title = f"Alarms, CinC 2015, {len(truths)} records, first 300 s, held within {given.window:g} s before the alarm"
    table(title, HEAD, [*rows, ("bar", "", "", "", "", "85"), ("winners of the challenge", "", "", "", "", "81.4")])


def said(path: Path) -> list[Said]:
    """Analyse the first 300 s of a record and list its alarms."""
    recording = read(path.with_suffix(".hea"))
    cut = []
    for track in recording.tracks:
        assert track.fs_hz is not None
        cut.append(replace(track, values=track.values[: int(alarms.ALARM_S * track.fs_hz)]))
    return results.alarms(results.columns(tables.tables(analyze(Recording(recording.name, tuple(cut))))["alarms"]))


def _row(name: str, score: AlarmScore) -> tuple[object, ...]:
    return name, score.tp, score.fn, score.fp, score.tn, f"{score.score:.1f}"
