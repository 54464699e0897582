"""Results of `vitalcore analyze` as marks."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ReadError
from vitalcore.scoring.alarms import Said
from vitalcore.scoring.marks import Marks
from vitalcore.scoring.spans import Span, merge
from vitalcore.scoring.waves import POINTS, Delineation

EVENTS = {  # codes of events: kinds of episodes
    "atrial_fibrillation": "AF",
    "ventricular_tachycardia": "VT",
    "ventricular_fibrillation": "VF",
}
_UNUSABLE = "no_usable_signal"
_SAME_S = 0.001  # times of one beat in two tables

Columns = Mapping[str, NDArray[Any]]  # a table: values by column


def read(folder: Path, stream: str = "ecg", final: bool = False) -> Marks:
    """Read what was found in one recording.

    final : take the classes that were said once the beat's waves were known, not those said with the beat

    Errors: ReadError
    """
    beats = table(folder, "beats")
    if beats is None:
        raise ReadError(f"{folder}: no beats.parquet; is it a folder that `vitalcore analyze` wrote for an ECG?")
    found = marks(folder.name, beats, table(folder, "events"), table(folder, "features"), stream)
    if not final:
        return found
    waves = table(folder, "waves")
    if waves is None:
        raise ReadError(f"{folder}: no waves.parquet, which has the final classes")
    return finally_classed(found, waves, stream)


def table(folder: Path, name: str) -> Columns | None:
    """Read one table; None: there is none.

    Errors: ReadError
    """
    path = folder / f"{name}.parquet"
    if not path.is_file():
        return None
    import pyarrow.parquet as pq

    try:
        return columns(pq.read_table(path))
    except Exception as error:  # pyarrow has several, and OSError
        raise ReadError(f"{path}: can't be read ({' '.join(str(error).split())[:120]})") from None


def columns(made: Any) -> Columns:
    """Take the columns of a table of pyarrow as arrays."""
    return {name: made[name].to_numpy() for name in made.column_names}


def marks(
    name: str, beats: Columns, events: Columns | None = None, features: Columns | None = None, stream: str = "ecg"
) -> Marks:
    """Turn the tables of a recording into marks.

    Errors: ReadError where the stream isn't there.
    """
    there = sorted(set(beats["stream"]))
    if there and stream not in there:
        raise ReadError(f"{name}: no beats of a stream {stream}; there are {', '.join(there)}")
    rows = np.flatnonzero(beats["stream"] == stream)
    rows = rows[np.argsort(beats["t_s"][rows], kind="stable")]
    episodes: dict[str, list[Span]] = {}
    if events is not None:
        mine = events["stream"] == stream
        ends = events["t_end_s"][mine].tolist()
        for code, onset_s, end_s in zip(events["code"][mine], events["t_onset_s"][mine].tolist(), ends, strict=True):
            episodes.setdefault(EVENTS.get(str(code), str(code)), []).append(
                (onset_s, end_s if end_s == end_s else float("inf"))
            )
    return Marks(
        name,
        beats["t_s"][rows],
        np.array([label or "?" for label in beats["class"][rows]], "<U1"),
        beats["t_known_s"][rows],
        {kind: merge(spans) for kind, spans in episodes.items()},
        shutdown=merge(episodes.get(_UNUSABLE, ())),
        rate=None if features is None else _rate(features, stream),
    )


def waves(folder: Path, lead: str, stream: str = "ecg") -> Delineation | None:
    """Read the delineation of one lead; None: the recording has no such lead.

    Errors: ReadError
    """
    made = table(folder, "waves")
    if made is None:
        raise ReadError(f"{folder}: no waves.parquet")
    rows = (made["stream"] == stream) & (np.char.lower(made["channel"].astype(str)) == lead)
    if not rows.any():
        return None
    out = {}
    for point in POINTS:
        times = made["t_s" if point == "QRS peak" else f"{point.lower().replace(' ', '_')}_s"][rows]
        out[point] = np.sort(times[np.isfinite(times)])
    return out


def alarms(table: Columns) -> list[Said]:
    """Take the alarms of a recording."""
    fields = (table[name].tolist() for name in ("code", "t_condition_s", "t_end_s", "t_decided_s"))
    rows = zip(*fields, strict=True)
    return [Said(code, begin, end if end == end else float("inf"), known) for code, begin, end, known in rows]


def finally_classed(found: Marks, waves: Columns, stream: str = "ecg") -> Marks:
    """Give beats the classes that were said last; a beat whose waves were never measured keeps its own."""
    rows = np.flatnonzero((waves["stream"] == stream) & (waves["class"] != ""))
    rows = rows[np.argsort(waves["t_s"][rows], kind="stable")]
    t_s = waves["t_s"][rows]
    if not len(rows):
        return found
    near = np.clip(np.searchsorted(t_s, found.t_s - _SAME_S), 0, len(rows) - 1)
    there = np.abs(t_s[near] - found.t_s) <= _SAME_S
    symbols = np.where(there, waves["class"][rows][near].astype("<U1"), found.symbols)
    return replace(found, symbols=symbols)


def _rate(features: Columns, stream: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    rows = np.flatnonzero((features["stream"] == stream) & (features["code"] == "heart_rate"))
    rows = rows[np.argsort(features["t_s"][rows], kind="stable")]
    return (features["t_s"][rows], features["value"][rows]) if len(rows) else None
