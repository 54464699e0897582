"""Scores of pulse detection and pulse rate over CapnoBase and BIDMC, as far as they are present.

A pulse matches a reference within 150 ms once the median lag of the record is taken off. BIDMC has no pulse
annotations: its references are the R peaks that `RPeaks` finds in lead II, and the rate that the monitor showed.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.reading import data_folder
from vitalcore import Plan, source
from vitalcore.findings import beats, features
from vitalcore.kernels.core import codes
from vitalcore.operators.ecg import RPeaks
from vitalcore.operators.ppg import Ppg

Array = NDArray[np.float64]

WITHIN_S = 0.15
DATA = data_folder()


def match(found_s: Array, true_s: Array) -> tuple[int, int, int]:
    """Pair pulses one to one, nearest in time, and count hits, misses and surplus."""
    i = j = hits = 0
    while i < len(found_s) and j < len(true_s):
        away = abs(found_s[i] - true_s[j])
        if away <= WITHIN_S and not (i + 1 < len(found_s) and abs(found_s[i + 1] - true_s[j]) < away):
            hits, i, j = hits + 1, i + 1, j + 1
        elif found_s[i] < true_s[j] or away <= WITHIN_S:
            i += 1
        else:
            j += 1
    return hits, len(true_s) - hits, len(found_s) - hits


def aligned(found_s: Array, true_s: Array, lags_s: Iterable[float]) -> tuple[Array, float]:
    """Take off the median lag: of the lags to try first, the one with the most hits."""
    lag_s = max(lags_s, key=lambda lag_s: match(found_s - lag_s, true_s)[0])
    near = np.abs(found_s[:, None] - lag_s - true_s).argmin(axis=1)
    away = found_s - true_s[near]
    lag_s = float(np.median(away[np.abs(away - lag_s) <= WITHIN_S]))
    return found_s - lag_s, lag_s


def f1(hits: int, missed: int, surplus: int) -> float:
    """Give the F1 score in %."""
    return 200 * hits / max(1, 2 * hits + missed + surplus)


class Table:
    """Print one line a record and the pooled score."""

    def __init__(self, title: str) -> None:
        self.total = np.zeros(3, int)
        self.worst = 100.0
        print(f"\n{title}\nrecord   pulses  missed  surplus      F1   lag ms  said after s (median, most)")

    def add(self, record: str, found: NDArray[np.void], fs_hz: float, true_s: Array, lags_s: Iterable[float]) -> None:
        """Score one record."""
        found_s, lag_s = aligned(found["t"] / fs_hz, true_s, lags_s)
        counts = match(found_s, true_s)
        self.total += counts
        self.worst = min(self.worst, f1(*counts))
        late_s = (found["t_known"] - found["t"]) / fs_hz
        print(
            f"{record:8} {len(true_s):6} {counts[1]:7} {counts[2]:8}  {f1(*counts):6.2f}  {1e3 * lag_s:7.1f}"
            f"  {np.median(late_s):.3f} {late_s.max():.3f}"
        )

    def end(self) -> None:
        """Print the pooled score."""
        hits, missed, surplus = (int(n) for n in self.total)
        score = f1(hits, missed, surplus)
        print(f"pooled   {hits + missed:6} {missed:7} {surplus:8}  {score:6.2f}  worst {self.worst:.2f}")


def capnobase(folder: Path) -> None:
    """Score pulses against those marked by hand, all of every record, artefacts included."""
    import h5py

    table = Table("CapnoBase, pulses marked by hand")
    for path in sorted(folder.glob("*.mat")):
        with h5py.File(path) as file:
            fs_hz = float(file["param/samplingrate/pleth"][()].item())
            x, true = file["signal/pleth/y"][()].ravel(), file["labels/pleth/peak/x"][()].ravel()
        found = Plan(ppg=source("ppg", fs_hz) | Ppg()).run(ppg=x)["ppg"]
        table.add(path.name[:4], beats(found), fs_hz, true / fs_hz, [0.0])
    table.end()


def bidmc(folder: Path) -> None:
    """Score pulses against R peaks, and the averaged rate against the monitor's."""
    table = Table("BIDMC, R peaks of lead II")
    errors = []
    for path in sorted(folder.glob("*_Signals.csv")):
        names = [name.strip() for name in path.open().readline().split(",")]
        signals = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(names.index("PLETH"), names.index("II")))
        out = Plan(ppg=source("ppg", 125) | Ppg(), ecg=source("ecg", 125) | RPeaks()).run(
            ppg=signals[:, 0], ecg=signals[:, 1]
        )
        table.add(path.name[6:8], beats(out["ppg"]), 125, out["ecg"]["t"] / 125, np.arange(0, 1.2, 0.02))
        numerics = path.with_name(path.name.replace("Signals", "Numerics"))
        columns = [name.strip() for name in numerics.open().readline().split(",")]
        shown = np.genfromtxt(numerics, delimiter=",", skip_header=1, usecols=(columns.index("PULSE"),))
        ours = features(out["ppg"], codes.PULSE_RATE)["value"]
        n = min(len(ours), len(shown) - 1)
        errors.append(np.abs(ours[10:n] - shown[11 : n + 1]))
    table.end()
    error = np.concatenate(errors)
    known = error[np.isfinite(error)]
    print(
        f"averaged rate against the monitor's, each second from the tenth: mean error {known.mean():.2f}, "
        f"95 % within {np.percentile(known, 95):.1f} /min, told {100 * len(known) / len(error):.1f} % of the time"
    )


def main() -> None:
    """Score every data set that is there."""
    sets = {"capnobase": capnobase, "bidmc": bidmc}
    present = [name for name in sets if (DATA / name).is_dir()]
    if not present:
        print(f"no records of CapnoBase or BIDMC in {DATA}: set VITALCORE_DATA to the folder of the real recordings")
        return
    for name in present:
        sets[name](DATA / name)


if __name__ == "__main__":
    main()
