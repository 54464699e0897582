"""WFDB annotation files as marks."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vitalcore.errors import ReadError
from vitalcore.scoring.marks import BEATS, Marks
from vitalcore.scoring.pairing import WINDOW_S
from vitalcore.scoring.spans import Span, merge

RHYTHMS = {"(AFIB": "AF", "(AFL": "AFL", "(VT": "VT", "(VFL": "VF", "(VF": "VF", "(VFIB": "VF"}
_UNREADABLE = 0x30  # bits of a ~ mark's subtype: neither signal can be read


def read(path: Path, extension: str, fs_hz: float | None = None) -> Marks:
    """Read the annotations of a record.

    path  : of the record, without extension
    fs_hz : rate of the record, where no header stands beside the annotations

    Errors: ReadError
    """
    notes = load(path, extension)
    rate = float(notes.fs or fs_hz or 0.0)
    if not rate > 0:
        raise ReadError(f"{path}.{extension}: its rate is not known; a header {path.name}.hea beside it says it")
    return marks(path.name, notes, rate)


def load(path: Path, extension: str) -> Any:
    """Read an annotation file as wfdb does.

    Errors: ReadError
    """
    import wfdb

    file = path.with_name(f"{path.name}.{extension}")
    if not file.is_file():
        raise ReadError(f"{file}: no such file")
    try:
        return wfdb.rdann(str(path), extension)
    except Exception as error:  # whatever wfdb meets in a damaged file: it checks little itself
        text = " ".join(str(error).split())[:120]
        raise ReadError(f"{file}: not a WFDB annotation file, or damaged ({type(error).__name__}: {text})") from None


def marks(name: str, notes: Any, fs_hz: float) -> Marks:
    """Turn annotations that wfdb has read into marks."""
    t_s = np.asarray(notes.sample, np.float64) / fs_hz
    symbols = np.array(notes.symbol, "<U1")
    beats = np.isin(symbols, list(BEATS))
    fibrillation = _between(t_s, symbols)
    episodes = _rhythms(t_s, notes.aux_note)
    if fibrillation:
        episodes["VF"] = merge((*episodes.get("VF", ()), *fibrillation))
    return Marks(
        name,
        t_s[beats],
        symbols[beats],
        episodes=episodes,
        uncounted=fibrillation,
        shutdown=_shutdown(t_s, symbols, np.asarray(notes.subtype)),
    )


def _between(t_s: Any, symbols: Any) -> tuple[Span, ...]:
    """Find the stretches from [ to ]; the first may have begun before the record, the last may end after it."""
    edges = [(t, symbol) for t, symbol in zip(t_s.tolist(), symbols.tolist(), strict=True) if symbol in "[]"]
    if edges and edges[0][1] == "]":
        edges.insert(0, (0.0, "["))
    if edges and edges[-1][1] == "[":
        edges.append((float("inf"), "]"))
    return merge((begin, end) for (begin, opens), (end, closes) in pairwise(edges) if opens == "[" and closes == "]")


def _rhythms(t_s: Any, notes: Sequence[str]) -> dict[str, tuple[Span, ...]]:
    """Find the episodes: each lasts until the next rhythm."""
    changes = [(t, note.rstrip("\0 ")) for t, note in zip(t_s.tolist(), notes, strict=True) if note.startswith("(")]
    ends = [*(t for t, _ in changes[1:]), float("inf")]  # one too many where nothing changes
    found: dict[str, list[Span]] = {}
    for (t, note), end in zip(changes, ends, strict=False):
        if note in RHYTHMS:
            found.setdefault(RHYTHMS[note], []).append((t, end))
    return {kind: merge(spans) for kind, spans in found.items()}


def _shutdown(t_s: Any, symbols: Any, subtypes: Any) -> tuple[Span, ...]:
    """Find the stretches where no signal can be read.

    A mark lasts until the next ~ that says otherwise. One that no such mark follows stands for all between the marks
    beside it, as in the AHA database.
    """
    out: list[Span] = []
    for k in np.flatnonzero((symbols == "~") & ((subtypes & _UNREADABLE) == _UNREADABLE)).tolist():
        if k + 1 == len(t_s):
            out.append((float(t_s[k]), float("inf")))
        elif symbols[k + 1] == "~":
            out.append((float(t_s[k]), float(t_s[k + 1])))
        else:
            before = float(t_s[k - 1]) if k else 0.0
            begin, end = before + WINDOW_S, float(t_s[k + 1]) - WINDOW_S
            out.append((min(begin, end), end))
    return merge(out)
