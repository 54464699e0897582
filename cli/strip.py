"""A strip of a wave in characters: eight Braille dots each."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# bit of each dot in a Braille character, [row, column]
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


def strip(values: NDArray[np.float64], width: int, height: int) -> list[str]:
    """Draw the last samples across `width` characters; missing samples stay blank.

    values : [n], oldest first; scaled to its own range
    width, height : of the picture, in characters
    """
    dots = np.zeros((4 * height, 2 * width), dtype=bool)
    known = values[np.isfinite(values)]
    if len(known):
        low, high = float(known.min()), float(known.max())
        rows = (4 * height - 1) * (1 - (values - low) / (high - low if high > low else 1.0))
        edges = np.linspace(0, len(values), 2 * width + 1).astype(int)
        before = np.nan
        for column, (a, b) in enumerate(pairwise(edges)):
            inside = rows[a:b][np.isfinite(rows[a:b])]
            if len(inside):
                # from where the line left the column before, so that it stays a line
                top, bottom = np.fmin(inside.min(), before), np.fmax(inside.max(), before)
                dots[round(top) : round(bottom) + 1, column] = True
            before = inside[-1] if len(inside) else np.nan
    return [
        "".join(chr(0x2800 + int((dots[r : r + 4, c : c + 2] * DOTS).sum())) for c in range(0, 2 * width, 2))
        for r in range(0, 4 * height, 4)
    ]


def marks(times: list[float], start: float, end: float, width: int, sign: str = "▲") -> str:
    """Draw a line of marks under a strip that runs from `start` to `end`."""
    line = [" "] * width
    for t in times:
        if start <= t < end:
            line[int((t - start) / (end - start) * width)] = sign
    return "".join(line)
