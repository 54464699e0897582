"""Results of `vitalcore analyze` as marks."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vitalcore.errors import ReadError
from vitalcore.scoring.marks import Marks
from vitalcore.scoring.spans import Span, merge

if TYPE_CHECKING:
    import pandas as pd

EVENTS = {  # codes of events: kinds of episodes
    "atrial_fibrillation": "AF",
    "atrial_flutter": "AFL",
    "ventricular_tachycardia": "VT",
    "ventricular_tachycardia_nonsustained": "VT",
    "ventricular_fibrillation": "VF",
    "ventricular_flutter": "VF",
}
_UNUSABLE = "no_usable_signal"


def read(folder: Path, stream: str = "ecg") -> Marks:
    """Read what was found in one recording.

    Errors: ReadError
    """
    beats, events, features = (frame(folder, name) for name in ("beats", "events", "features"))
    if beats is None:
        raise ReadError(f"{folder}: no beats.parquet; is it a folder that `vitalcore analyze` wrote for an ECG?")
    return marks(folder.name, beats, events, features, stream)


def frame(folder: Path, name: str) -> "pd.DataFrame | None":
    """Read one table; None: there is none.

    Errors: ReadError
    """
    path = folder / f"{name}.parquet"
    if not path.is_file():
        return None
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path).to_pandas()
    except Exception as error:  # pyarrow has several, and OSError
        raise ReadError(f"{path}: can't be read ({' '.join(str(error).split())[:120]})") from None


def marks(
    name: str,
    beats: "pd.DataFrame",
    events: "pd.DataFrame | None",
    features: "pd.DataFrame | None",
    stream: str = "ecg",
) -> Marks:
    """Turn the tables of a recording into marks.

    Errors: ReadError where the stream isn't there.
    """
    if len(beats) and stream not in set(beats["stream"]):
        there = ", ".join(sorted(set(beats["stream"])))
        raise ReadError(f"{name}: no beats of a stream {stream}; there are {there}")
    mine = beats[beats["stream"] == stream].sort_values("t_s", kind="stable")
    episodes: dict[str, list[Span]] = {}
    unusable: list[Span] = []
    if events is not None:
        for event in events[events["stream"] == stream].itertuples():
            span = (float(event.t_onset_s), float(event.t_end_s) if event.t_end_s == event.t_end_s else float("inf"))
            if event.code in EVENTS:
                episodes.setdefault(EVENTS[event.code], []).append(span)
            elif event.code == _UNUSABLE:
                unusable.append(span)
    rate = None
    if features is not None:
        rows = features[(features["stream"] == stream) & (features["code"] == "heart_rate")].sort_values("t_s")
        if len(rows):
            rate = (rows["t_s"].to_numpy(float), rows["value"].to_numpy(float))
    return Marks(
        name,
        mine["t_s"].to_numpy(float),
        np.array([label or "?" for label in mine["class"]], "<U1"),
        mine["t_known_s"].to_numpy(float),
        {kind: merge(spans) for kind, spans in episodes.items()},
        shutdown=merge(unusable),
        rate=rate,
    )
