"""Signals whose truth is exact: EC13 shapes and grids, recordings of a simulator, scenarios with written events.

python -m benchmarks accuracy signals [--short] [SCENARIO ...]
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from benchmarks.accuracy import reading
from benchmarks.sidebyside import table
from vitalcore import findings
from vitalcore.analyze import Result, Results, analyze
from vitalcore.fixtures import files
from vitalcore.fixtures.ecg import ec13
from vitalcore.fixtures.ecg.ecgsyn import ecgsyn
from vitalcore.fixtures.judge import judge
from vitalcore.fixtures.scenarios import SCENARIOS
from vitalcore.kernels.core import codes
from vitalcore.operators.ecg import Ecg
from vitalcore.readers.recording import Recording
from vitalcore.results import tables
from vitalcore.scoring import records, results
from vitalcore.scoring.alarms import Said
from vitalcore.scoring.marks import Marks
from vitalcore.scoring.records import Rules

FS_HZ = 500.0
SECONDS = 30.0
CLOSE = 1.0  # /min
PARTS = {
    "beat": "beats",
    "class": "classes",
    "rate": "rates",
    "wave": "waves",
    "episode": "episodes",
    "alarm": "alarms",
}


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = reading.options(__doc__)
    parser.add_argument("--short", action="store_true", help="a few signals of each kind")
    given = parser.parse_args(arguments)
    if not given.records:
        _ec13(given.short)
        _simulator(given.data / "ec13", given.short)
        _ecgsyn()
    _scenarios(given.records or (list(SCENARIOS)[::12] if given.short else list(SCENARIOS)))


def run(x: NDArray[np.float64], fs_hz: float = FS_HZ) -> Result:
    """Run the chain over one lead."""
    return reading.analysed("made", np.ascontiguousarray(x.reshape(len(x), -1)), fs_hz, Ecg())


def said(result: Result) -> list[Said]:
    """List the alarms that were raised."""
    made = tables.tables(Results(Recording("made", (result.track,)), (result,)))["alarms"]
    return results.alarms(results.columns(made))


def rate(result: Result) -> float:
    """Return the last heart rate that was shown; NaN where there was none."""
    shown = result.feature(codes.HEART_RATE)
    return float(shown["value"][-1]) if len(shown) else np.nan


def counted(result: Result) -> int:
    """Count the beats after the first 5 s, in which nothing is known yet."""
    return int((result.track.seconds(result.beats["t"]) > 5).sum())


def _right(cells: Iterable[tuple[float, float]]) -> tuple[str, str]:
    """Tell how many rates are right, and the largest error of those that were shown."""
    errors = [abs(shown - true) for shown, true in cells]
    known = [error for error in errors if np.isfinite(error)]
    n = sum(error <= CLOSE for error in known)
    return f"{n} of {len(errors)}", f"{max(known, default=np.nan):.1f}"


def _ec13(short: bool) -> None:
    rows: list[tuple[object, ...]] = []
    for true in ec13.RATES[::3] if short else ec13.RATES:
        cells = [
            (rate(run(ec13.steady(FS_HZ, true, SECONDS, mv, width_s).x)), true)
            for width_s, its, mv in ec13.grid()
            if its == true and width_s > ec13.TOO_NARROW_S
        ]
        rows.append((f"rate {true:g} /min, 40-120 ms, 0.5-5 mV", *_right(cells), "all within 1"))
    for ratio in ec13.TALL_T[3:6:2] if short else ec13.TALL_T:
        wave = ec13.tall_t(FS_HZ, ratio)
        rows.append((f"tall T, {ratio:g} mV", *_right([(rate(run(wave.x)), wave.rate)]), "right to 1.2 mV"))
    plain = ec13.steady(FS_HZ, 80, SECONDS, 0.5)
    t_s = ec13.times(FS_HZ, SECONDS)
    disturbed = {
        "drift 4 mV at 0.1 Hz": plain.x + ec13.drift(t_s),
        "mains 0.1 mV, 50 Hz": plain.x + ec13.mains(t_s),
        "mains 0.1 mV, 60 Hz": plain.x + ec13.mains(t_s, hz=60.0),
    }
    for name, x in disturbed.items():
        rows.append((f"0.5 mV at 80 /min, {name}", *_right([(rate(run(x)), 80.0)]), "right"))
    for name in ("3a", "3b", "3c", "3d"):
        wave = ec13.pattern(name, FS_HZ)
        rows.append(
            (f"pattern {name}, {wave.rate:g} /min", *_right([(rate(run(wave.x)), wave.rate)]), "80, 60, 120, 90")
        )
    table(f"EC13 shapes, {FS_HZ:g} Hz: the rate shown at the end", ("", "right", "largest error /min", "bar"), rows)
    rows = []
    for mv, width_s in ((ec13.TOO_SMALL_MV, 0.1), (ec13.TOO_SMALL_MV, 0.04), (1.0, ec13.TOO_NARROW_S)):
        n = [
            counted(run(ec13.steady(FS_HZ, true, SECONDS, mv, width_s).x)) for true in ec13.RATES[:: 3 if short else 1]
        ]
        rows.append((f"{mv:g} mV, {1e3 * width_s:g} ms, {ec13.RATES[0]:g} to {ec13.RATES[-1]:g} /min", sum(n), "0"))
    for mv in (2.0, -2.0, 20.0, 700.0, -700.0):
        beatless = ec13.paced(1000.0, 60, SECONDS, mv, captured=False)
        rows.append((f"pacemaker pulses of {mv:g} mV, 1 ms, no capture", counted(run(beatless.x, 1000.0)), "0"))
    table("Beats counted where there are none, after 5 s", ("", "beats", "bar"), rows)
    rows = []
    for before, after, bar in ((80.0, 120.0, "6.8"), (80.0, 40.0, "6.0")):
        wave = ec13.step(FS_HZ, before, after)
        at_s = float(wave.r_s[np.flatnonzero(np.abs(np.diff(wave.r_s) - 60 / after) < 1e-6)[0]])
        part, whole = (_reached(run(wave.x), at_s, level) for level in (before + 0.63 * (after - before), after))
        rows.append((f"step {before:g} to {after:g}", f"{part:.1f}", f"{whole:.1f}", bar))
    table("Response of the rate, s after the last beat at the old rate", ("", "63 %", "within 1 /min", "bar"), rows)
    rows = []
    for name in ("4a", "4b"):
        for size in (0.5, 1.0, 2.0):
            delays = [
                each.known_s - 30.0
                for each in said(run(ec13.pattern(name, FS_HZ, size=size).x))
                if each.code in ("ventricular_tachycardia", "ventricular_fibrillation", "extreme_tachycardia")
            ]
            told = f"{min(delays):.1f}" if delays else "never"
            rows.append((f"pattern {name}, size {size:g}", told, "7"))
    table("Time to the alarm of ventricular tachycardia, s", ("", "first alarm", "bar"), rows)


def _reached(result: Result, at_s: float, level: float) -> float:
    """Tell how long after a step the shown rate stays at a level or beyond it, up to 1 /min."""
    shown = result.feature(codes.HEART_RATE)
    t_s = result.track.seconds(shown["t_known"])
    before = shown["value"][np.searchsorted(t_s, at_s) - 1]
    beyond = (shown["value"] - level) * np.sign(level - before) >= -CLOSE
    wrong = np.flatnonzero((t_s > at_s) & ~beyond)
    first = wrong[-1] + 1 if len(wrong) else np.searchsorted(t_s, at_s)
    return float(t_s[first] - at_s) if first < len(t_s) else np.nan


def _simulator(folder: Path, short: bool) -> None:
    """Recordings of a simulator: 1 to 30 and 42 are to be counted, 31 to 39 are of 0.14 mV, 40 and 41 of 10 ms."""
    if not folder.is_dir():
        print(f"ec13: no {folder}; VITALCORE_DATA names the folder of the real recordings")
        return
    rows: list[tuple[object, ...]] = []
    for name, least, most in (("aami3a", 78.0, 82.0), ("aami3b", 58.0, 62.0)):
        x = np.loadtxt(folder / f"{name}.csv")
        shown = rate(run(x, 720.0))
        rows.append(
            (
                f"{name}, {len(x) / 720:.0f} s",
                f"{int(least <= shown <= most)} of 1",
                f"{shown:.1f}",
                f"{least + 2:g} ± 2",
            )
        )
    numbers = [1, 9, 28, 30, 33, 40] if short else range(1, 43)
    pairs, extra = [], {"0.14 mV": 0, "10 ms": 0}
    for k in numbers:
        read = wfdb.rdrecord(str(folder / f"ec13_{k}"))
        found = run(read.p_signal[:, 0], float(read.fs))
        if 31 <= k <= 41:
            extra["0.14 mV" if k < 40 else "10 ms"] += counted(found)
        else:
            pairs.append((rate(found), 80.0 if k in (29, 30, 42) else _period(read.p_signal[:, 0], float(read.fs))))
    n, error = _right(pairs)
    rows.append(("0.5 to 5 mV, 30 to 300 /min, mains, drift, tall T", n, f"largest error {error}", "all within 1"))
    rows += [(f"beats counted in those of {name}", beats, "", "0") for name, beats in extra.items()]
    table("Recordings of a simulator, 720 and 1000 Hz", ("", "right", "", "bar"), rows)


def _period(x: NDArray[np.float64], fs_hz: float) -> float:
    """Tell the rate of a signal that repeats itself, by its autocorrelation."""
    y = x - np.median(x)
    spectrum = np.fft.rfft(y, 2 * len(y))
    like = np.fft.irfft(np.abs(spectrum) ** 2)[: int(2.5 * fs_hz)]
    first = int(0.15 * fs_hz)
    near = np.flatnonzero(like[first:] > 0.9 * like[first:].max())[0] + first
    return 60 * fs_hz / (near + int(like[near : near + int(0.05 * fs_hz)].argmax()))


def _ecgsyn() -> None:
    rows: list[tuple[object, ...]] = []
    for version in ("c", "matlab"):
        for true in (40.0, 60.0, 80.0, 120.0, 200.0):
            made = ecgsyn(250.0, version=version, seconds=60.0, rate=true, seed=3)
            result = run(made.x, 250.0)
            truth = Marks("made", made.r_s[1:], np.full(len(made.r_s) - 1, "N"))  # the first lies on the first sample
            score = records.compare(truth, reading.marks("made", result), Rules(skip_s=0.0))
            found = findings.waves(result.findings, 0)
            matched = np.searchsorted(made.r_s, result.track.seconds(found["t"]) - 0.05)
            off = [
                result.track.seconds(found[name][matched < len(tops)]) - tops[matched[matched < len(tops)]]
                for name, tops in (("p_peak", made.p_s), ("t_peak", made.t_s))
            ]
            missed, invented = _counts(score)[1:]
            tops = (_spread(1e3 * each[np.isfinite(each)]) for each in off)
            rows.append((f"{version}, {true:g} /min", missed, invented, _spread(1e3 * score.beat.error_s), *tops))
    rows.append(("bar", "", "", "0 ± 3", "", ""))
    head = ("parameters, mean rate", "missed", "invented", "R, median ± p95 ms", "P peak", "T peak")
    table("ECGSYN, 250 Hz, one lead: test - truth", head, rows)


def _spread(error_ms: NDArray[np.float64]) -> str:
    if not len(error_ms):
        return "-"
    middle = float(np.median(error_ms))
    return f"{middle:+.1f} ± {np.percentile(np.abs(error_ms - middle), 95):.1f}"


def _scenarios(names: Sequence[str]) -> None:
    rows: list[tuple[object, ...]] = []
    pot = []
    for name in reading.progress(names, "scenarios"):
        fs_hz = 1000 if name.startswith("paced") else 250  # pulses are seen from 500 Hz on
        made = SCENARIOS[name].make(fs_hz=fs_hz)
        (result,) = analyze(files.recording(made)).analysed
        symbols = np.array([beat.symbol for beat in made.beats], "<U1")
        truth = Marks(name, made.r_s, symbols, uncounted=(*made.fibrillation, *made.shaky))
        score = records.compare(truth, reading.marks(name, result), Rules(skip_s=0.0))
        pot.append(score)
        misses = [miss.part for miss in judge(made)]
        rows.append((name.replace("_", " "), *_counts(score), _spread(1e3 * score.beat.error_s), *_parts(misses)))
    every = np.sum([_counts(score) for score in pot], axis=0).tolist()
    parts = [sum(int(row[k]) for row in rows if row[k]) for k in range(5, 5 + len(PARTS))]  # type: ignore[call-overload]  # words
    rows.append(("all", *every, _spread(1e3 * np.concatenate([score.beat.error_s for score in pot])), *parts))
    rows.append(("bar", "", "", "", "0 ± 10", *["0"] * len(PARTS)))
    head = ("scenario", "beats", "missed", "invented", "R ms, median ± p95", *PARTS.values())
    table("Scenarios, one lead, 250 Hz (paced: 1 kHz); the last columns count what is wrong", head, rows)


def _parts(misses: Sequence[str]) -> list[object]:
    return [misses.count(part) or "" for part in PARTS]


def _counts(score: records.RecordScore) -> tuple[int, int, int]:
    matrix = score.beat.matrix
    return int(matrix[:5].sum()), int(matrix[:5, 5:].sum()), int(matrix[5:, :5].sum())
