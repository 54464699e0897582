"""Parquet: our own recordings with an exact way back, and anybody's table with a time column."""

import json
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitalcore.errors import ReadError
from vitalcore.readers import table
from vitalcore.readers.kinds import Hints
from vitalcore.readers.recording import Recording, Track

if TYPE_CHECKING:
    import pyarrow as pa

_KEY = b"vitalcore.recording"


def write(recording: Recording, path: Path) -> None:
    """Write a recording as one wide table: a column a channel, shorter tracks empty at their end.

    Rates, kinds and lengths stand in the file's metadata; `read` gives back the same recording, bit for bit.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    longest = max((track.n_samples for track in recording.tracks), default=0)
    columns: dict[str, Any] = {}
    described = []
    for track in recording.tracks:
        rest = longest - track.n_samples
        names = [f"{track.stream}/{channel}" for channel in track.channels]
        arrays = [pa.array(np.ascontiguousarray(track.values[:, k])) for k in range(len(names))]
        if track.times_ns is not None:
            names, arrays = [f"{track.stream}/t_ns", *names], [pa.array(track.times_ns), *arrays]
        for name, array in zip(names, arrays, strict=True):
            columns[name] = pa.concat_arrays([array, pa.nulls(rest, array.type)]) if rest else array
        described.append(
            {
                "stream": track.stream,
                "kind": track.kind,
                "fs_hz": track.fs_hz and [track.fs_hz.numerator, track.fs_hz.denominator],
                "channels": track.channels,
                "unit": track.unit,
                "n": track.n_samples,
            }
        )
    start = recording.start and recording.start.isoformat()
    meta = {"name": recording.name, "start": start, "tracks": described}
    made = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(meta).encode()})
    pq.write_table(made, path, compression="zstd")


def read(path: Path, hints: Hints = Hints()) -> Recording:  # noqa: B008 frozen
    """Read a Parquet file.

    Errors: ReadError
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ReadError(f"{path}: not a Parquet file, or damaged ({str(error).splitlines()[0][:120]})") from None
    meta = (found.schema.metadata or {}).get(_KEY)
    if meta is not None and hints == Hints():
        try:
            return _ours(found, json.loads(meta))
        except (KeyError, TypeError, ValueError, IndexError):
            raise ReadError(f"{path}: the description of its recording doesn't fit its columns") from None
    try:
        frame = found.to_pandas()
    except Exception as error:  # whatever pandas meets in a damaged description of its own
        text = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ReadError(f"{path}: not a table of numbers ({text})") from None
    return table.recording(path, frame.reset_index() if frame.index.name else frame, hints, header=True)


def _ours(found: "pa.Table", meta: dict[str, Any]) -> Recording:
    tracks = []
    for each in meta["tracks"]:
        n = int(each["n"])
        columns = [found.column(f"{each['stream']}/{channel}").slice(0, n).to_numpy() for channel in each["channels"]]
        values = np.ascontiguousarray(np.column_stack(columns), dtype=np.float64)
        fs_hz = Fraction(*each["fs_hz"]) if each["fs_hz"] else None
        times = None if fs_hz else found.column(f"{each['stream']}/t_ns").slice(0, n).to_numpy().astype(np.int64)
        tracks.append(Track(each["stream"], each["kind"], fs_hz, tuple(each["channels"]), values, each["unit"], times))
    start = meta["start"] and datetime.fromisoformat(meta["start"])
    return Recording(meta["name"], tuple(tracks), start)
