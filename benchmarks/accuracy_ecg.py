"""Accuracy of beat detection on MIT-BIH records: EC57 pairing within 150 ms, the first 5 min skipped.

    python -m benchmarks.accuracy_ecg [--data DIR] [--lead N | --all-leads] [RECORD ...]

DIR is the data folder (default: VITALCORE_DATA, or ../shared/data beside the repository) and holds mitdb/.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from benchmarks.sidebyside import table
from vitalcore.ecg import RPeaks
from vitalcore.findings import beats
from vitalcore.plan import Plan, source

WITHIN_S = 0.15
SKIPPED_S = 300.0
IS_BEAT = "NLRBAaJSVrFejnE/fQ?"

Times = NDArray[np.float64]


def pair(truth: Times, found: Times, within: float) -> list[tuple[int, int]]:
    """Pair beats one to one in the order of time, each with the nearest that no neighbour needs more.

    Source: ANSI/AAMI EC57, beat-by-beat comparison.
    """
    pairs = []
    i = j = 0
    while i < len(truth) and j < len(found):
        gap = abs(found[j] - truth[i])
        if gap > within:
            if found[j] < truth[i]:
                j += 1
            else:
                i += 1
            continue
        nearer_found = j + 1 < len(found) and abs(found[j + 1] - truth[i]) < gap
        nearer_truth = i + 1 < len(truth) and abs(truth[i + 1] - found[j]) < gap
        both = nearer_found and nearer_truth
        if nearer_found and not both:
            taken = i + 1 < len(truth) and abs(truth[i + 1] - found[j + 1]) < abs(truth[i] - found[j + 1])
            if not taken:
                j += 1
                continue
        elif nearer_truth and not both:
            taken = j + 1 < len(found) and abs(found[j + 1] - truth[i + 1]) < abs(found[j] - truth[i + 1])
            if not taken:
                i += 1
                continue
        pairs.append((i, j))
        i += 1
        j += 1
    return pairs


def counted(times: Times, fs_hz: float, flutter: list[tuple[int, int]]) -> NDArray[np.bool_]:
    """Tell which beats count: those after the learning period and outside ventricular flutter."""
    rows = times >= SKIPPED_S * fs_hz
    for a, b in flutter:
        rows &= (times < a) | (times > b)
    return np.asarray(rows)


def score(record: Path, lead: int | None) -> tuple[int, int, int, Times, Times]:
    """Compare one record: paired, missed, invented, errors and delays in s."""
    signal = wfdb.rdrecord(str(record))
    notes = wfdb.rdann(str(record), "atr")
    fs_hz = float(signal.fs)
    x = signal.p_signal if lead is None else signal.p_signal[:, lead : lead + 1]
    node = source("ecg", fs_hz, x.shape[1], unit="mV") | RPeaks()
    found = beats(Plan(beats=node).run(ecg=x)["beats"])
    found = found[np.argsort(found["t"], kind="stable")]
    truth = np.array([t for t, s in zip(notes.sample, notes.symbol, strict=True) if s in IS_BEAT], float)
    begins = [t for t, s in zip(notes.sample, notes.symbol, strict=True) if s == "["]
    ends = [t for t, s in zip(notes.sample, notes.symbol, strict=True) if s == "]"]
    flutter = list(zip(begins, ends, strict=False))
    pairs = np.array(pair(truth, found["t"], WITHIN_S * fs_hz)).reshape(-1, 2)
    true_counts, found_counts = counted(truth, fs_hz, flutter), counted(found["t"], fs_hz, flutter)
    paired = int(true_counts[pairs[:, 0]].sum())
    missed = int(true_counts.sum()) - paired
    found_counts[pairs[:, 1]] = False
    errors = (found["t"][pairs[:, 1]] - truth[pairs[:, 0]]) / fs_hz
    return paired, missed, int(found_counts.sum()), errors, (found["t_known"] - found["t"]) / fs_hz


def main(arguments: Sequence[str] = ()) -> None:
    """Print a table of records and the gross figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("VITALCORE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--lead", type=int, default=0)
    parser.add_argument("--all-leads", action="store_true")
    parser.add_argument("records", nargs="*")
    given = parser.parse_args(arguments)
    records = sorted(path.with_suffix("") for path in Path(given.data, "mitdb").glob("*.hea"))
    if not records:
        print(f"no records of MIT-BIH in {given.data}: set VITALCORE_DATA to the folder of the real recordings")
        return
    rows: list[tuple[object, ...]] = []
    gross = np.zeros(3, int)
    errors, delays = [], []
    for record in records:
        if given.records and record.name not in given.records:
            continue
        paired, missed, invented, error_s, delay_s = score(record, None if given.all_leads else given.lead)
        gross += paired, missed, invented
        errors.append(error_s)
        delays.append(delay_s)
        rows.append(row(record.name, np.array([paired, missed, invented]), error_s, delay_s))
    if not rows:
        parser.error(f"no such records in {Path(given.data, 'mitdb')}")
    rows.append(row("gross", gross, np.concatenate(errors), np.concatenate(delays)))
    head = ("record", "paired", "missed", "invented", "Se %", "+P %", "error ms", "|error| ms", "delay p95 s", "max s")
    table("QRS, MIT-BIH, 150 ms, first 5 min skipped; errors are medians", head, rows)


def row(name: str, counts: NDArray[np.int64], error_s: Times, delay_s: Times) -> tuple[object, ...]:
    """Make a row of the table."""
    paired, missed, invented = (int(n) for n in counts)
    return (
        name,
        paired,
        missed,
        invented,
        f"{100 * paired / max(1, paired + missed):.2f}",
        f"{100 * paired / max(1, paired + invented):.2f}",
        f"{1e3 * np.median(error_s):.1f}",
        f"{1e3 * np.median(np.abs(error_s)):.1f}",
        f"{np.percentile(delay_s, 95):.3f}",
        f"{delay_s.max():.2f}",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
