"""Stretches of time in s: begin and end."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Span = tuple[float, float]


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Put stretches in order and make one of those that touch."""
    out: list[Span] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return tuple(out)


def clip(spans: Iterable[Span], start: float, end: float) -> tuple[Span, ...]:
    """Keep what lies within a period."""
    cut = ((max(a, start), min(b, end)) for a, b in spans)
    return tuple((a, b) for a, b in cut if b > a)


def shared(span: Span, others: Iterable[Span]) -> float:
    """Tell how much of a stretch lies in others, which don't touch each other."""
    return sum(max(0.0, min(span[1], b) - max(span[0], a)) for a, b in others)


def inside(t: NDArray[np.float64], spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Tell which times lie in one of the stretches, their ends included."""
    rows = np.zeros(len(t), bool)
    for begin, end in spans:
        rows |= (t >= begin) & (t <= end)
    return rows
