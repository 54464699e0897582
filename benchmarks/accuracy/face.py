"""Blinks in aspect ratios recorded by JeFaPaTo, against that tool's own table and procedure; and simulated faces."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import find_peaks, savgol_filter

from benchmarks.accuracy.reading import data_folder
from benchmarks.sidebyside import table
from vitalcore.findings import beats, features
from vitalcore.fixtures.face import simulate_face
from vitalcore.kernels.core import codes
from vitalcore.operators.face import SCHEMAS, Blinks, Face, frames
from vitalcore.plan import Plan, source

DATA = data_folder() / "face"
TOLERANCE_S = 0.15
FILES = (("blinking_short.csv", 240), ("test_1min.csv", 240), ("ear_score_30.csv", 30))
TABLE = "blinking_full_blinking.xlsx"  # made by the tool from the recording whose first minute is blinking_short.csv

Array = NDArray[np.float64]


def main() -> None:
    """Print the tables."""
    if DATA.is_dir():
        jefapato()
    else:
        print(f"{DATA} is not there: set VITALCORE_DATA to the folder of the real recordings")
    simulated()


def matched(found: Array, true: Array) -> int:
    """Count pairs of a found and a true blink within the tolerance, each used once, in order of time."""
    pairs, i = 0, 0
    for t in np.sort(true):
        while i < len(found) and found[i] < t - TOLERANCE_S:
            i += 1
        if i < len(found) and found[i] <= t + TOLERANCE_S:
            pairs, i = pairs + 1, i + 1
    return pairs


def f1(n_matched: int, n_found: int, n_true: int) -> float:
    """Combine precision and recall."""
    return 2 * n_matched / (n_found + n_true)


def jefapato() -> None:
    """Compare with the tool's blinks of each eye."""
    rows: list[tuple[object, ...]] = []
    late: list[float] = []
    sums = np.zeros(3, int)
    for name, side, true, said in _recordings():
        found = said["t"] / 1e9
        late.extend((said["t_known"] - said["t"]) / 1e6)
        counts = np.array([matched(found, true), len(found), len(true)])
        sums += counts
        rows.append((name, side, *counts[::-1], f1(*counts)))
    rows.append(("all", "", *sums[::-1], f1(*sums)))
    table(
        "Blinks within 150 ms of the tool's (its own table for blinking_short, its procedure for the others)",
        ("recording", "eye", "tool", "vitalcore", "matched", "F1"),
        rows,
    )
    print(f"said after the apex, ms: median {np.median(late):.0f}, p95 {np.percentile(late, 95):.0f}, {max(late):.0f}")


def _recordings() -> Iterator[tuple[str, str, Array, NDArray[np.void]]]:
    plan = Plan(blinks=source("ear", None, ("left", "right")) | Blinks())
    for name, fs_hz in FILES:
        ear = pd.read_csv(DATA / "jefapato" / name, skipinitialspace=True)
        values = ear[["EAR2D6_l", "EAR2D6_r"]].to_numpy(float)
        t_ns = np.rint(np.arange(len(values)) * 1e9 / fs_hz)
        said = beats(plan.run(ear=np.column_stack([t_ns, values]))["blinks"])
        for k, side in enumerate(("left", "right")):
            if name == "blinking_short.csv":
                peaks = pd.read_excel(DATA / "jefapato" / TABLE, sheet_name=f"blinking {side} eye")["apex_frame"]
                apexes = peaks[peaks < len(values)].to_numpy(float)
            else:
                apexes = procedure(values[:, k], fs_hz)
            yield name, side, apexes / fs_hz, said[said["channel"] == k]


def procedure(ear: Array, fs_hz: int) -> Array:
    """Find blinks as the tool does: peaks of the smoothed series, with the settings its authors give for each rate.

    Source: Büchner et al. 2024, JeFaPaTo, J. Open Source Software, and its documentation.
    """
    distance, width = (10, (4, 20)) if fs_hz == 30 else (50, (20, 100))
    peaks, _ = find_peaks(-savgol_filter(ear, 7, 3), distance=distance, prominence=0.1, width=width)
    return peaks.astype(float)


def simulated() -> None:
    """Compare with the truth of simulated faces."""
    rows: list[tuple[object, ...]] = []
    for schema in SCHEMAS:
        for yaw in (0.0, 9.0):
            sums, ratios = np.zeros(3, int), []
            for seed in range(3):
                made = simulate_face(60, 30, schema, seed, smile_yaw_deg=yaw)
                node = source("face", None, 3 * SCHEMAS[schema].n_points) | Face(schema)
                out = Plan(found=node).run(face=frames(made.t_ns, made.points))["found"]
                for side in (0, 1):
                    found = beats(out, codes.BLINK)
                    found = found[found["channel"] == side]
                    true = made.blink_ns[side]
                    sums += matched(found["t"] / 1e9, true / 1e9), len(found), len(true)
                ratio = features(out, codes.MOUTH_SYMMETRY)["value"]
                ratios.extend(ratio[np.isfinite(ratio)])
            rows.append((schema, yaw, *sums[::-1], f1(*sums), float(np.mean(ratios)), float(np.ptp(ratios))))
    table(
        "Simulated faces at 30 Hz: blinks, and a smile of 6 mm beside one of 12 mm (0.5)",
        ("schema", "turn in the smile, deg", "true", "found", "matched", "F1", "symmetry", "its range"),
        rows,
    )


if __name__ == "__main__":
    main()
