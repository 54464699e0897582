"""Breath rate seen in the ECG against breaths marked in CO2 (CapnoBase) and impedance (BIDMC), minute by minute.

The strongest rhythm of ecg_respiration in a minute, 4 to 50 /min, against 60 over the median interval of its breaths.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lombscargle

from benchmarks.accuracy.ppg import DATA
from vitalcore import Plan, source
from vitalcore.findings import features
from vitalcore.kernels.core import codes
from vitalcore.operators.ecg import Ecg

Array = NDArray[np.float64]

MINUTE_S, STEP_S = 60.0, 20.0
RATES = np.arange(4, 50, 0.5)


def strongest(t_s: Array, y: Array) -> float:
    """Find the strongest rhythm per minute of what was said in a minute; NaN where too little was."""
    known = np.isfinite(y)
    if known.sum() < MINUTE_S / 2:
        return np.nan
    t_s, y = t_s[known], y[known]
    middle = float(np.median(y))
    spread = 4 * 1.4826 * float(np.median(np.abs(y - middle))) + 1e-12
    y = np.clip(y, middle - spread, middle + spread)
    rates = RATES[RATES < 30]
    y = y - np.polyval(np.polyfit(t_s - t_s[0], y, 1), t_s - t_s[0])
    return float(rates[lombscargle(t_s, y, 2 * np.pi * rates / 60).argmax()])


def errors(x: Array, fs_hz: float, breaths_s: Array) -> Iterator[float]:
    """Compare each minute of a record."""
    said = features(Plan(all=source("ecg", fs_hz) | Ecg()).run(ecg=x)["all"], codes.ECG_RESPIRATION)
    t_s, y = said["t"] / fs_hz, said["value"]
    for begin in np.arange(10, len(x) / fs_hz - MINUTE_S, STEP_S):
        inside = breaths_s[(breaths_s >= begin) & (breaths_s < begin + MINUTE_S)]
        here = (t_s >= begin) & (t_s < begin + MINUTE_S)
        if len(inside) >= 3:
            yield strongest(t_s[here], y[here]) - 60 / float(np.median(np.diff(inside)))


def capnobase(path: Path) -> tuple[Array, float, Array]:
    """Read a record: ECG, rate, breaths."""
    import h5py

    with h5py.File(path) as file:
        fs_hz = float(file["param/samplingrate/ecg"][()].item())
        starts = file["labels/co2/startinsp/x"][()].ravel() / float(file["param/samplingrate/co2"][()].item())
        return file["signal/ecg/y"][()].ravel(), fs_hz, starts


def bidmc(path: Path) -> tuple[Array, float, Array]:
    """Read a record: ECG, rate, breaths of the first annotator."""
    names = [name.strip() for name in path.open().readline().split(",")]
    x = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(names.index("II"),))
    marks = np.genfromtxt(str(path).replace("Signals", "Breaths"), delimiter=",", skip_header=1)[:, 0]
    return x, 125.0, marks[np.isfinite(marks)] / 125


def main() -> None:
    """Print one line a data set that is there."""
    sets = (("capnobase", "*.mat", capnobase), ("bidmc", "*_Signals.csv", bidmc))
    print("breath rate seen in the ECG\ndata        minutes  told %  mean error /min  median  within 2 /min %")
    for name, pattern, read in sets:
        found = [error for path in sorted((DATA / name).glob(pattern)) for error in errors(*read(path))]
        if not found:
            print(f"{name:10}  no records in {DATA / name}")
            continue
        error = np.abs(found)
        told = error[np.isfinite(error)]
        print(
            f"{name:10} {len(error):8} {100 * len(told) / len(error):7.1f} {told.mean():16.2f} {np.median(told):7.2f}"
            f" {100 * (told <= 2).sum() / len(error):17.1f}"
        )


if __name__ == "__main__":
    main()
