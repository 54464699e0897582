"""Delineation against the Lobachevsky University database, beside neurokit2's methods.

python -m benchmarks accuracy waves [--lead ii|all] [--peers none|quick|all] [RECORD ...]
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from benchmarks.accuracy import reading
from benchmarks.sidebyside import table
from vitalcore import findings
from vitalcore.analyze import Result
from vitalcore.operators.ecg import Ecg
from vitalcore.scoring import waves
from vitalcore.scoring.waves import POINTS, Delineation, PointScore

BARS = {"P peak": "6", "QRS on": "7", "QRS off": "8", "T peak": "9", "T off": "16"}  # SD in ms
_FIELDS = ("p_on", "p_peak", "p_off", "qrs_on", None, "qrs_off", "t_on", "t_peak", "t_off")
_NEUROKIT = {
    "P on": "ECG_P_Onsets",
    "P peak": "ECG_P_Peaks",
    "P off": "ECG_P_Offsets",
    "QRS on": "ECG_R_Onsets",
    "QRS off": "ECG_R_Offsets",
    "T on": "ECG_T_Onsets",
    "T peak": "ECG_T_Peaks",
    "T off": "ECG_T_Offsets",
}
LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = reading.options(__doc__)
    parser.add_argument("--lead", choices=(*LEADS, "all"), default="ii")
    given = parser.parse_args(arguments)
    found = reading.records(given.data / "ludb", given.records, "*.ii")
    if not found:
        return
    leads = LEADS if given.lead == "all" else (given.lead,)
    scores: dict[str, list[Mapping[str, PointScore]]] = {}
    methods = _methods(given.peers) if given.lead != "all" else {}
    for path in reading.progress(found, "delineation"):
        x, fs_hz = reading.signal(path)
        together = reading.analysed(path.name, x, fs_hz, Ecg())
        for lead in leads:
            k = LEADS.index(lead)
            reference = _marked(path, lead, fs_hz)
            alone = reading.analysed(path.name, np.ascontiguousarray(x[:, k : k + 1]), fs_hz, Ecg())
            tests = {"vitalcore, one lead": ours(alone, 0), "vitalcore, 12 leads": ours(together, k)}
            for name, method in methods.items():
                tests[name] = method(x[:, k], fs_hz)
            for name, test in tests.items():
                scores.setdefault(name, []).append(waves.compare(reference, test))
    show(scores, f"LUDB, {len(found)} records, lead {given.lead}")


def show(scores: Mapping[str, Sequence[Mapping[str, PointScore]]], title: str) -> None:
    """Print a table for each kind of figure."""
    whole = {name: waves.gross(many) for name, many in scores.items()}

    def one(figure: str, make: Callable[[PointScore], str], bars: Mapping[str, str]) -> None:
        rows = [(point, *(make(score[point]) for score in whole.values()), bars.get(point, "")) for point in POINTS]
        table(f"Delineation, {title}, 150 ms: {figure}", ("", *whole, "bar"), rows)

    one("mean ± SD in ms of test - reference", _spread, {point: f"SD ≤ {ms}" for point, ms in BARS.items()})
    one("Se %", lambda score: _percent(len(score.error_s), score.n_reference), dict.fromkeys(POINTS, "99"))
    one("+P %", lambda score: _percent(len(score.error_s), score.n_test), dict.fromkeys(POINTS[:3], "97"))


def ours(result: Result, channel: int) -> Delineation:
    """Take the waves of one lead from what was found."""
    found = findings.waves(result.findings, channel)
    seconds = result.track.seconds
    out = {"QRS peak": np.sort(seconds(found["t"]))}
    for point, field in zip(POINTS, _FIELDS, strict=True):
        if field is not None:
            times = seconds(found[field])
            out[point] = np.sort(times[np.isfinite(times)])
    return out


def _marked(path: Path, lead: str, fs_hz: float) -> Delineation:
    return waves.marked(wfdb.rdann(str(path), lead), fs_hz)


def _spread(score: PointScore) -> str:
    if len(score.error_s) < 2:
        return "-"
    return f"{1e3 * score.error_s.mean():+.1f} ± {1e3 * score.error_s.std(ddof=1):.1f}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole and part else "-"


def _methods(which: str) -> Mapping[str, Callable[[NDArray[np.float64], float], Delineation]]:
    names = {"none": (), "quick": ("prominence", "dwt"), "all": ("prominence", "dwt", "cwt", "peak")}[which]
    return {f"neurokit2 {name}": _neurokit(name) for name in names}


def _neurokit(method: str) -> Callable[[NDArray[np.float64], float], Delineation]:
    def delineate(x: NDArray[np.float64], fs_hz: float) -> Delineation:
        import neurokit2 as nk

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rate = int(fs_hz)
            clean = nk.ecg_clean(x, sampling_rate=rate)
            try:
                _, peaks = nk.ecg_peaks(clean, sampling_rate=rate)
                r = np.asarray(peaks["ECG_R_Peaks"])
                _, found = nk.ecg_delineate(clean, r, sampling_rate=rate, method=method)
            except Exception:  # it raises whatever it meets in a record with few beats: then it has found nothing
                return {}
        out = {"QRS peak": r / fs_hz}
        for point, name in _NEUROKIT.items():
            times = np.asarray(found.get(name, []), np.float64)
            out[point] = np.sort(times[np.isfinite(times)]) / fs_hz
        return out

    return delineate
