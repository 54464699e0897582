"""Delineation: onsets, peaks and ends of P, QRS and T against those that people marked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitalcore.errors import ReadError
from vitalcore.scoring import annotations
from vitalcore.scoring.marks import Times
from vitalcore.scoring.pairing import WINDOW_S, pair

POINTS = ("P on", "P peak", "P off", "QRS on", "QRS peak", "QRS off", "T on", "T peak", "T off")
_OF_SYMBOL = {"p": 0, "N": 3, "t": 6}  # place of the wave's onset in POINTS

Delineation = Mapping[str, Times]  # by point: times in s, in order


@dataclass(frozen=True, eq=False)
class PointScore:
    """Hold one kind of point: how many the reference and the test have, and test minus reference of each pair in s."""

    n_reference: int
    n_test: int
    error_s: Times


def marked(notes: Any, fs_hz: float) -> Delineation:
    """Read the annotations of one lead: a wave is `(`, its symbol, `)`; onset or end may be lacking."""
    found: dict[str, list[float]] = {point: [] for point in POINTS}
    marks = [*zip(np.asarray(notes.sample, float) / fs_hz, notes.symbol, strict=True)]
    for k, (t, symbol) in enumerate(marks):
        if symbol not in _OF_SYMBOL:
            continue
        place = _OF_SYMBOL[symbol]
        found[POINTS[place + 1]].append(float(t))
        if k and marks[k - 1][1] == "(":
            found[POINTS[place]].append(float(marks[k - 1][0]))
        if k + 1 < len(marks) and marks[k + 1][1] == ")":
            found[POINTS[place + 2]].append(float(marks[k + 1][0]))
    return {point: np.array(times) for point, times in found.items()}


def read(path: Path, extension: str, fs_hz: float | None) -> Delineation:
    """Read the annotations of one lead of a record (its path without extension).

    Errors: ReadError
    """
    notes = annotations.load(path, extension)
    rate = notes.fs or fs_hz
    if not rate:
        raise ReadError(f"{path}.{extension}: its rate is not known; a header {path.name}.hea beside it says it")
    return marked(notes, float(rate))


def compare(reference: Delineation, test: Delineation, window_s: float = WINDOW_S) -> dict[str, PointScore]:
    """Compare each kind of point, paired as beats are.

    A point of the test without a partner counts only within the stretch that the reference has marked: people often
    leave out the first and last beats. A kind that the test never gives is not compared.
    """
    there = [times for times in reference.values() if len(times)]
    begin = min((float(times[0]) for times in there), default=np.inf)
    end = max((float(times[-1]) for times in there), default=-np.inf)
    out = {}
    for point in POINTS:
        theirs, ours = reference[point], test.get(point, np.empty(0))
        pairs = pair(theirs, ours, window_s)
        counted = (ours >= begin) & (ours <= end)
        counted[pairs[:, 1]] = True
        error_s = ours[pairs[:, 1]] - theirs[pairs[:, 0]]
        out[point] = PointScore(len(theirs), int(counted.sum()), error_s)
    return out


def gross(scores: Iterable[Mapping[str, PointScore]]) -> dict[str, PointScore]:
    """Put all recordings into one pot."""
    every = list(scores)
    return {
        point: PointScore(
            sum(each[point].n_reference for each in every),
            sum(each[point].n_test for each in every),
            np.concatenate([each[point].error_s for each in every]) if every else np.empty(0),
        )
        for point in POINTS
    }
