"""Runs of ventricular beats, one after the other, as long as the other side finds them too."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vitalcore.scoring.marks import Marks
from vitalcore.scoring.pairing import WINDOW_S
from vitalcore.scoring.spans import Span, clip, shared

LONG = 6  # runs are not told apart above it; fibrillation is a long run
LENGTHS = {"couplet": (2, 2), "short run": (3, 5), "long run": (LONG, LONG)}


def compare(
    reference: Marks,
    test: Marks,
    classes: Mapping[str, str],
    start_s: float,
    end_s: float = np.inf,
    window_s: float = WINDOW_S,
) -> NDArray[np.int64]:
    """Count runs by their length on both sides: [2, 7, 7].

    The first table holds each run of the reference against the longest that the test has there, the second each run
    of the test against the longest of the reference; in both the reference's length comes first.

    Source: ANSI/AAMI EC57, run-by-run comparison: V and F beats make runs, ventricular fibrillation is a long one, and
    a run is looked for from 150 ms before its first beat to 150 ms after its last.
    """
    sides = [_beats(side, classes) for side in (reference, test)]
    out = np.zeros((2, LONG + 1, LONG + 1), np.int64)
    for k, (mine, other) in enumerate((sides, sides[::-1])):
        for (begin, end), length in _runs(*_within(*mine, start_s, end_s)):
            found = _longest(*other, begin - window_s, end + window_s)
            theirs, ours = (length, found) if k == 0 else (found, length)
            out[k, theirs, ours] += 1
    return out


def ratios(tables: NDArray[np.int64]) -> dict[tuple[str, str], tuple[int, int]]:
    """Give sensitivity and positive predictivity of couplets, short and long runs: how many of how many.

    A run is found where the other side has one at least as long as its kind begins.
    """
    found = {}
    for name, (least, most) in LENGTHS.items():
        rows = tables[0, least : most + 1]
        columns = tables[1, :, least : most + 1]
        found[name, "Se"] = int(rows[:, least:].sum()), int(rows.sum())
        found[name, "+P"] = int(columns[least:].sum()), int(columns.sum())
    return found


Side = tuple[NDArray[np.float64], NDArray[np.bool_], tuple[Span, ...]]  # beats, which make runs, fibrillation


def _beats(side: Marks, classes: Mapping[str, str]) -> Side:
    makes_run = np.array([classes[symbol] in "VF" for symbol in side.symbols.tolist()], bool)
    return side.t_s, makes_run, side.episodes.get("VF", ())


def _within(
    t_s: NDArray[np.float64], makes_run: NDArray[np.bool_], fibrillation: tuple[Span, ...], start_s: float, end_s: float
) -> Side:
    rows = (t_s >= start_s) & (t_s <= end_s)
    return t_s[rows], makes_run[rows], clip(fibrillation, start_s, end_s)


def _runs(
    t_s: NDArray[np.float64], makes_run: NDArray[np.bool_], fibrillation: tuple[Span, ...]
) -> list[tuple[Span, int]]:
    """List the runs of a side: where, and how long; beats within fibrillation or next to it belong to it."""
    edges = np.flatnonzero(np.diff(np.r_[False, makes_run, False]))
    found = [((float(t_s[a]), float(t_s[b - 1])), min(int(b - a), LONG)) for a, b in edges.reshape(-1, 2)]
    alone = [each for each in found if not any(shared((each[0][0], each[0][1] + 1e-9), (f,)) > 0 for f in fibrillation)]
    return sorted([*alone, *((span, LONG) for span in fibrillation)])


def _longest(
    t_s: NDArray[np.float64], makes_run: NDArray[np.bool_], fibrillation: tuple[Span, ...], begin: float, end: float
) -> int:
    """Find the longest run within a stretch."""
    if any(a <= end and b >= begin for a, b in fibrillation):
        return LONG
    rows = makes_run[np.searchsorted(t_s, begin) : np.searchsorted(t_s, end, "right")]
    edges = np.flatnonzero(np.diff(np.r_[False, rows, False])).reshape(-1, 2)
    return min(int((edges[:, 1] - edges[:, 0]).max(initial=0)), LONG)
